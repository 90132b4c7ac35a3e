"""The application's own role: its writes are marked, and nothing of ours is open to it."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from caas_worker import migrate
from caas_worker.catalog import RELATIONS
from caas_worker.marketplace import schema
from caas_worker.marketplace.schema import TABLES
from caas_worker.shipped import Shipped
from caas_worker.verify import OUR_TABLES
from tests.interleaving import Rows, one
from tests.people import add_booking, add_client, add_listing, add_profile, add_tutor, forget_marks, marks
from tests.security.conftest import allowed, refused
from tests.town import INSERTS, MOVES, TOWN, WATCHED, marked, put


@pytest.mark.parametrize("table", WATCHED)
def test_every_trigger_fires_for_a_role_with_nothing_but_its_grants_on_the_table(
    app: Rows, application: Rows, table: str
) -> None:
    app.execute(TOWN.encode())
    values, whom = INSERTS[table]
    put(application, f"insert into {table} {values}")
    assert set(marked(app, table)) == whom
    forget_marks(app)
    changes = WATCHED[table][1]
    column = "occurred_at" if table == "platform_events" else next(iter(changes))
    application.execute(f"update {table} set {column} = {changes[column]}".encode())
    assert marked(app, table) != []
    forget_marks(app)
    application.execute(f"delete from {table}".encode())
    assert marked(app, table) != []
    forget_marks(app)
    application.execute(f"truncate {table} cascade".encode())
    assert (table, None, None, False, True) in marks(app)


def test_a_listing_that_moves_or_goes_is_marked_too(app: Rows, application: Rows) -> None:
    app.execute(TOWN.encode())
    table, column, value, whom = MOVES[-1]
    application.execute(f"update {table} set {column} = '{value}'".encode())
    assert set(marked(app)) == whom
    application.execute(f"delete from {table}".encode())
    application.execute(f"truncate {table} cascade".encode())
    assert (table, None, None, False, True) in marks(app)


def test_every_table_is_watched_here() -> None:
    assert {*WATCHED, "listings"} == set(TABLES)


def test_a_write_straight_into_a_partition_is_marked(app: Rows, application: Rows, url: str) -> None:
    app.execute(
        "drop table bookings cascade;"
        " create table bookings (id uuid default gen_random_uuid(), listing_id uuid, client_id uuid, type text,"
        " status booking_status_enum, scheduled_start timestamptz, scheduled_end timestamptz, actual_start timestamptz,"
        " actual_end timestamptz, cancelled_by text, no_show_by text, payment_status text, recording_url text,"
        " session_number integer, tech_issue boolean, engagement_score numeric, learning_objectives_met boolean)"
        " partition by range (scheduled_start);"
        " create table bookings_rest partition of bookings default"
    )
    migrate.up(url, Shipped.load(), lambda _: None)
    app.execute(f"grant insert, select on bookings, bookings_rest to {application.info.user}")
    tutor, client = add_tutor(app), add_client(app)
    listing = add_listing(app, tutor)
    forget_marks(app)
    add_booking(application, listing, client)
    application.execute("insert into bookings_rest (listing_id) values (%s)", (listing,))
    assert [mark[:3] for mark in marks(app)] == [("bookings", client, listing), ("bookings", None, listing)]


def test_nothing_of_ours_is_open_to_it(app: Rows, application: Rows) -> None:
    assert len(allowed(app, app.info.user)) > 60
    assert allowed(app, application.info.user) == set()


def test_what_it_tries_all_the_same_is_refused(app: Rows, application: Rows) -> None:
    relations = app.execute(
        "select relname, relkind::text from pg_class where relnamespace = 'public'::regnamespace"
        " and relname ~ %s and relkind in ('r', 'v', 'S')",
        (RELATIONS,),
    ).fetchall()
    assert {*OUR_TABLES} < {name for name, _ in relations}
    for name, kind in relations:
        assert refused(application, f"select * from {name}"), name
        if kind == "S":
            assert refused(application, f"select nextval('{name}')"), name
        else:
            for statement in (
                f"delete from {name}",
                f"insert into {name} default values",
                f"drop {KINDS[kind]} {name}",
            ):
                assert refused(application, statement), statement
    calls = app.execute(
        "select p.proname, array(select format('null::%s', t) from unnest(p.proargtypes::regtype[]) as t) from pg_proc"
        " as p where p.pronamespace = 'public'::regnamespace and p.proname ~ '^(caas_|get_)'"
        " and p.prorettype <> 'trigger'::regtype"
    ).fetchall()
    assert len(calls) > 30
    for name, arguments in calls:
        assert refused(application, f"select {name}({', '.join(arguments)})"), name


KINDS = {"r": "table", "v": "view"}


def test_caas_enqueue_when_granted_is_all_that_opens(app: Rows, application: Rows) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    app.execute(f"grant execute on function caas_enqueue to {application.info.user}")
    assert allowed(app, application.info.user) == {"function caas_enqueue"}
    assert one(application, "select caas_enqueue(array[%s], 'word')", tutor) == 1
    assert marks(app) == [("word", tutor, None, False, False)]


def test_it_can_not_switch_marking_off(application: Rows) -> None:
    assert refused(application, "set session_replication_role = replica")
    assert refused(application, "alter table bookings disable trigger caas_mark_update")
    assert refused(application, "drop trigger caas_mark_update on bookings")


@pytest.fixture
def generous(database_url: str) -> Iterator[Rows]:
    """A marketplace whose default privileges give the application's role every new table, before we come."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        schema.create(owner)
        owner.execute("create role caas_test_generous; grant all on profiles to caas_test_generous")
        owner.execute("alter default privileges in schema public grant all on tables to caas_test_generous")
        migrate.up(database_url, Shipped.load(), lambda _: None)
        yield owner
        owner.execute("reset role; drop owned by caas_test_generous; drop role caas_test_generous")


def test_default_privileges_open_no_way_around_the_policy(generous: Rows) -> None:
    agent = add_profile(generous, "AGENT")
    generous.execute(
        "insert into caas_scores (profile_id, role_type, total_score, score_breakdown, score_inputs, gate_failed,"
        " calculation_version, calculated_at, source_changed_at, generation)"
        " values (%s, 'AGENT', 50, '{}', '{}', false, 'v1', now(), now(), 1)",
        (agent,),
    )
    generous.execute(sql.SQL("set role caas_test_generous"))
    assert refused(generous, "select * from caas_every_score")
    assert refused(generous, "update caas_every_score set total_score = 100")
    assert one(generous, "select count(*) from caas_scores") == 0
    for statement in ("update caas_scores set total_score = 100", "delete from caas_scores"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="see some scores and write none"):
            generous.execute(statement.encode())
