"""Rows for a database of the older release: people, what is cached of them, and work in every state that it knows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from caas_worker import audit, migrate, rules, worker
from caas_worker.db import Database
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from tests.migration import older_release
from tests.people import (
    add,
    add_booking,
    add_client,
    add_event,
    add_listing,
    add_no_show,
    add_profile,
    add_review,
    add_session,
    add_transcript,
    add_tutor,
    connect_people,
    turns,
)

Rows = Connection[Any]

TABLES = {
    f"caas.{name.removeprefix('caas_')}": f"public.{name}"
    for name in (
        "caas_changes", "caas_recalculation_queue", "caas_dead_entries", "caas_scores", "caas_score_follow",
        "caas_rules", "caas_workers", "caas_holds", "caas_touched_cells", "caas_cell_states", "caas_pair_cells",
        "caas_pair_sums", "caas_daily_events", "tutor_daily_aggregates", "tutor_performance_metrics", "tutor_scores",
        "session_scores", "tutor_alerts", "tutor_performance_summaries", "tutor_thresholds", "email_reports",
    )
}  # fmt: skip
"""The older release's tables: their names now, and then."""


def registry() -> Registry:
    """The built-in rules."""
    return Registry([TutorStrategy(), ClientStrategy(), AgentStrategy()])


def drain(conninfo: str) -> worker.Summary:
    """A drain of that database by a worker of its own, which publishes its rules first, as every worker does."""
    with Database(conninfo) as db:
        rules.publish(db, registry())
        return worker.drain(worker.line(db, Settings(backoff_seconds=0), registry()), batch_size=100)


def audited(conninfo: str, *profile_ids: UUID) -> audit.Report:
    """An audit of these profiles, or of everyone."""
    with Database(conninfo) as db:
        line = worker.line(db, Settings(), registry())
        batches: Iterator[Any] = iter([list(profile_ids)]) if profile_ids else audit.everyone(db, 100)
        return audit.audit(db, line, batches)


