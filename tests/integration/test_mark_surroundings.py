"""Marks under what a database may bring along: roles, search paths, dropped columns, partitions, publications."""

from collections.abc import Callable

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from caas_worker.worker import Summary
from tests.interleaving import Rows, acting_as, one, plain_role
from tests.town import IDS, INSERTS, LESSON, MOVES, TOWN, WATCHED, marked, put

Drain = Callable[..., Summary]


@pytest.fixture
def town(app: Rows) -> Rows:
    app.execute(TOWN.encode())
    return app


def test_the_applications_role_marks_without_any_grant_of_ours(town: Rows) -> None:
    with plain_role(town) as role:
        with acting_as(town, role):
            for table, (values, _) in INSERTS.items():
                put(town, f"insert into {table} {values}")
            for table, (_, columns) in WATCHED.items():
                town.execute(f"update {table} set {', '.join(f'{column} = {column}' for column in columns)}")
            town.execute("delete from profiles")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                town.execute("select from caas.changes")
        assert {"ana", "ben", "cleo", "dan", "new", "maths", "music"} <= {*marked(town)}


def test_a_session_cannot_lead_its_marks_astray(town: Rows) -> None:
    town.execute("create schema trap; create table trap.changes (like caas.changes)")
    town.execute("create temp table changes (like caas.changes)")
    town.execute("create temp table new_rows (id int); create temp table old_rows (id int)")
    town.execute("set search_path = trap, pg_temp, public; set row_security = off")
    put(town, f"insert into public.bookings {INSERTS['bookings'][0]}")
    town.execute("update public.bookings set status = 'Completed' where id = %s", (LESSON,))
    assert one(town, "select count(*) from caas.changes") == 2
    assert one(town, "select (select count(*) from pg_temp.changes) + (select count(*) from trap.changes)") == 0


@pytest.mark.parametrize("table", INSERTS)
def test_a_watched_column_cannot_be_dropped_and_writes_go_on(town: Rows, table: str) -> None:
    moves = {column for moved, column, _, _ in MOVES if moved == table}
    for column in moves | {*WATCHED.get(table, ((), {}))[1]}:
        with pytest.raises(psycopg.errors.DependentObjectsStillExist, match=r"caas\.source_"):
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
            app.execute("delete from caas.changes")
            put(app, statement)
            return marked(app, "bookings")

        columns = "(listing_id, client_id, scheduled_start, scheduled_end)"
        for relation in ("bookings", "bookings_2026", "bookings_2026_all"):
            values = f"{columns} values (%(music)s, %(dan)s, '2026-06-01Z', '2026-06-01Z')"
            assert marks_of(f"insert into {relation} {values}") == ["dan", "music"]
            assert marks_of(f"update {relation} set status = 'Completed' where client_id = %(dan)s") == ["dan", "music"]
            assert marks_of(f"update {relation} set updated_at = now()") == []
            assert marks_of(f"delete from {relation} where client_id = %(dan)s") == ["dan", "music"]
        # on the day where it was, and on the day where it is
        assert marks_of("update bookings set scheduled_start = '2025-06-01Z'") == ["cleo", "cleo", "maths", "maths"]
        assert one(app, "select count(*) from bookings_2025") == 2
        assert marks_of("delete from listings where id = %(maths)s") == ["cleo", "maths"]
        app.execute("truncate bookings_2025")
        assert one(app, "select count(*) from caas.changes where everyone and reason = 'bookings'") == 1


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
        assert one(app, "select count(*) from caas.changes where everyone") == 1
        app.execute("update bookings_2027 set status = 'Completed'")
        assert marked(app, "bookings") == ["cleo", "maths"]
        assert migrate.up(database_url, Shipped.load(), lambda _: None) == 0


def test_a_publication_for_all_tables_stops_nobody(app: Rows, drain: Drain) -> None:
    app.execute("create publication everything for all tables")
    app.execute(TOWN.encode())
    app.execute("update profiles set bio = 'Hello'")
    drain()
    app.execute("delete from profiles where id = %s", (IDS["eve"],))
    assert drain().remaining == 0
    assert one(app, "select count(*) from caas.scores") == 4
