"""Mark: what a write of the application's leaves in caas.changes (design, The line 1; scoring 1.5).

Each test runs in a transaction of its own over one small town and is undone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Databases
from tests.interleaving import Rows, one
from tests.town import IDS, INSERTS, MOVES, NAMES, TOWN, WATCHED, marked, put

CELLS = {
    ("bookings", "scheduled_start"),
    ("profile_reviews", "reviewer_id"),
    ("profile_reviews", "booking_id"),
    ("platform_events", "occurred_at"),
}
"""Columns that say in which cell a row counts."""

MIDNIGHT, FIFTH, SIXTH = (
    datetime(2026, 1, 5, tzinfo=UTC),
    datetime(2026, 1, 5, 10, tzinfo=UTC),
    datetime(2026, 1, 6, 10, tzinfo=UTC),
)

IRRELEVANT = [
    "update profiles set updated_at = now(), display_name = 'A', email = 'a', caas_score = 7, created_at = now()",
    "update bookings set updated_at = now(), created_at = now()",
    "update profile_reviews set comment = 'Nice', updated_at = now(), created_at = now()",
    "update profile_graph set updated_at = now()",
    "update student_integration_links set updated_at = now(), created_at = now()",
    "update reschedules set updated_at = now(), created_at = now()",
    "update session_transcripts set created_at = now()",
    "insert into platform_events (profile_id, event_type) values (%(ana)s, 'page_view'), (%(ben)s, null)",
    "update platform_events set occurred_at = now(), metadata = '{}' where event_type = 'page_view'",
    "update platform_events set event_type = 'search' where event_type = 'page_view'",
    "update platform_events set profile_id = %(ben)s where event_type = 'page_view'",
    "delete from platform_events where event_type = 'page_view'",
    "update listings set title = 'Algebra'",
    "insert into profiles (id, roles) select id, '{CLIENT}' from profiles on conflict do nothing",
    "delete from bookings where client_id = (select id from profiles where bio = 'nobody')",
]


@pytest.fixture(scope="module")
def town_url(databases: Databases, template: str) -> Iterator[str]:
    conninfo = databases.create(template)
    with psycopg.connect(conninfo) as connection:
        # so that a key may change under its references
        for (alter,) in connection.execute(
            "select format('alter table %s alter constraint %I deferrable initially deferred', "
            "conrelid::regclass, conname) from pg_constraint where contype = 'f'"
        ).fetchall():
            connection.execute(alter)
        connection.execute(TOWN.encode())
    yield conninfo
    databases.drop(conninfo)


@pytest.fixture
def town(town_url: str) -> Iterator[Rows]:
    with psycopg.connect(town_url) as connection:
        connection.execute("select")  # so that a test's own transaction blocks are savepoints
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    ("table", "column", "value", "whose"),
    [(table, column, value, whose) for table, (whose, columns) in WATCHED.items() for column, value in columns.items()],
)
def test_an_update_of_a_watched_column_marks_whom_it_concerns_once(
    town: Rows, table: str, column: str, value: str, whose: set[str]
) -> None:
    which = f"where id = '{IDS['ana']}'" if table == "profiles" else ""
    town.execute(f"update {table} set {column} = {value} {which}")
    cells = 2 if (table, column) in CELLS else 1  # the one where it counted, and the one where it counts now
    assert marked(town, table) == sorted([*whose] * cells)
    assert marked(town) == sorted([*whose] * cells)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "update bookings set status = 'Completed' where id = %(lesson)s",
            {("bookings", "cleo", "maths", None, None, FIFTH)},
        ),
        (
            "update bookings set scheduled_start = '2026-01-06 10:00Z' where id = %(lesson)s",
            {("bookings", "cleo", "maths", None, None, FIFTH), ("bookings", "cleo", "maths", None, None, SIXTH)},
        ),
        (
            "insert into bookings (listing_id, client_id, scheduled_start, scheduled_end) "
            "values (%(maths)s, null, '2026-01-05 10:00Z', now()), (null, %(dan)s, '2026-01-06 10:00Z', now())",
            {("bookings", None, "maths", None, None, FIFTH), ("bookings", "dan", None, None, None, SIXTH)},
        ),
        (
            "update profile_reviews set rating = 5",
            {("profile_reviews", "ana", None, "lesson", "cleo", None)},
        ),
        (
            "update profile_reviews set reviewer_id = %(dan)s",
            {("profile_reviews", "ana", None, "lesson", who, None) for who in ("cleo", "dan")},
        ),
        (
            "update profile_reviews set reviewee_id = %(ben)s, booking_id = %(trial)s",
            {
                ("profile_reviews", "ana", None, "lesson", "cleo", None),
                ("profile_reviews", "ben", None, "trial", "cleo", None),
            },
        ),
        (
            "delete from profile_reviews",
            {("profile_reviews", "ana", None, "lesson", "cleo", None)},
        ),
        (
            "update platform_events set occurred_at = '2026-01-06 10:00Z' where profile_id = %(ana)s",
            {("platform_events", "ana", None, None, None, day) for day in (MIDNIGHT, SIXTH)},
        ),
        ("update session_transcripts set turns = '[]'", {("session_transcripts", None, None, "lesson", None, None)}),
        ("update reschedules set reason = 'Ill'", {("reschedules", None, None, "lesson", None, None)}),
    ],
)
def test_a_mark_names_the_cells_where_it_counted_and_where_it_counts(
    town: Rows, statement: str, named: set[tuple[Any, ...]]
) -> None:
    put(town, statement)
    rows = town.execute(
        "select reason, profile_id::text, listing_id::text, booking_id::text, other_id::text, touched_at, whole "
        "from caas.changes"
    ).fetchall()
    assert len(rows) == len(named)
    assert {(reason, *(NAMES.get(key) for key in keys), at) for reason, *keys, at, _ in rows} == named
    assert not any(whole for *_, whole in rows)


@pytest.mark.parametrize("table", WATCHED)
def test_an_update_that_sets_every_watched_column_to_what_it_is_marks_nobody(town: Rows, table: str) -> None:
    town.execute(f"update {table} set {', '.join(f'{column} = {column}' for column in WATCHED[table][1])}")
    assert marked(town) == []


@pytest.mark.parametrize("statement", IRRELEVANT)
def test_what_no_rule_reads_marks_nobody(town: Rows, statement: str) -> None:
    put(town, statement)
    assert marked(town) == []


@pytest.mark.parametrize(("table", "column", "value", "whose"), MOVES)
def test_a_row_that_moves_marks_where_it_was_and_where_it_is(
    town: Rows, table: str, column: str, value: str, whose: set[str]
) -> None:
    which = f"where id = '{IDS['ana']}'" if table == "profiles" else ""
    town.execute(f"update {table} set {column} = '{value}' {which}")
    assert {*marked(town, table)} == whose


@pytest.mark.parametrize("table", INSERTS)
def test_an_insert_marks_whom_it_concerns(town: Rows, table: str) -> None:
    values, whose = INSERTS[table]
    put(town, f"insert into {table} {values}")
    assert marked(town) == sorted(whose)


@pytest.mark.parametrize("table", INSERTS)
def test_a_delete_marks_whom_the_row_concerned(town: Rows, table: str) -> None:
    which = f"where id = '{IDS['ana']}'" if table == "profiles" else ""
    town.execute(f"delete from {table} {which}")
    whose = {"listings": {"ana", "ben"}}.get(table) or WATCHED[table][0]
    assert marked(town, table) == sorted(whose)
    assert one(town, "select bool_and(deleted) from caas.changes where reason = %s", table) is (table == "profiles")


@pytest.mark.parametrize("table", INSERTS)
def test_a_truncate_marks_everyone(town: Rows, table: str) -> None:
    town.execute(f"truncate {table} cascade")
    assert one(town, "select count(*) from caas.changes where everyone and reason = %s", table) == 1
    assert marked(town) == []


def test_a_deleted_profile_takes_along_what_hangs_on_it_and_all_of_it_is_marked(town: Rows) -> None:
    town.execute("delete from listings where id = %s", (IDS["maths"],))
    assert marked(town, "listings") == ["ana"]
    assert marked(town, "bookings") == ["cleo", "maths"]
    assert marked(town, "profile_reviews") == ["ana"]
    town.execute("delete from profiles where id = %s", (IDS["ben"],))
    assert marked(town, "profiles") == ["ben"]
    assert marked(town, "profile_graph") == ["ana", "ben"]


def test_a_statement_marks_the_same_keys_once_however_many_rows_it_touches(town: Rows) -> None:
    town.execute("insert into profiles (roles, bio) select '{CLIENT}', 'bulk' from generate_series(1, 10)")
    town.execute("delete from caas.changes")
    town.execute(
        "insert into bookings (listing_id, client_id, scheduled_start, scheduled_end) "
        "select %s, p.id, now(), now() from profiles as p, generate_series(1, 100) where p.bio = 'bulk'",
        (IDS["maths"],),
    )
    assert one(town, "select count(*) from caas.changes") == len({*marked(town)} - {"maths"}) == 10
    town.execute("update bookings set status = 'Completed' from profiles as p where p.id = client_id and bio = 'bulk'")
    assert one(town, "select count(*) from caas.changes") == 20


def test_copy_marks(town: Rows) -> None:
    with town.cursor().copy("copy student_integration_links (profile_id) from stdin") as copy:
        for name in ("ana", "ben", "ana"):
            copy.write_row([IDS[name]])
    assert marked(town) == ["ana", "ben"]


def test_an_upsert_marks_what_it_inserts_and_what_it_updates(town: Rows) -> None:
    put(
        town,
        "insert into role_details (profile_id, role_type, degree_level) "
        "values (%(ana)s, 'TUTOR', 'PHD'), (%(ben)s, 'TUTOR', 'PHD') "
        "on conflict (profile_id, role_type) do update set degree_level = excluded.degree_level",
    )
    assert marked(town) == ["ana", "ben"]


def test_a_merge_marks_what_it_inserts_updates_and_deletes(town: Rows) -> None:
    put(
        town,
        "merge into role_details as d "
        "using (values (%(ana)s::uuid, 'TUTOR'), (%(ben)s::uuid, 'TUTOR')) as s (id, role) "
        "on d.profile_id = s.id and d.role_type = s.role "
        "when matched then update set degree_level = 'PHD' "
        "when not matched then insert (profile_id, role_type) values (s.id, s.role)",
    )
    assert marked(town) == ["ana", "ben"]
    put(town, "merge into role_details as d using profiles as p on p.id = d.profile_id when matched then delete")
    assert marked(town) == ["ana", "ana", "ben", "ben"]


def test_what_is_rolled_back_leaves_no_mark(town: Rows) -> None:
    with town.transaction():
        with town.transaction(force_rollback=True):
            town.execute("update profiles set bio = 'Hello'")
        town.execute("update profiles set bio = 'Hello' where id = %s", (IDS["ben"],))
    assert marked(town) == ["ben"]
    town.rollback()
    assert marked(town) == []


def test_a_write_reads_no_other_table_and_waits_for_no_other_table_of_ours(town: Rows, town_url: str) -> None:
    with psycopg.connect(town_url) as other:
        for table in ("caas.recalculation_queue", "caas.dead_entries", "caas.scores", "caas.score_follow"):
            other.execute(sql.SQL("lock table {} in access exclusive mode").format(sql.SQL(table)))
        town.execute("set local lock_timeout = '5s'")
        for table, (whose, columns) in WATCHED.items():
            column, value = next(iter(columns.items()))
            town.execute(f"update {table} set {column} = {value}")
            assert {*marked(town, table)} >= whose
        other.rollback()
    town.rollback()
    town.execute("update bookings set status = 'Completed'")
    # foreign keys lock the rows they check ROW SHARE, the update itself ROW EXCLUSIVE; a look-up would be ACCESS SHARE
    read = town.execute(
        "select c.relname from pg_locks as l inner join pg_class as c on c.oid = l.relation "
        "where l.pid = pg_backend_pid() and l.mode = 'AccessShareLock' and c.relkind = 'r' "
        "and c.relnamespace = 'public'::regnamespace"
    ).fetchall()
    assert read == []


def test_triggers_neither_notify_nor_meet_a_unique_key(town: Rows) -> None:
    sources = town.execute("select prosrc from pg_proc where proname like 'mark\\_%'").fetchall()
    assert len(sources) >= len(INSERTS)
    assert not [source for (source,) in sources if "notify" in source.lower()]
    unique = town.execute(
        "select pg_get_indexdef(indexrelid) from pg_index where indrelid = 'caas.changes'::regclass and indisunique"
    ).fetchall()
    assert [definition.partition(" USING ")[2] for (definition,) in unique] == ["btree (id)"]
    assert one(
        town, "select attidentity from pg_attribute where attrelid = 'caas.changes'::regclass and attname = 'id'"
    )
