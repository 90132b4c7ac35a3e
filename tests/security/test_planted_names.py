"""Whoever may create in `public` gets nothing of his run: neither by who migrates, nor by workers, nor by readers.

In every database here stand traps under each name that our SQL uses (traps.py), from before we came.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from caas_worker import audit, figures, follow, migrate, outbox, sessions, sweep, tutors, worker
from caas_worker.cli import app as commands
from caas_worker.db import APPLICATIONS_PATH, Database
from caas_worker.errors import CaasError
from caas_worker.mail import Mailer
from caas_worker.marketplace import schema
from caas_worker.pipeline import Line
from caas_worker.sessions import Completion, Reschedule, Session
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.tutors import Listing
from caas_worker.verify import verify
from tests.conftest import Databases
from tests.interleaving import Rows, one
from tests.mailbox import serving
from tests.migration import older_release
from tests.people import (
    add,
    add_booking,
    add_client,
    add_event,
    add_listing,
    add_profile,
    add_review,
    add_session,
    add_transcript,
    add_tutor,
    connect_people,
    total,
)
from tests.security import traps
from tests.security.conftest import Login, newer

Ran = Callable[[Rows], str]

PLANTER = "caas_test_planter"
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Town:
    """Who lives in the marketplace, and some of what is theirs."""

    tutor: UUID
    client: UUID
    agent: UUID
    listing: UUID
    session: UUID


@dataclass(frozen=True)
class Trapped:
    """Marketplaces full of traps, to be cloned: where we are not yet, and where we are; the traps by number."""

    before: str
    installed: str
    town: Town
    names: list[str]


@pytest.fixture(scope="module")
def trapped(databases: Databases) -> Iterator[Trapped]:
    before = databases.create()
    with psycopg.connect(before, autocommit=True) as app:
        schema.create(app)
        app.execute(f"create role {PLANTER}; grant create, usage on schema public to {PLANTER}".encode())
        names = traps.plant(app, Shipped.load(), PLANTER)
    installed = databases.create(name_of(before))
    migrate.up(installed, Shipped.load(), lambda _: None)
    with psycopg.connect(installed, autocommit=True) as app, Database(installed) as db:
        town = populate(app, db)
    yield Trapped(name_of(before), name_of(installed), town, names)
    databases.drop(installed)
    databases.drop(before)
    emptied = databases.create()
    with psycopg.connect(emptied, autocommit=True) as app:
        app.execute(f"drop role {PLANTER}".encode())
    databases.drop(emptied)


def name_of(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["dbname"])


def populate(app: Rows, db: Database) -> Town:
    """People with a past that every rule has something to say of, computed; and a change that is not folded yet."""
    tutor, client, agent = add_tutor(app), add_client(app), add_profile(app, "AGENT")
    listing = add_listing(app, tutor)
    for days in range(1, 20):
        at = NOW - timedelta(days=days)
        session = add_session(app, listing, client, at, late=9, early=20, session_number=20 - days, type="paid")
        add_review(app, client, tutor, 2, booking_id=session)
        add_event(app, tutor, at, 5.0)
        add_event(app, client, at)
    add_transcript(app, session, "goal", "share")
    moved = add_booking(app, listing, client, "Rescheduled", scheduled_start=NOW - timedelta(days=2))
    add(app, "reschedules", booking_id=moved, initiator="tutor")
    add_booking(app, listing, client, "Pending", scheduled_start=NOW + timedelta(days=1))
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    connect_people(app, client, tutor)
    add(app, "role_details", profile_id=tutor, role_type="TUTOR", degree_level="PHD", qualifications=["QTS"])
    add(app, "student_integration_links", profile_id=client, integration_type="GOOGLE_CALENDAR")
    strategies = Registry([TutorStrategy(), ClientStrategy(), AgentStrategy()])
    assert worker.drain(worker.line(db, Settings(), strategies), batch_size=10).failed == 0
    add_booking(app, listing, client)
    traps.forget(app)
    return Town(tutor, client, agent, listing, session)


@pytest.fixture
def template(trapped: Trapped) -> str:
    """What `url`, `app`, `db`, `line` and the others of tests/conftest.py are about here."""
    return trapped.installed


@pytest.fixture
def town(trapped: Trapped) -> Town:
    return trapped.town


@pytest.fixture
def bare(databases: Databases, trapped: Trapped) -> Iterator[str]:
    """A marketplace with traps where we are not yet."""
    conninfo = databases.create(trapped.before)
    yield conninfo
    databases.drop(conninfo)


@pytest.fixture
def ran(trapped: Trapped) -> Ran:
    """The trap that was run since they were set up, or "none"."""
    return lambda app: trapped.names[traps.sprung(app)]


LOOKING = {
    "select count(*) from pg_class where relnamespace = 'caas'::regnamespace": "operator of oid and regnamespace",
    "select unnest(indkey::smallint[]) from pg_index limit 1": "unnest(int2[])",
    "select format('%I', relname) from pg_class limit 1": "format(text, name)",
    "select max(rolname) from pg_roles": "max(name)",
    "select array_agg(oid) from pg_roles": "array_agg(oid)",
    "select 1 where 2::smallint between 1::numeric and 3::bigint": "operator of int2 and numeric",
    "select jsonb_build_object('at'::text, now())": "jsonb_build_object(text, timestamptz)",
    "select nullif(relname, ''::varchar) from pg_class limit 1": "operator of name and varchar",
}


@pytest.mark.parametrize("statement", LOOKING)
def test_a_statement_that_looks_into_public_runs_what_was_planted(app: Rows, ran: Ran, statement: str) -> None:
    """Else the tests below would prove nothing."""
    app.execute("set search_path = pg_catalog, public, pg_temp")
    with contextlib.suppress(psycopg.Error):
        app.execute(statement.encode())
    assert ran(app) == LOOKING[statement]


def test_traps_stand_under_every_name(app: Rows, trapped: Trapped) -> None:
    assert len(trapped.names) > 5_000
    app.execute("set search_path = pg_catalog")
    text = traps.our_sql(Shipped.load())
    called, used = traps.names_called(app, text), traps.operators_used(app, text)
    assert {"unnest", "format", "array_agg", "has_table_privilege", "nextval", "lower"} < called
    assert {"=", "<>", "<", "||", "->>", "~~", "-", "%"} < used
    planted = app.execute(
        "select p.proname from pg_proc as p, pg_namespace as n"
        " where n.oid = p.pronamespace and n.nspname = 'public'"
        " union all select o.oprname from pg_operator as o, pg_namespace as n"
        " where n.oid = o.oprnamespace and n.nspname = 'public'"
    ).fetchall()
    assert called | used <= {name for (name,) in planted}


def test_installing_removing_and_installing_again(bare: str, ran: Ran, tmp_path: Path) -> None:
    shipped = Shipped.load()
    with psycopg.connect(bare, autocommit=True) as app:
        for step in (
            lambda: migrate.up(bare, shipped, lambda _: None),
            lambda: migrate.status(bare, shipped),
            lambda: migrate.up(bare, newer(shipped, tmp_path), lambda _: None),
            lambda: migrate.switch(bare, shipped, lambda _: None, on=False),
            lambda: migrate.switch(bare, shipped, lambda _: None, on=True),
            lambda: migrate.down(bare, shipped, lambda _: None, count=2),
            lambda: migrate.up(bare, shipped, lambda _: None),
            lambda: migrate.uninstall(bare, shipped, lambda _: None),
        ):
            step()
            assert ran(app) == "none"


def test_moving_an_older_installation(databases: Databases, trapped: Trapped) -> None:
    conninfo = databases.create()
    try:
        with psycopg.connect(conninfo, autocommit=True) as app:
            schema.create(app)
            app.execute(f"grant create, usage on schema public to {PLANTER}".encode())
            older_release.install(app)
            names = traps.plant(app, Shipped.load(), PLANTER)
            assert len(names) == len(trapped.names)
            assert migrate.up(conninfo, Shipped.load(), lambda _: None) > 0
            assert names[traps.sprung(app)] == "none"
    finally:
        databases.drop(conninfo)


def test_an_applications_migration_between_release_and_restore(app: Rows, ran: Ran) -> None:
    app.execute("select caas.release('public.profiles'); alter table profiles alter bio type varchar")
    traps.forget(app)
    app.execute("select caas.release('public.bookings')")
    app.execute("select caas.restore()")
    assert ran(app) == "none"


COMMANDS = (
    "migrate up",
    "migrate status",
    "verify",
    "health",
    "queue status",
    "queue status --profile {tutor}",
    "queue failed",
    "queue retry --all",
    "queue purge --all --yes",
    "queue monitor --duration 1s --every 0.5",
    "drain",
    "sweep",
    "backfill",
    "audit --all",
    "audit --sample 5 --repair",
    "warmup --top 3",
    "smoke --insert",
    "smoke --no-insert",
    "stats performance_stats {tutor} --plan",
    "stats get_network_stats {agent}",
    "aggregate --include-inactive --cleanup --diff",
    "score get {tutor}",
    "score recalculate {tutor} {client} --wait 5",
    "score explain {tutor}",
    "score explain {client}",
    "score explain {agent}",
    "score compare {tutor}",
    "score hold {tutor} --score 7 --reason fraud --actor ann",
    "score release {tutor} --actor ann",
    "score holds {tutor}",
    "rules status",
    "rules publish --yes",
    "tutor show {tutor}",
    "tutor risks",
    "tutor threshold {tutor} 0.2 --by ann",
    "mail status",
    "mail retry",
)
DIRECT = ("migrate",)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(
    app: Rows, url: str, pooled_url: str, town: Town, ran: Ran, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    words = command.format(**dataclasses.asdict(town)).split()
    monkeypatch.setenv("CAAS_DATABASE_URL", url if words[0] in DIRECT else pooled_url)
    done = CliRunner().invoke(commands, words)
    assert done.exit_code == (1 if command == "health" else 0), f"{done.output} {done.exception}"
    assert ran(app) == "none"


def test_a_worker_who_computes_everything_and_follows(
    app: Rows, db: Database, town: Town, line: Line, ran: Ran
) -> None:
    app.execute("update profiles set caas_score = 1")
    app.execute("update profiles set bio = 'Hello', dbs_verified = true, dbs_expiry_date = now() + interval '1 day'")
    app.execute("delete from session_transcripts; delete from reschedules; delete from profile_graph")
    app.execute("update caas.scores set next_due_at = now() - interval '1 second', swept = false")
    app.execute("delete from profiles where id operator(pg_catalog.=) %s", (town.client,))
    app.execute("insert into caas.score_follow values (%s)", (town.tutor,))
    traps.forget(app)
    assert sweep.sweep(db, 10) == 3
    assert worker.drain(line, batch_size=10).failed == 0
    assert ran(app) == "none"
    assert one(app, "select caas_score from profiles where id = %s", town.tutor) == total(app, town.tutor) != 1


@pytest.mark.parametrize("kind", ["numeric", "bigint", "smallint", "real", "text"])
def test_following_a_column_of_another_type(app: Rows, db: Database, town: Town, ran: Ran, kind: str) -> None:
    app.execute(f"alter table profiles alter caas_score drop default, alter caas_score type {kind} using 1")
    traps.forget(app)
    follow.follow(db, [town.tutor, town.agent])
    follow.follow(db, None)
    assert ran(app) == "none"


def test_sessions_that_come_by_http(app: Rows, db: Database, town: Town, ran: Ran) -> None:
    session = Session(
        session_id=uuid4(),
        tutor_id=town.tutor,
        listing_id=None,
        student_id=town.client,
        status="Confirmed",
        type="paid",
        scheduled_start=NOW,
        scheduled_end=NOW + timedelta(hours=1),
        actual_start=None,
        actual_end=None,
        no_show_by=None,
        session_number=3,
        tech_issue=False,
        engagement_score=0.5,
        learning_objectives_met=True,
        recording_url="https://example.org",
    )
    sessions.add(db, session, None)
    sessions.complete(db, session.session_id, Completion(NOW, NOW + timedelta(hours=1), engagement_score=0.75))
    moved = Reschedule("tutor", NOW, NOW + timedelta(days=1), "Ill", "ILL", NOW)
    sessions.add(
        db,
        dataclasses.replace(session, session_id=uuid4(), listing_id=town.listing, status="Rescheduled"),
        moved,
    )
    assert ran(app) == "none"
    assert one(app, "select count(*) from bookings where engagement_score operator(pg_catalog.=) 0.75") == 1


def test_tutors_as_they_are_read_over_http(app: Rows, db: Database, town: Town, ran: Ran) -> None:
    for column in ("reschedule_rate_30d", "tutor_id"):
        for descending in (True, False):
            assert tutors.listed(db, Listing(sort_by=column, descending=descending, search="")).total == 1
    assert tutors.listed(db, Listing(search=str(town.tutor)[:5], high_risk=False)).total in (0, 1)
    assert tutors.ranked(db, 10, 0).total == 1
    assert tutors.detail(db, town.tutor)["scores"]
    alerts = tutors.alerts(db, town.tutor, ended=True, limit=10)
    assert alerts, "the town's tutor reschedules and comes late"
    tutors.acknowledge(db, alerts[0]["id"], "ann")
    tutors.resolve(db, alerts[0]["id"], "ann")
    tutors.history(db, town.tutor, 90, 10, "UTC")
    tutors.metrics(db, town.tutor, tutors.WINDOWS)
    tutors.summary(db, town.tutor)
    assert ran(app) == "none"


def test_the_outbox(app: Rows, db: Database, town: Town, ran: Ran) -> None:
    app.execute("update caas.tutor_alerts set email_status = 'pending', email_due_at = now()")
    app.execute(
        "insert into caas.email_reports (booking_id, profile_id, recipient_email, subject)"
        " values (%s, %s, 'admin@example.org', 'Session report')",
        (town.session, town.tutor),
    )
    traps.forget(app)
    with serving() as mailbox:
        settings = mailbox.settings()
        with Mailer.of(settings) as post:
            sent = outbox.send_due(db, post, settings)
    assert sent.sent == len(mailbox.letters) > 1
    outbox.retry(db)
    outbox.status(db)
    assert ran(app) == "none"


def test_the_applications_writes_and_readers(app: Rows, town: Town, login: Login, ran: Ran) -> None:
    """Those who write and read look into public themselves; what runs for them as another does not."""
    with psycopg.connect(login("caas_reader"), autocommit=True) as reader:
        reader.execute("set search_path = pg_catalog")
        reader.execute("select set_config('caas.profile_id', %s, false)", (str(town.agent),))
        assert one(reader, "select count(*) from public.caas_scores") == 3
    app.execute("set search_path = pg_catalog")
    app.execute("update public.bookings set tech_issue = true; delete from public.listings")
    app.execute("select caas.enqueue(array[%s::uuid], 'word')", (town.tutor,))
    app.execute("truncate public.profiles cascade")
    assert ran(app) == "none"


def test_looking_into_public_would_run_them(
    app: Rows, db: Database, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the path that holds the tests above: with another, the same calls run what was planted."""
    begin = Database._begin
    monkeypatch.setattr(Database, "_begin", lambda *given: begin(*given) + APPLICATIONS_PATH)
    calls: dict[str, Callable[[], object]] = {
        "verify": lambda: verify(db, Shipped.load()),
        "figures": lambda: figures.status(db),
        "audit": lambda: audit.audit(db, line, audit.everyone(db, 10)),
    }
    for name, call in calls.items():
        traps.forget(app)
        with contextlib.suppress(CaasError, LookupError, TypeError):
            call()  # a trap's null may be more than it can bear
        assert traps.sprung(app) > 1, name
