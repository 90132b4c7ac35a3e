"""caas_worker: a member of it does everything that workers, schedulers and operators do, and can do nothing else."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caas_worker import figures, follow, holds, queue, read, roles, rules, sweep, worker
from caas_worker.application import COLUMNS
from caas_worker.db import Database
from caas_worker.errors import DatabaseError
from caas_worker.marketplace.schema import TABLES
from caas_worker.model import Profile, Score, Stats
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from tests.interleaving import Rows, one, plain_role
from tests.people import (
    LONG_AGO,
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_review,
    add_tutor,
    connect_people,
    total,
)
from tests.security.conftest import Login, allowed, faults, refused

MEMBER = "caas_worker"


class Moody(TutorStrategy):
    """Fails for whoever is called Mo until it is told not to."""

    is_well = False

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        if profile.bio == "Mo" and not self.is_well:
            raise ValueError("not today")
        return super().score(profile, stats, now)


@pytest.fixture
def hand(login: Login) -> Iterator[Database]:
    """The pool of a worker that is a member of caas_worker."""
    with Database(login(MEMBER)) as db:
        yield db


def line_over(db: Database, tutors: TutorStrategy | None = None) -> Line:
    registry = Registry([tutors or TutorStrategy(), ClientStrategy(), AgentStrategy()])
    return worker.line(db, Settings(backoff_seconds=0, max_attempts=1), registry)


def town(app: Rows) -> tuple[UUID, UUID, UUID]:
    """A tutor with a past, a client, and the agent who recruited the tutor."""
    tutor, client, agent = add_tutor(app), add_client(app), add_profile(app, "AGENT")
    ended = LONG_AGO + timedelta(hours=1)
    booking = add_booking(app, add_listing(app, tutor), client, actual_start=LONG_AGO, actual_end=ended)
    add_review(app, client, tutor, 5, booking_id=booking)
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    app.execute("insert into role_details (profile_id, role_type, degree_level) values (%s, 'TUTOR', 'PHD')", (tutor,))
    app.execute("insert into platform_events (profile_id, event_type) values (%s, 'login')", (client,))
    app.execute("insert into reschedules (booking_id) values (%s)", (booking,))
    app.execute("insert into session_transcripts (booking_id) values (%s)", (booking,))
    return tutor, client, agent


def test_a_member_does_the_whole_line(app: Rows, hand: Database) -> None:
    tutor, client, agent = town(app)
    moody = Moody()
    mo = add_tutor(app, bio="Mo")
    line = line_over(hand, moody)
    assert len(rules.publish(hand, line.registry)) == len(line.registry.rules) > 3
    app.execute("delete from caas.changes where everyone")
    summary = worker.drain(line, batch_size=100)
    assert (summary.failed, summary.error_types) == (1, {"STRATEGY_FAILED": 1})
    assert None not in [total(app, profile) for profile in (tutor, client, agent)]
    assert one(app, "select caas_score from profiles where id = %s", tutor) == total(app, tutor)
    assert one(app, "select count(*) from caas.tutor_scores where profile_id = %s", tutor) == 3
    assert one(app, "select count(*) from caas.session_scores where profile_id = %s", tutor) == 1
    assert one(app, "select sum(paid) from caas.pair_sums where profile_id = %s", tutor) == 1

    moody.is_well = True
    assert [entry["profile_id"] for entry in queue.failed(hand, last_seconds=3600)] == [mo]
    assert list(queue.retry(hand, [mo])) == [[mo]]
    assert worker.drain(line, batch_size=100).failed == 0
    assert queue.place(hand, mo) is None

    app.execute("update caas.scores set next_due_at = now() - interval '1 s', swept = false")
    assert sweep.due(hand) > 0
    assert sweep.sweep(hand, 100) == 4
    queue.mark_everyone(hand, "backfill")
    queue.recalculate(hand, [tutor, agent])
    assert worker.drain(line, batch_size=100).remaining == 0
    assert figures.status(hand)["scores"] == 4
    assert [read.read(hand, profile) is not None for profile in (tutor, client, agent)] == [True] * 3
    assert read.is_verified(hand, tutor)

    holds.hold(hand, tutor, 7, reason="fraud", actor="ann")
    assert worker.drain(line, batch_size=100).failed == 0
    assert total(app, tutor) == 7
    assert holds.release(hand, tutor, actor="ann") is not None
    assert len(holds.holds(hand, tutor)) == 1
    app.execute("update profiles set caas_score = 1")
    assert follow.follow(hand, [tutor, client, agent]) == 3
    assert one(app, "select caas_score from profiles where id = %s", tutor) == total(app, tutor) != 7

    app.execute("delete from profiles where id in (%s, %s)", (mo, agent))
    assert worker.drain(line, batch_size=100).remaining == 0
    assert (total(app, mo), total(app, agent)) == (None, None)
    assert one(app, "select count(*) from caas.tutor_scores where profile_id = %s", mo) == 0


def test_a_member_purges_dead_entries(app: Rows, hand: Database) -> None:
    mo = add_tutor(app, bio="Mo")
    assert worker.drain(line_over(hand, Moody()), batch_size=10).failed == 1
    assert list(queue.purge(hand, [mo])) == [[mo]]
    assert queue.failed(hand, last_seconds=3600) == []


def test_a_member_beats_and_leaves(app: Rows, hand: Database) -> None:
    with hand.transaction() as connection:
        for statement in (
            "insert into caas.workers (worker_id, host, pid, version) values (gen_random_uuid(), 'h', 1, '1')",
            "update caas.workers set beat_at = now() - interval '1 day'",
            "delete from caas.workers",
        ):
            connection.execute(statement.encode())
    assert one(app, "select count(*) from caas.workers") == 0


def test_verify_finds_nothing_to_complain_of(hand: Database) -> None:
    assert faults(hand) == {}


def test_the_marketplaces_row_level_security_hides_nothing_from_a_member(app: Rows, hand: Database) -> None:
    """The source views read as their owner, and he sees every row: on a hosted server the member needs no BYPASSRLS."""
    tutor, client, agent = town(app)
    for table in TABLES:
        app.execute(f"alter table {table} enable row level security")
    assert worker.drain(line_over(hand), batch_size=10).failed == 0
    hidden = [total(app, profile) for profile in (tutor, client, agent)]
    for table in TABLES:
        app.execute(f"alter table {table} disable row level security")
    queue.mark_everyone(hand, "backfill")
    assert worker.drain(line_over(hand), batch_size=10).failed == 0
    assert hidden == [total(app, profile) for profile in (tutor, client, agent)]
    assert hidden[0]


def test_following_needs_bypassrls_and_verify_says_so(
    app: Rows, hand: Database, caplog: pytest.LogCaptureFixture
) -> None:
    tutor, *_ = town(app)
    app.execute("alter table profiles enable row level security")
    worker.drain(line_over(hand), batch_size=10)
    assert "row-level security" in caplog.text
    assert one(app, "select caas_score from profiles where id = %s", tutor) == 0
    [todo] = faults(hand).values()
    assert "bypassrls" in todo
    assert "CAAS_FOLLOW_PROFILES=false" in todo
    with hand.transaction() as connection:
        name = connection.info.user
    # where a policy might filter, caas.follow fails, whatever the policy says: so verify must not advise one
    app.execute(f"create policy all_of_them on profiles to {name} using (true)")
    assert follow.follow(hand, None) == 0
    assert "policy" not in todo
    app.execute(f"alter role {name} bypassrls")
    assert faults(hand) == {}
    assert follow.follow(hand, None) == 3
    assert one(app, "select caas_score from profiles where id = %s", tutor) == total(app, tutor)


def test_where_it_hides_rows_from_the_views_owner_the_line_stops_and_verify_says_so(app: Rows, hand: Database) -> None:
    town(app)
    for table in TABLES:
        app.execute(f"alter table {table} enable row level security")
    with plain_role(app) as owner:
        app.execute(f"grant usage, create on schema caas to {owner}")
        for table in TABLES:
            app.execute(f"alter view caas.source_{table} owner to {owner}")
        with pytest.raises(DatabaseError, match="row-level security"):
            worker.drain(line_over(hand), batch_size=10)
        assert one(app, "select count(*) from caas.scores") == one(app, "select count(*) from caas.dead_entries") == 0
        found = faults(hand)
        assert {f"all rows of caas.source_{table}" for table in TABLES} <= found.keys()
        assert all(
            f"alter view caas.source_{table} owner to" in found[f"all rows of caas.source_{table}"] for table in TABLES
        )
        app.execute(f"alter role {owner} bypassrls")
        assert not any(subject.startswith("all rows of caas.source_") for subject in faults(hand))
        assert worker.drain(line_over(hand), batch_size=10).failed == 0
        assert one(app, "select count(*) from caas.scores") == 3
        for table in TABLES:
            app.execute(f"alter view caas.source_{table} owner to current_user")


FORBIDDEN = [
    "create table public.mine (id integer)",
    "create table caas.mine (id integer)",
    "create function caas.mine() returns integer language sql as 'select 1'",
    "alter table caas.scores enable row level security",
    "alter table caas.scores disable row level security",
    "truncate caas.scores",
    "drop table caas.changes",
    "drop function caas.fold",
    "drop view public.caas_scores",
    "drop schema caas cascade",
    "create trigger t after insert on caas.scores for each statement execute function caas.mark_profiles()",
    "insert into caas.migrations values ('x', 'y')",
    "update caas.migrations set sha256 = ''",
    "delete from caas.migrations",
    "insert into caas.source_views (name, definition) values ('source_mine', 'drop table public.profiles')",
    "update caas.source_views set definition = 'drop table public.profiles'",
    "update caas.source_views set grants = '{drop table public.profiles}'",
    "delete from caas.source_views",
    "update public.caas_scores set total_score = 100",
    "insert into public.caas_scores (profile_id) values (gen_random_uuid())",
    "delete from public.caas_scores",
    "truncate caas.tutor_scores",
    "drop table caas.tutor_alerts",
    "alter table caas.session_scores add column mine text",
    "select caas.watch('profiles', '{id}', '{id}')",
    "select caas.attach('profiles', 'profiles'::regclass)",
    "select caas.release('profiles'::regclass)",
    "select caas.restore()",
    "select setval('caas.generation', 1)",
    "select email from profiles",
    "select * from profiles",
    "select display_name from profiles",
    "select roles from profiles",
    "select comment from profile_reviews",
    *(f"select 1 from {table}" for table in TABLES if table != "profiles"),
    "insert into profiles (roles) values ('{TUTOR}')",
    "update profiles set bio = 'mine'",
    "update profiles set roles = '{TUTOR}'",
    "delete from profiles",
    "alter table profiles disable trigger caas_mark_update",
    *(f"delete from {table}" for table in TABLES),
    *(f"truncate {table} cascade" for table in TABLES),
    *(f"insert into {table} default values" for table in TABLES),
    *(f"update caas.source_{table} set {column} = null" for table, (column, *_) in COLUMNS.items()),
    *(f"delete from caas.source_{table}" for table in TABLES),
    *(f"insert into caas.source_{table} default values" for table in TABLES),
    *(f"drop view caas.source_{table}" for table in TABLES),
    "create or replace view caas.source_profiles as select * from public.profiles",
    "create role mate",
    "set session_replication_role = replica",
    "copy profiles to '/tmp/profiles'",
    "select pg_read_file('postgresql.conf')",
]


def test_a_member_can_do_nothing_else(login: Login) -> None:
    with psycopg.connect(login(MEMBER), autocommit=True) as connection:
        assert [statement for statement in FORBIDDEN if not refused(connection, statement)] == []


def test_a_member_holds_what_is_documented_and_no_more(app: Rows, login: Login) -> None:
    with psycopg.connect(login(MEMBER), autocommit=True) as connection:
        held = allowed(app, connection.info.user)
    everything = allowed(app, app.info.user)
    triggers = {f"function caas.mark_{table}" for table in TABLES}
    numbers = {name for name in everything if name.startswith("sequence ") and name != "sequence caas.generation"}
    owners = {f"function caas.{name}" for name in ("watch", "attach", "release", "restore")}
    assert everything - held == triggers | numbers | owners | {"view public.caas_scores"}


def test_the_source_views_show_no_column_that_no_rule_reads(app: Rows) -> None:
    rows = app.execute(
        "select c.relname, array_agg(a.attname::text order by a.attname) from pg_class as c"
        " inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace = 'caas'::regnamespace and c.relkind = 'v' group by c.relname"
    ).fetchall()
    assert dict(rows) == {f"source_{table}": sorted(columns) for table, columns in COLUMNS.items()}
    assert not {"email", "display_name", "comment", "title"} & {column for _, columns in rows for column in columns}


def test_the_role_itself_is_a_plain_group(app: Rows) -> None:
    rows = app.execute(
        "select rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
        " from pg_roles where rolname = any(%s) order by rolname",
        ([*roles.PURPOSES],),
    ).fetchall()
    assert [row[0] for row in rows] == ["caas_reader", "caas_sessions", "caas_worker"]
    assert not any(any(row[1:]) for row in rows)


def by_hand(app: Rows, conninfo: str) -> str:
    """What an earlier release's how-to had people grant to a role of any name; returns the name."""
    name = str(psycopg.conninfo.conninfo_to_dict(conninfo)["user"])
    app.execute(f"grant usage on schema public to {name}; grant select on all tables in schema public to {name}")
    app.execute(f"grant update (caas_score) on profiles to {name}")
    return name


