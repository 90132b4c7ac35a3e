"""Mark: what a write of the application's leaves in caas_changes (design, The line 1; scoring 1.5).

Each test runs in a transaction of its own over one small town and is undone.
"""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from caas_worker.worker import Summary
from tests.conftest import Databases
from tests.interleaving import acting_as, one, plain_role

Rows = Connection[Any]
Drain = Callable[..., Summary]

PEOPLE = {"ana": 1, "ben": 2, "cleo": 3, "dan": 4, "eve": 5}
LISTINGS = {"maths": 11, "music": 12}
IDS = {name: f"00000000-0000-0000-0000-{number:012}" for name, number in (PEOPLE | LISTINGS).items()}
LESSON, REVIEW, EDGE, LINK, NEW = (f"00000000-0000-0000-0000-{number:012}" for number in (21, 22, 23, 24, 99))
NAMES = {number: name for name, number in IDS.items()} | {NEW: "new"}

TOWN = f"""
    insert into profiles (id, roles) values
        ('{IDS["ana"]}', '{{TUTOR}}'), ('{IDS["ben"]}', '{{TUTOR}}'), ('{IDS["cleo"]}', '{{CLIENT}}'),
        ('{IDS["dan"]}', '{{CLIENT}}'), ('{IDS["eve"]}', '{{AGENT}}');
    insert into role_details (profile_id, role_type) values ('{IDS["ana"]}', 'TUTOR');
    insert into listings (id, profile_id) values ('{IDS["maths"]}', '{IDS["ana"]}'), ('{IDS["music"]}', '{IDS["ben"]}');
    insert into bookings (id, listing_id, client_id, scheduled_start, scheduled_end)
    values ('{LESSON}', '{IDS["maths"]}', '{IDS["cleo"]}', '2026-01-05 10:00Z', '2026-01-05 11:00Z');
    insert into profile_reviews (id, reviewer_id, reviewee_id, booking_id, rating)
    values ('{REVIEW}', '{IDS["cleo"]}', '{IDS["ana"]}', '{LESSON}', 4);
    insert into profile_graph (id, source_profile_id, target_profile_id, relationship_type, status)
    values ('{EDGE}', '{IDS["ana"]}', '{IDS["ben"]}', 'SOCIAL', 'ACTIVE');
    insert into student_integration_links (id, profile_id, integration_type)
    values ('{LINK}', '{IDS["ana"]}', 'GOOGLE_CALENDAR');
    delete from caas_changes;
"""

WATCHED: dict[str, tuple[set[str], dict[str, str]]] = {
    "profiles": (
        {"ana"},
        {
            "status": "'inactive'", "roles": "'{CLIENT}'", "identity_verified": "true", "dbs_verified": "true",
            "dbs_expiry_date": "now()", "available_free_help": "true", "bio": "'Hello'", "bio_video_url": "'v'",
            "avatar_url": "'a'", "business_verified": "true",
        },
    ),
    "role_details": (
        {"ana"},
        {"role_type": "'AGENT'", "degree_level": "'PHD'", "qualifications": """'["QTS"]'""", "teaching_experience": "1"},
    ),
    "bookings": (
        {"maths", "cleo"},
        {
            "status": "'Completed'", "type": "'free_help'", "recording_url": "'r'", "payment_status": "'Failed'",
            "cancelled_by": "'tutor'", "no_show_by": "'client'", "scheduled_start": "'2026-01-06Z'",
            "scheduled_end": "'2026-01-07Z'", "actual_start": "now()", "actual_end": "now()", "session_number": "2",
            "tech_issue": "true", "engagement_score": "0.5", "learning_objectives_met": "false", "id": f"'{NEW}'",
        },
    ),
    "profile_reviews": (
        {"ana"},
        {"rating": "5", "reviewer_id": f"'{IDS['dan']}'", "booking_id": "null", "id": f"'{NEW}'"},
    ),
    "profile_graph": (
        {"ana", "ben"},
        {"status": "'BLOCKED'", "relationship_type": "'AGENT_REFERRAL'", "created_at": "'2020-01-01Z'", "id": f"'{NEW}'"},
    ),
    "student_integration_links": (
        {"ana"},
        {"is_active": "false", "integration_type": "'GOOGLE_CLASSROOM'", "id": f"'{NEW}'"},
    ),
}  # fmt: skip
"""By table: who is marked when one of these columns takes this value."""

