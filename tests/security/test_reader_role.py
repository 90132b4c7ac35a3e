"""caas_reader and public.caas_scores: tutors and clients, and everyone the row that caas.profile_id names; no more."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.interleaving import Rows, one
from tests.people import add_profile, add_tutor
from tests.security.conftest import Login, allowed, refused

People = dict[str, UUID]

SCORE = """
    insert into caas.scores (
        profile_id, role_type, total_score, score_breakdown, score_inputs, gate_failed, calculation_version,
        calculated_at, source_changed_at, generation
    ) values (%s, %s, %s, jsonb_build_object('of', %s::text), '{}', false, 'v1', now(), now(), 1)
"""


@pytest.fixture
def people(app: Rows) -> People:
    """One scored profile of each role; nobody has none that is supported."""
    kinds = {"tutor": "TUTOR", "client": "CLIENT", "agent": "AGENT", "rival": "AGENT", "nobody": None}
    made = {name: add_profile(app, role or "GUEST") for name, role in kinds.items()}
    for name, profile_id in made.items():
        app.execute(SCORE, (profile_id, kinds[name], 60 if name == "agent" else 50, str(profile_id)))
    return made


@pytest.fixture
def reader(login: Login) -> Iterator[Rows]:
    with psycopg.connect(login("caas_reader"), autocommit=True) as connection:
        yield connection


def seen(reader: Rows, people: People, setting: str | None = None) -> set[str]:
    """Whose rows the reader sees, by the setting of one transaction."""
    with reader.transaction():
        if setting is not None:
            reader.execute("select set_config('caas.profile_id', %s, true)", (setting,))
        ids = {row[0] for row in reader.execute("select profile_id from caas_scores").fetchall()}
    return {name for name, profile_id in people.items() if profile_id in ids}


def test_it_sees_tutors_and_clients(reader: Rows, people: People) -> None:
    assert seen(reader, people) == {"tutor", "client"}


@pytest.mark.parametrize("name", ["agent", "nobody", "tutor"])
def test_who_is_named_sees_the_own_row_besides(reader: Rows, people: People, name: str) -> None:
    assert seen(reader, people, str(people[name])) == {"tutor", "client", name}
    assert seen(reader, people, str(people[name]).upper()) == {"tutor", "client", name}


def test_the_name_is_forgotten_with_its_transaction(reader: Rows, people: People) -> None:
    assert "agent" in seen(reader, people, str(people["agent"]))
    assert seen(reader, people) == {"tutor", "client"}
    assert one(reader, "select current_setting('caas.profile_id', true)") == ""


@pytest.mark.parametrize("setting", ["", " ", "agent", "%", "null", str(uuid4()), "'; drop table caas.scores; --"])
def test_a_setting_that_names_nobody_is_no_error(reader: Rows, people: People, setting: str) -> None:
    assert seen(reader, people, setting) == {"tutor", "client"}


LEAKS = {
    "a function that costs nothing": "pg_temp.told(profile_id)",
    "one over another column": "pg_temp.told(score_breakdown)",
    "an operator": "profile_id operator(pg_temp.~~~) profile_id",
    "one in the order by": "true order by pg_temp.told(profile_id)",
    "one in a join": "exists (select from generate_series(1, 2) as n where pg_temp.told(profile_id, n))",
}


@pytest.mark.parametrize("condition", LEAKS.values(), ids=LEAKS)
def test_a_function_of_the_readers_is_shown_no_row_that_the_reader_may_not_see(
    reader: Rows, people: People, condition: str
) -> None:
    reader.execute(
        """
        create function pg_temp.told(uuid) returns boolean language plpgsql cost 0.0001 as
        $$ begin raise notice '%', $1; return true; end $$;
        create function pg_temp.told(uuid, integer) returns boolean language plpgsql cost 0.0001 as
        $$ begin raise notice '%', $1; return true; end $$;
        create function pg_temp.told(jsonb) returns boolean language plpgsql cost 0.0001 as
        $$ begin raise notice '%', $1 ->> 'of'; return true; end $$;
        create function pg_temp.told_both(uuid, uuid) returns boolean language plpgsql cost 0.0001 as
        $$ begin raise notice '%', $1; return true; end $$;
        create operator pg_temp.~~~ (leftarg = uuid, rightarg = uuid, function = pg_temp.told_both)
        """
    )
    told: list[str] = []
    reader.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    reader.execute(f"select 1 from caas_scores where {condition}".encode())
    assert set(told) == {str(people["tutor"]), str(people["client"])}


def test_an_agent_can_not_be_found_out_by_a_query(reader: Rows, people: People) -> None:
    agent = people["agent"]
    assert reader.execute("select 1 from caas_scores where profile_id = %s", (agent,)).fetchall() == []
    assert one(reader, "select count(*) from caas_scores where role_type = 'AGENT'") == 0
    # an error of a hidden row's would tell of it, too: an agent's total is the one that divides by zero
    assert one(reader, "select count(*) from caas_scores where 1 / (total_score - 60) is not null") == 2
    for statistics in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
        assert one(reader, f"select count(*) from {statistics} where schemaname = 'caas'") == 0


def test_the_owner_reads_the_view_as_readers_do_and_the_table_whole(app: Rows, people: People) -> None:
    assert seen(app, people) == {"tutor", "client"}
    assert one(app, "select count(*) from caas.scores") == len(people)


WRITES = [
    "insert into caas_scores (profile_id, role_type) values (gen_random_uuid(), 'TUTOR')",
    "update caas_scores set total_score = 100",
    "update caas_scores set total_score = 100 where profile_id = '{tutor}'",
    "delete from caas_scores",
    "delete from caas_scores where profile_id = '{tutor}'",
    "merge into caas_scores as s using (select 1) as n on true when matched then delete",
    "select 1 from caas_scores for update",
    "select 1 from caas_scores for key share",
    "copy caas_scores from stdin",
    "do 'begin lock table caas_scores in share mode; end'",
    "alter view caas_scores set (security_barrier = false)",
    "alter view caas_scores reset (security_barrier)",
    "create or replace view caas_scores as select * from caas.scores",
    "create rule r as on insert to caas_scores do instead nothing",
    "create trigger t instead of insert on caas_scores for each row execute function pg_temp.noop()",
    "drop view caas_scores",
]


def test_it_can_neither_write_nor_change_the_view(app: Rows, reader: Rows, people: People) -> None:
    writes = WRITES if app.info.server_version >= 170_000 else [text for text in WRITES if "merge" not in text]
    reader.execute("create function pg_temp.noop() returns trigger language plpgsql as 'begin return null; end'")
    assert [text for text in writes if not refused(reader, text.format(tutor=people["tutor"]))] == []
    assert one(app, "select count(*) from caas.scores where total_score = 50") == len(people) - 1
    reader.execute("grant select on caas_scores to public")
    assert allowed(app, "public") == set(), "that was a warning: nothing was granted"


def test_nothing_else_is_open_to_it(app: Rows, reader: Rows, people: People) -> None:
    assert allowed(app, "caas_reader") == allowed(app, reader.info.user) == {"view public.caas_scores"}
    for statement in (
        "select profile_id from caas.scores",
        "select id from caas.source_profiles",
        "select id from profiles",
        "select caas.enqueue('{{{tutor}}}', 'word')",
        "select caas.hold('{tutor}', 100, 'mine', 'me')",
        "create table caas.mine (id integer)",
        "set role caas_worker",
    ):
        assert refused(reader, statement.format(tutor=people["tutor"])), statement


COLUMNS = {
    "profile_id": "uuid",
    "role_type": "text",
    "total_score": "smallint",
    "score_breakdown": "jsonb",
    "score_inputs": "jsonb",
    "reason": "text",
    "calculation_version": "text",
    "gate_failed": "boolean",
    "calculated_at": "timestamp with time zone",
    "source_changed_at": "timestamp with time zone",
    "next_due_at": "timestamp with time zone",
    "generation": "bigint",
    "swept": "boolean",
    "computed_score": "smallint",
}
"""What readers find by name and type, from the first release on."""


@pytest.mark.parametrize("relation", ["public.caas_scores", "caas.scores"])
def test_the_view_has_the_columns_that_the_table_had_and_has(app: Rows, relation: str) -> None:
    query = (
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum"
    )
    assert app.execute(query, (relation,)).fetchall() == [*COLUMNS.items()]


def test_every_column_is_the_tables_own(app: Rows, people: People) -> None:
    app.execute(
        "update caas.scores set score_breakdown = '{\"a\": 1}', score_inputs = '{\"b\": 2}', reason = 'unverified',"
        " gate_failed = true, calculated_at = now() - interval '1 day', next_due_at = now() + interval '1 day',"
        " generation = 7, computed_score = 3 where profile_id = %(tutor)s",
        people,
    )
    rows = [
        app.execute(f"select * from {relation} where profile_id = %(tutor)s".encode(), people).fetchall()
        for relation in ("caas_scores", "caas.scores")
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1


def plan(reader: Rows, query: str, *parameters: Any) -> str:
    return "\n".join(row[0] for row in reader.execute(f"explain (costs off) {query}".encode(), parameters).fetchall())


def test_a_row_is_still_found_by_its_key(app: Rows, reader: Rows, login: Login) -> None:
    app.execute(
        "insert into caas.scores (profile_id, role_type, total_score, score_breakdown, score_inputs, gate_failed,"
        " calculation_version, calculated_at, source_changed_at, generation) select gen_random_uuid(), 'TUTOR', 50,"
        " '{}', '{}', false, 'v1', now(), now(), n from generate_series(1, 5000) as n"
    )
    app.execute("analyze caas.scores")
    lookup = "select total_score from caas_scores where profile_id = %s"
    several = "select total_score from caas_scores where profile_id = any(%s)"
    for query, key in ((lookup, uuid4()), (several, [uuid4(), uuid4()])):
        shown = plan(reader, query, key)
        assert "scores_has_one_row_per_profile" in shown
        assert "Index Cond: (profile_id =" in shown
        assert "Filter: " in shown
        assert "Seq Scan" not in shown
    join = "select s.total_score from profiles as p inner join caas_scores as s on s.profile_id = p.id where p.id = %s"
    app.execute(f"grant select on profiles to {reader.info.user}")
    assert "Index Cond: (profile_id =" in plan(reader, join, add_tutor(app))
    with psycopg.connect(login("caas_worker"), autocommit=True) as worker:
        assert "Filter: " not in plan(worker, "select total_score from caas.scores where profile_id = %s", uuid4())