REFUSALS: dict[str, Callable[[Database, Any], object]] = {
    "agents": lambda db, ids: call(db, "select * from caas.agent_stats(%s)", ids),
    "expand": lambda db, _: call(db, "select caas.expand(10)"),
    "follow": lambda db, ids: call(db, "select caas.follow(%s)", ids),
    "sweep": lambda db, _: sweep.sweep(db, 10),
    "removal": lambda db, ids: call(db, "delete from caas.scores where profile_id = any(%s)", ids),
    "drain": lambda db, _: worker.drain(line_over(db), batch_size=10),
}


def call(db: Database, query: str, *parameters: Any) -> None:
    with db.transaction() as connection:
        connection.execute(query.encode(), parameters)


@pytest.mark.parametrize("what", REFUSALS)
def test_a_worker_with_grants_of_its_own_and_no_membership_fails_aloud(
    app: Rows, hand: Database, login: Login, what: str
) -> None:
    agent = add_profile(app, "AGENT")
    worker.drain(line_over(hand), batch_size=10)
    app.execute("update caas.scores set next_due_at = now() - interval '1 s'")
    app.execute("update profiles set identity_verified = false")
    app.execute("select caas.enqueue_everyone('all')")
    conninfo = login()
    name = by_hand(app, conninfo)
    with Database(conninfo) as db:
        with pytest.raises(DatabaseError, match="permission denied") as error:
            REFUSALS[what](db, [agent])
        assert error.value.sqlstate == "42501"
        assert one(app, "select count(*) from caas.dead_entries") == 0
        assert one(app, "select coalesce(max(attempts), 0) from caas.recalculation_queue") == 0
        assert {*faults(db).values()} == {
            "this role may not read what is installed; see below",
            f"run as a superuser, or as the role that created caas_worker: grant caas_worker to {name}",
        }
    app.execute(f"grant caas_worker to {name}")
    with Database(conninfo) as db:
        assert worker.drain(line_over(db), batch_size=10).failed == 0
        assert faults(db) == {}
    app.execute(f"revoke caas_worker from {name}")


@pytest.mark.parametrize("change", ["enable row level security", "enable row level security, force row level security"])
@pytest.mark.parametrize("table", ["scores", "changes", "tutor_scores"])
def test_row_level_security_that_somebody_enabled_on_ours_is_told_by_verify(
    app: Rows, hand: Database, table: str, change: str
) -> None:
    """A worker whose updates a policy filters would find no rows, in silence, and leave scores as they are for good."""
    add_tutor(app)
    app.execute(f"alter table caas.{table} {change}")
    [todo] = faults(hand).values()
    app.execute(todo.rpartition(": ")[2].encode())
    assert faults(hand) == {}
    assert worker.drain(line_over(hand), batch_size=10).failed == 0
    assert one(app, "select count(*) from caas.scores") == 1