MOVES = [
    ("profiles", "id", NEW, {"ana", "new"}),
    ("role_details", "profile_id", IDS["ben"], {"ana", "ben"}),
    ("bookings", "listing_id", IDS["music"], {"maths", "music", "cleo"}),
    ("bookings", "client_id", IDS["dan"], {"maths", "cleo", "dan"}),
    ("profile_reviews", "reviewee_id", IDS["ben"], {"ana", "ben"}),
    ("profile_graph", "source_profile_id", IDS["cleo"], {"ana", "ben", "cleo"}),
    ("profile_graph", "target_profile_id", IDS["cleo"], {"ana", "ben", "cleo"}),
    ("student_integration_links", "profile_id", IDS["ben"], {"ana", "ben"}),
    ("listings", "profile_id", IDS["cleo"], {"ana", "ben", "cleo"}),
]

INSERTS = {
    "profiles": ("(id, roles) values (%(new)s, '{TUTOR}')", {"new"}),
    "role_details": ("(profile_id, role_type) values (%(ben)s, 'TUTOR')", {"ben"}),
    "listings": ("(profile_id) values (%(ben)s)", set()),
    "bookings": (
        "(listing_id, client_id, scheduled_start, scheduled_end) values (%(music)s, %(dan)s, now(), now())",
        {"music", "dan"},
    ),
    "profile_reviews": ("(reviewer_id, reviewee_id, rating) values (%(dan)s, %(ben)s, 5)", {"ben"}),
    "profile_graph": ("(source_profile_id, target_profile_id) values (%(cleo)s, %(ben)s)", {"cleo", "ben"}),
    "student_integration_links": ("(profile_id) values (%(ben)s)", {"ben"}),
}