def contents(connection: Rows, *, older: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Every row of our tables, by the table's name now, with the columns that the older release had."""

    def rows(table: str) -> list[dict[str, Any]]:
        query = f"select to_jsonb(t) - 'tried_at' as row from {table} as t order by 1"
        return [row for (row,) in connection.execute(query.encode())]

    return {now: rows(then if older else now) for now, then in TABLES.items()}


def install(connection: Rows, conninfo: str) -> list[UUID]:
    """Install the older release over a marketplace, with rows in each of its tables; returns who is scored.

    What is settled was computed by this release, whose rules are the same, and is carried over; what is open was
    marked by the older triggers, or is written here as the older functions leave it.
    """
    migrate.up(conninfo, Shipped.load(), lambda _: None)
    people = _settle(connection, conninfo)
    _carry_over(connection, conninfo)
    _leave_work(connection, people)
    return people


def _settle(app: Rows, conninfo: str) -> list[UUID]:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    tutors, clients = [add_tutor(app) for _ in range(6)], [add_client(app) for _ in range(3)]
    agent = add_profile(app, "AGENT")
    for number, tutor in enumerate(tutors):
        listing = add_listing(app, tutor)
        connect_people(app, agent, tutor, "AGENT_REFERRAL")
        for day, client in enumerate(clients):
            at = now - timedelta(days=2 * day + number + 1)
            session = add_session(app, listing, client, at, late=number, session_number=1, engagement_score=0.5)
            add_transcript(app, session, "goal")
            add_review(app, client, tutor, 1 + (number + day) % 5, booking_id=session)
        add_booking(app, listing, clients[0], "Confirmed", scheduled_start=now + timedelta(days=2))
        add_no_show(app, listing, clients[1], now - timedelta(days=3))
        add_event(app, tutor, now - timedelta(days=1), minutes=7)
    app.execute("insert into caas.tutor_thresholds values (%s, 12.5, 'ops', now())", (tutors[1],))
    drain(conninfo)
    app.execute("select caas.hold(%s, 77, 'pinned', 'ops')", (tutors[2],))
    drain(conninfo)
    return [*tutors, *clients, agent]


def _carry_over(app: Rows, conninfo: str) -> None:
    """Keep the rows, put the older release in this one's place, and give them back."""
    sequences = {
        name: app.execute(f"select last_value, is_called from {name}").fetchone()
        for (name,) in app.execute(
            "select oid::regclass::text from pg_class where relnamespace = 'caas'::regnamespace and relkind = 'S'"
        ).fetchall()
    }
    app.execute("create schema kept")
    for table in TABLES:
        app.execute(f"create table kept.{table.removeprefix('caas.')} as table {table}".encode())
    migrate.uninstall(conninfo, Shipped.load(), lambda _: None)
    older_release.install(app)
    for table, older in TABLES.items():
        name = table.removeprefix("caas.")
        columns = app.execute(
            "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute "
            "where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
            (older,),
        ).fetchone()
        assert columns is not None
        app.execute(
            f"insert into {older} ({columns[0]}) overriding system value select {columns[0]} from kept.{name}".encode()
        )
    app.execute("drop schema kept cascade")
    for name, state in sequences.items():
        assert state is not None
        app.execute("select setval(%s, %s, %s)", (name.replace("caas.", "public.caas_"), *state))


def _leave_work(app: Rows, people: list[UUID]) -> None:
    ready, waiting, leased, dead, changed, reviewed, *_ = people
    entry = """
        insert into public.caas_recalculation_queue (
            profile_id, generation, place, priority, reasons, first_changed_at, last_changed_at
        )
        select %s, nextval('public.caas_generation'), nextval('public.caas_generation'), 10, '{bookings}', now(), now()
    """
    for profile_id in (ready, waiting, leased):
        app.execute(entry.encode(), (profile_id,))
    app.execute(
        "update public.caas_recalculation_queue set due_at = now(), attempts = 2, error = 'ValueError' "
        "where profile_id = %s",
        (waiting,),
    )
    app.execute(
        "update public.caas_recalculation_queue set token = %s, lease_until = now(), claimed_alone = true,"
        " claimed_generation = generation - 1, losses = 1, cells_written = true, later_priority = 0,"
        " later_reasons = '{manual}', later_changed_at = now(), later_due_at = now() where profile_id = %s",
        (uuid4(), leased),
    )
    app.execute(
        "insert into public.caas_dead_entries values "
        "(%s, 'ValueError', 'not computed', null, 5, '{profiles}', now(), now(), now())",
        (dead,),
    )
    app.execute("insert into public.caas_score_follow values (%s)", (dead,))
    app.execute("insert into public.caas_touched_cells (profile_id, cell) values (%s, 'days')", (changed,))
    app.execute("insert into public.caas_touched_cells (profile_id, cell) values (%s, 'pairs')", (changed,))
    app.execute(
        "insert into public.caas_workers (worker_id, host, pid, version) values (%s, 'older', 7, '0.1')", (uuid4(),)
    )
    app.execute("update public.tutor_alerts set email_status = 'pending', email_due_at = now() + interval '1 day'")
    app.execute(
        "insert into public.email_reports (booking_id, profile_id, recipient_email, subject, due_at) "
        "select id, %s, 'ops@example.com', 'A session', now() + interval '1 day' from public.bookings limit 1",
        (changed,),
    )
    # what the older triggers mark
    app.execute("update profiles set bio = 'new', available_free_help = true where id = %s", (changed,))
    add_review(app, people[-2], reviewed, 1)
    add_booking(app, add_listing(app, reviewed), people[-2])
    person = add_tutor(app, bio="nobody scored me yet")
    add(app, "role_details", profile_id=person, role_type="TUTOR", degree_level="PHD")
    app.execute("update session_transcripts set turns = %s", (Jsonb(turns()),))
