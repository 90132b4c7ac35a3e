"""caas_reader: tutors and clients, and everyone the row that caas.profile_id names; nothing else."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.conftest import Connect
from tests.interleaving import Rows, one
from tests.people import add_profile, add_tutor
from tests.security.conftest import Login, allowed, refused

People = dict[str, UUID]

SCORE = """
    insert into caas_scores (
        profile_id, role_type, total_score, score_breakdown, score_inputs, gate_failed, calculation_version,
        calculated_at, source_changed_at, generation
    ) values (%s, %s, 50, '{}', '{}', false, 'v1', now(), now(), 1)
"""


@pytest.fixture
def people(app: Rows) -> People:
    """One scored profile of each role; nobody has none that is supported."""
    kinds = {"tutor": "TUTOR", "client": "CLIENT", "agent": "AGENT", "rival": "AGENT", "nobody": None}
    made = {name: add_profile(app, role or "GUEST") for name, role in kinds.items()}
    for name, profile_id in made.items():
        app.execute(SCORE, (profile_id, kinds[name]))
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


@pytest.mark.parametrize("setting", ["", " ", "agent", "%", "null", str(uuid4()), "'; drop table caas_scores; --"])
def test_a_setting_that_names_nobody_is_no_error(reader: Rows, people: People, setting: str) -> None:
    assert seen(reader, people, setting) == {"tutor", "client"}


def test_an_agent_can_not_be_found_out_by_a_query(reader: Rows, people: People) -> None:
    agent = people["agent"]
    assert reader.execute("select 1 from caas_scores where profile_id = %s", (agent,)).fetchall() == []
    assert one(reader, "select count(*) from caas_scores where role_type = 'AGENT'") == 0
    assert one(reader, "select count(*) from caas_scores where 1 / (total_score - 50 + 1) = 1") == 2
    # a function of the reader's that tells what it is shown is shown no other row
    reader.execute(
        "create function pg_temp.told(uuid) returns boolean language plpgsql cost 0.0001 as $$ begin"
        " raise notice '%', $1; return true; end $$"
    )
    told: list[str] = []
    reader.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    reader.execute("select 1 from caas_scores where pg_temp.told(profile_id)")
    assert set(told) == {str(people["tutor"]), str(people["client"])}


def test_nothing_else_is_open_to_it(app: Rows, reader: Rows, people: People) -> None:
    assert allowed(app, "caas_reader") == allowed(app, reader.info.user) == {"r caas_scores"}
    assert refused(reader, "select profile_id from caas_every_score")
    assert refused(reader, "select id from profiles")
    assert refused(reader, "select caas_enqueue(array[%s], 'word')", people["tutor"])
    for statement in (
        "insert into caas_scores (profile_id) values (gen_random_uuid())",
        "update caas_scores set total_score = 100",
        "delete from caas_scores",
        "truncate caas_scores",
        "select 1 from caas_scores for update",
        "alter table caas_scores disable row level security",
        "drop policy caas_readers_see_tutors_clients_and_themselves on caas_scores",
        "set role caas_worker",
    ):
        assert refused(reader, statement), statement


def test_switching_row_security_off_is_an_error_and_shows_nothing(reader: Rows, people: People) -> None:
    assert len(people) == 5
    reader.execute("set row_security = off")
    assert refused(reader, "select profile_id from caas_scores")


def plan(reader: Rows, query: str, *parameters: Any) -> str:
    return "\n".join(row[0] for row in reader.execute(f"explain (costs off) {query}".encode(), parameters).fetchall())


def test_a_row_is_still_found_by_its_key(app: Rows, reader: Rows, login: Login, connect: Connect) -> None:
    app.execute(
        "insert into caas_scores (profile_id, role_type, total_score, score_breakdown, score_inputs, gate_failed,"
        " calculation_version, calculated_at, source_changed_at, generation) select gen_random_uuid(), 'TUTOR', 50,"
        " '{}', '{}', false, 'v1', now(), now(), n from generate_series(1, 5000) as n"
    )
    app.execute("analyze caas_scores")
    lookup = "select total_score from caas_scores where profile_id = %s"
    shown = plan(reader, lookup, uuid4())
    assert "Index Scan using caas_scores_has_one_row_per_profile" in shown
    assert "Index Cond: (profile_id =" in shown
    assert "Filter: " in shown
    join = "select s.total_score from profiles as p inner join caas_scores as s on s.profile_id = p.id where p.id = %s"
    app.execute(f"grant select on profiles to {reader.info.user}")
    assert "Index Cond: (profile_id =" in plan(reader, join, add_tutor(app))
    with psycopg.connect(login("caas_worker"), autocommit=True) as worker:
        assert "Filter: " not in plan(worker, lookup, uuid4())
    assert "Filter: " not in plan(connect(), lookup, uuid4())