IRRELEVANT = [
    "update profiles set updated_at = now(), display_name = 'A', email = 'a', caas_score = 7, created_at = now()",
    "update bookings set updated_at = now(), created_at = now()",
    "update profile_reviews set comment = 'Nice', updated_at = now(), created_at = now()",
    "update profile_graph set updated_at = now()",
    "update student_integration_links set updated_at = now(), created_at = now()",
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
            "select format('alter table %s alter constraint %I deferrable initially deferred', conrelid::regclass, conname) "
            "from pg_constraint where contype = 'f'"
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


def marked(app: Rows, table: str | None = None) -> list[str]:
    """Names of the marked, as often as they are marked (of one table's marks, or of all)."""
    rows = app.execute(
        "select coalesce(profile_id, listing_id, booking_id)::text from caas_changes "
        "where coalesce(reason = %s, true) and not everyone",
        (table,),
    ).fetchall()
    return sorted(NAMES.get(key, key) for (key,) in rows)


def put(app: Rows, statement: str) -> None:
    app.execute(statement.encode(), IDS | {"new": NEW} if "%(" in statement else None)


@pytest.mark.parametrize(
    ("table", "column", "value", "whose"),
    [(table, column, value, whose) for table, (whose, columns) in WATCHED.items() for column, value in columns.items()],
)
def test_an_update_of_a_watched_column_marks_whom_it_concerns_once(
    town: Rows, table: str, column: str, value: str, whose: set[str]
) -> None:
    which = f"where id = '{IDS['ana']}'" if table == "profiles" else ""
    town.execute(f"update {table} set {column} = {value} {which}")
    assert marked(town, table) == sorted(whose)
    assert marked(town) == sorted(whose)


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
    assert marked(town, table) == sorted(whose)


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
    assert one(town, "select bool_and(deleted) from caas_changes where reason = %s", table) is (table == "profiles")


@pytest.mark.parametrize("table", INSERTS)
def test_a_truncate_marks_everyone(town: Rows, table: str) -> None:
    town.execute(f"truncate {table} cascade")
    assert one(town, "select count(*) from caas_changes where everyone and reason = %s", table) == 1
    assert marked(town) == []


def test_a_deleted_profile_takes_along_what_hangs_on_it_and_all_of_it_is_marked(town: Rows) -> None:
    town.execute("delete from listings where id = %s", (IDS["maths"],))
    assert marked(town, "listings") == ["ana"]
    assert marked(town, "bookings") == ["cleo", "maths"]
    assert marked(town, "profile_reviews") == ["ana"]
    town.execute("delete from profiles where id = %s", (IDS["ben"],))
    assert marked(town, "profiles") == ["ben"]
    assert marked(town, "profile_graph") == ["ana", "ben"]


def test_a_statement_marks_each_key_once_however_many_rows_it_touches(town: Rows) -> None:
    town.execute("insert into profiles (roles, bio) select '{CLIENT}', 'bulk' from generate_series(1, 10)")
    town.execute("delete from caas_changes")
    town.execute(
        "insert into bookings (listing_id, client_id, scheduled_start, scheduled_end) "
        "select %s, p.id, now(), now() from profiles as p, generate_series(1, 100) where p.bio = 'bulk'",
        (IDS["maths"],),
    )
    assert len(marked(town)) == 11
    town.execute("update bookings set status = 'Completed' from profiles as p where p.id = client_id and bio = 'bulk'")
    assert len(marked(town)) == 22


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
        "merge into role_details as d using (values (%(ana)s::uuid, 'TUTOR'), (%(ben)s::uuid, 'TUTOR')) as s (id, role) "
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


def test_the_applications_role_marks_without_any_grant_of_ours(town: Rows) -> None:
    with plain_role(town) as role:
        with acting_as(town, role):
            for table, (values, _) in INSERTS.items():
                put(town, f"insert into {table} {values}")
            for table, (_, columns) in WATCHED.items():
                town.execute(f"update {table} set {', '.join(f'{column} = {column}' for column in columns)}")
            town.execute("delete from profiles")
            with pytest.raises(psycopg.errors.InsufficientPrivilege), town.transaction():
                town.execute("select from caas_changes")
        assert {"ana", "ben", "cleo", "dan", "new", "maths", "music"} <= {*marked(town)}


def test_rows_that_row_level_security_hides_are_marked_all_the_same(town: Rows) -> None:
    with plain_role(town) as role:
        for table in WATCHED | {"listings": ()}:
            town.execute(f"alter table {table} enable row level security, force row level security")
        town.execute("create policy writes on bookings for insert with check (true)")
        town.execute(f"create policy own on bookings for update using (client_id = '{IDS['cleo']}') with check (true)")
        town.execute(f"create policy seen on bookings for select using (client_id = '{IDS['cleo']}')")
        with acting_as(town, role):
            assert one(town, "select count(*) from listings") == 0
            put(town, f"insert into bookings {INSERTS['bookings'][0]}")
            assert one(town, "select count(*) from bookings") == 1
            town.execute("update bookings set status = 'Completed'")
        assert marked(town) == ["cleo", "dan", "maths", "music"]


def test_a_session_cannot_lead_its_marks_astray(town: Rows) -> None:
    town.execute("create schema trap; create table trap.caas_changes (like public.caas_changes)")
    town.execute("create temp table caas_changes (like public.caas_changes)")
    town.execute("create temp table new_rows (id int); create temp table old_rows (id int)")
    town.execute("set local search_path = trap, pg_temp, public; set local row_security = off")
    put(town, f"insert into public.bookings {INSERTS['bookings'][0]}")
    town.execute("update public.bookings set status = 'Completed' where id = %s", (LESSON,))
    assert one(town, "select count(*) from public.caas_changes") == 4
    assert (
        one(town, "select (select count(*) from pg_temp.caas_changes) + (select count(*) from trap.caas_changes)") == 0
    )


def test_a_write_reads_no_other_table_and_waits_for_no_other_table_of_ours(town: Rows, town_url: str) -> None:
    with psycopg.connect(town_url) as other:
        for table in ("caas_recalculation_queue", "caas_dead_entries", "caas_scores", "caas_score_follow"):
            other.execute(sql.SQL("lock table {} in access exclusive mode").format(sql.Identifier(table)))
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
    sources = town.execute("select prosrc from pg_proc where proname like 'caas\\_mark\\_%'").fetchall()
    assert len(sources) >= len(INSERTS)
    assert not [source for (source,) in sources if "notify" in source.lower()]
    unique = town.execute(
        "select pg_get_indexdef(indexrelid) from pg_index where indrelid = 'caas_changes'::regclass and indisunique"
    ).fetchall()
    assert [definition.partition(" USING ")[2] for (definition,) in unique] == ["btree (id)"]
    assert one(
        town, "select attidentity from pg_attribute where attrelid = 'caas_changes'::regclass and attname = 'id'"
    )


@pytest.mark.parametrize("table", INSERTS)
def test_a_watched_column_cannot_be_dropped_and_writes_go_on(town: Rows, table: str) -> None:
    moves = {column for moved, column, _, _ in MOVES if moved == table}
    for column in moves | {*WATCHED.get(table, ((), {}))[1]}:
        with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="caas_guard"), town.transaction():
            town.execute(f"alter table {table} drop column {column}")
    put(town, f"insert into {table} {INSERTS[table][0]}")
    assert marked(town) == sorted(INSERTS[table][1])


