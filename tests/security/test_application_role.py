"""The application's own role: its writes are marked, and nothing of ours is open to it."""

import pytest

from caas_worker import migrate
from caas_worker.marketplace.schema import TABLES
from caas_worker.shipped import Shipped
from caas_worker.verify import OUR_TABLES
from tests.interleaving import Rows, one
from tests.people import add_booking, add_client, add_listing, add_tutor, forget_marks, marks
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
    everything = allowed(app, app.info.user)
    assert {"schema caas", "view public.caas_scores", "sequence caas.generation", "function caas.fold"} < everything
    assert len(everything) > 90
    assert allowed(app, application.info.user) == allowed(app, "public") == set()


CLOSED = [
    "select * from {relation}",
    "insert into {relation} default values",
    "delete from {relation}",
    "drop {kind} {relation}",
]
KINDS = {"r": "table", "v": "view", "S": "sequence"}


@pytest.mark.parametrize("knows_the_way", [False, True], ids=["as it is", "with usage on the schema"])
def test_what_it_tries_all_the_same_is_refused(app: Rows, application: Rows, knows_the_way: bool) -> None:
    if knows_the_way:
        app.execute(f"grant usage on schema caas to {application.info.user}")
    relations = app.execute(
        "select oid::regclass::text, relkind::text from pg_class where relkind in ('r', 'v', 'S')"
        " and (relnamespace = 'caas'::regnamespace or oid = 'public.caas_scores'::regclass)"
    ).fetchall()
    assert {*(f"caas.{table}" for table in OUR_TABLES), "caas_scores", "caas.source_profiles"} < {
        name for name, _ in relations
    }
    for name, kind in relations:
        tries = [f"select nextval('{name}')", CLOSED[0], CLOSED[3]] if kind == "S" else CLOSED
        for statement in tries:
            assert refused(application, statement.format(relation=name, kind=KINDS[kind])), (name, statement)
    calls = app.execute(
        "select p.proname, array(select format('null::%s', t) from unnest(p.proargtypes::regtype[]) as t) from pg_proc"
        " as p where p.pronamespace = 'caas'::regnamespace and p.prorettype <> 'trigger'::regtype"
    ).fetchall()
    assert len(calls) > 40
    for name, arguments in calls:
        assert refused(application, f"select caas.{name}({', '.join(arguments)})"), name


def test_caas_enqueue_when_granted_is_all_that_opens(app: Rows, application: Rows) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    app.execute(f"grant execute on function caas.enqueue to {application.info.user}")
    assert refused(application, "select caas.enqueue(array[%s], 'word')", tutor), "the schema's usage is needed, too"
    app.execute(f"grant usage on schema caas to {application.info.user}")
    assert allowed(app, application.info.user) == {"schema caas", "function caas.enqueue"}
    assert one(application, "select caas.enqueue(array[%s], 'word')", tutor) == 1
    assert marks(app) == [("word", tutor, None, False, False)]
    assert refused(application, "create table caas.mine (id integer)")


def test_it_can_not_switch_marking_off(application: Rows) -> None:
    assert refused(application, "set session_replication_role = replica")
    assert refused(application, "alter table bookings disable trigger caas_mark_update")
    assert refused(application, "drop trigger caas_mark_update on bookings")