def partitioned(connection: Rows) -> None:
    """The marketplace with bookings in partitions by time, one of them divided again."""
    schema.create(connection)
    connection.execute("alter table bookings rename to flat")
    connection.execute(
        """
        create table bookings (like flat including defaults, primary key (id, scheduled_start))
            partition by range (scheduled_start);
        drop table flat cascade;
        alter table bookings add foreign key (listing_id) references listings on delete cascade;
        create table bookings_2025 partition of bookings for values from ('2025-01-01Z') to ('2026-01-01Z');
        create table bookings_2026 partition of bookings for values from ('2026-01-01Z') to ('2027-01-01Z')
            partition by hash (id);
        create table bookings_2026_all partition of bookings_2026 for values with (modulus 1, remainder 0);
        """
    )


def test_writes_into_partitions_mark_whichever_way_they_come(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as app:
        partitioned(app)
        migrate.up(database_url, Shipped.load(), lambda _: None)
        app.execute(TOWN.encode())

        def marks_of(statement: str) -> list[str]:
            app.execute("delete from caas_changes")
            put(app, statement)
            return marked(app, "bookings")

        columns = "(listing_id, client_id, scheduled_start, scheduled_end)"
        for relation in ("bookings", "bookings_2026", "bookings_2026_all"):
            values = f"{columns} values (%(music)s, %(dan)s, '2026-06-01Z', '2026-06-01Z')"
            assert marks_of(f"insert into {relation} {values}") == ["dan", "music"]
            assert marks_of(f"update {relation} set status = 'Completed' where client_id = %(dan)s") == ["dan", "music"]
            assert marks_of(f"update {relation} set updated_at = now()") == []
            assert marks_of(f"delete from {relation} where client_id = %(dan)s") == ["dan", "music"]
        assert marks_of("update bookings set scheduled_start = '2025-06-01Z'") == ["cleo", "maths"]
        assert one(app, "select count(*) from bookings_2025") == 1
        assert marks_of("delete from listings where id = %(maths)s") == ["cleo", "maths"]
        app.execute("truncate bookings_2025")
        assert one(app, "select count(*) from caas_changes where everyone and reason = 'bookings'") == 1


def test_a_partition_attached_later_is_watched_from_the_next_migration_on(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as app:
        partitioned(app)
        migrate.up(database_url, Shipped.load(), lambda _: None)
        app.execute(TOWN.encode())
        app.execute("create table bookings_2027 (like bookings including all)")
        app.execute("insert into bookings_2027 select * from bookings_2026")
        app.execute("update bookings_2027 set scheduled_start = '2027-06-01Z'")
        app.execute(
            "alter table bookings attach partition bookings_2027 for values from ('2027-01-01Z') to ('2028-01-01Z')"
        )
        assert migrate.up(database_url, Shipped.load(), lambda _: None) == 1
        assert one(app, "select count(*) from caas_changes where everyone") == 1
        app.execute("update bookings_2027 set status = 'Completed'")
        assert marked(app, "bookings") == ["cleo", "maths"]
        assert migrate.up(database_url, Shipped.load(), lambda _: None) == 0


def test_a_publication_for_all_tables_stops_nobody(app: Rows, drain: Drain) -> None:
    app.execute("create publication everything for all tables")
    app.execute(TOWN.partition("delete from caas_changes")[0].encode())
    app.execute("delete from profiles where id = %s", (IDS["eve"],))
    assert drain().remaining == 0
    assert one(app, "select count(*) from caas_scores") == 4
