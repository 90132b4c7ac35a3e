"""caas_worker: a member of it does everything that workers, schedulers and operators do, and can do nothing else."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caas_worker import figures, follow, holds, queue, read, roles, rules, sweep, worker
from caas_worker.db import Database
from caas_worker.errors import DatabaseError
from caas_worker.marketplace.schema import TABLES
from caas_worker.model import Profile, Score, Stats
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.verify import verify
from tests.interleaving import Rows, one, plain_role, worker_as
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
from tests.security.conftest import Login, allowed, refused

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
    app.execute("delete from caas_changes where everyone")
    summary = worker.drain(line, batch_size=100)
    assert (summary.failed, summary.error_types) == (1, {"STRATEGY_FAILED": 1})
    assert None not in [total(app, profile) for profile in (tutor, client, agent)]
    assert one(app, "select caas_score from profiles where id = %s", tutor) == total(app, tutor)
    assert one(app, "select count(*) from tutor_scores where profile_id = %s", tutor) == 3
    assert one(app, "select count(*) from session_scores where profile_id = %s", tutor) == 1
    assert one(app, "select sum(paid) from caas_pair_sums where profile_id = %s", tutor) == 1

    moody.is_well = True
    assert [entry["profile_id"] for entry in queue.failed(hand, last_seconds=3600)] == [mo]
    assert list(queue.retry(hand, [mo])) == [[mo]]
    assert worker.drain(line, batch_size=100).failed == 0
    assert queue.place(hand, mo) is None

    app.execute("update caas_scores set next_due_at = now() - interval '1 s', swept = false")
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
    assert one(app, "select count(*) from tutor_scores where profile_id = %s", mo) == 0


def test_a_member_purges_dead_entries(app: Rows, hand: Database) -> None:
    mo = add_tutor(app, bio="Mo")
    assert worker.drain(line_over(hand, Moody()), batch_size=10).failed == 1
    assert list(queue.purge(hand, [mo])) == [[mo]]
    assert queue.failed(hand, last_seconds=3600) == []


def test_a_member_beats_and_leaves(app: Rows, hand: Database) -> None:
    with hand.transaction() as connection:
        for statement in (
            "insert into caas_workers (worker_id, host, pid, version) values (gen_random_uuid(), 'h', 1, '1')",
            "update caas_workers set beat_at = now() - interval '1 day'",
            "delete from caas_workers",
        ):
            connection.execute(statement.encode())
    assert one(app, "select count(*) from caas_workers") == 0


def test_verify_finds_nothing_to_complain_of(hand: Database) -> None:
    assert [check for check in verify(hand, Shipped.load()) if not check.ok and not check.hint] == []


def test_the_marketplaces_row_level_security_is_an_error_until_the_member_bypasses_it(
    app: Rows, hand: Database
) -> None:
    town(app)
    for table in TABLES:
        app.execute(f"alter table {table} enable row level security")
    with pytest.raises(DatabaseError, match="row-level security"):
        worker.drain(line_over(hand), batch_size=10)
    assert one(app, "select count(*) from caas_scores") == one(app, "select count(*) from caas_dead_entries") == 0
    faults = {check.subject: check.todo for check in verify(hand, Shipped.load()) if not check.ok and not check.hint}
    assert faults.keys() == {f"all rows of {table}" for table in TABLES}
    with hand.transaction() as connection:
        name = connection.info.user
    assert all(todo.endswith(f"alter role {name} bypassrls") for todo in faults.values())
    app.execute(f"alter role {name} bypassrls")
    assert worker.drain(line_over(hand), batch_size=10).failed == 0
    assert one(app, "select count(*) from caas_scores") == 3


FORBIDDEN = [
    "create table public.mine (id integer)",
    "alter table caas_scores disable row level security",
    "truncate caas_scores",
    "drop table caas_changes",
    "drop function caas_fold",
    "create trigger t after insert on caas_scores for each statement execute function caas_mark_profiles()",
    "insert into caas_migrations values ('x', 'y')",
    "delete from caas_migrations",
    "update caas_every_score set total_score = 100",
    "insert into caas_every_score values (gen_random_uuid(), 100)",
    "delete from caas_every_score",
    "truncate tutor_scores",
    "drop table tutor_alerts",
    "alter table session_scores add column mine text",
    "select caas_watch('profiles', '{id}', '{id}')",
    "select caas_attach('profiles', 'profiles'::regclass)",
    "select setval('caas_generation', 1)",
    "select email from profiles",
    "select * from profiles",
    "select display_name from profiles",
    "select comment from profile_reviews",
    "insert into profiles (roles) values ('{TUTOR}')",
    "update profiles set bio = 'mine'",
    "update profiles set roles = '{TUTOR}'",
    "delete from profiles",
    "alter table profiles disable trigger caas_mark_update",
    *(f"delete from {table}" for table in TABLES),
    *(f"truncate {table} cascade" for table in TABLES),
    *(f"insert into {table} default values" for table in TABLES),
    "create role mate",
    "set session_replication_role = replica",
    "copy profiles to '/tmp/profiles'",
    "select pg_read_file('postgresql.conf')",
]


def test_a_member_can_do_nothing_else(app: Rows, login: Login) -> None:
    with psycopg.connect(login(MEMBER), autocommit=True) as connection:
        assert [statement for statement in FORBIDDEN if not refused(connection, statement)] == []
    assert "function caas_fold" in allowed(app, MEMBER)


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
    app.execute(f"grant select on all tables in schema public to {name}")
    app.execute(f"grant update (caas_score) on profiles to {name}; grant usage on sequence caas_generation to {name}")
    app.execute(
        "grant insert, update, delete on caas_changes, caas_recalculation_queue, caas_dead_entries, caas_scores,"
        f" caas_score_follow, caas_rules, caas_workers, caas_holds to {name}"
    )
    app.execute(
        f"revoke all on caas_every_score from {name}; grant execute on all functions in schema public to {name}"
    )
    return name


REFUSALS: dict[str, Callable[[Database, Any], object]] = {
    "agents": lambda db, ids: call(db, "select * from caas_agent_stats(%s)", ids),
    "expand": lambda db, _: call(db, "select caas_expand(10)"),
    "follow": lambda db, ids: call(db, "select caas_follow(%s, 10)", ids),
    "sweep": lambda db, _: sweep.sweep(db, 10),
    "removal": lambda db, ids: call(db, "delete from caas_scores where profile_id = any(%s)", ids),
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
    app.execute("update caas_scores set next_due_at = now() - interval '1 s'")
    app.execute("update profiles set identity_verified = false")
    app.execute("select caas_enqueue_everyone('all')")
    conninfo = login()
    name = by_hand(app, conninfo)
    with Database(conninfo) as db:
        with pytest.raises(DatabaseError, match=r"permission denied|see some scores and write none") as error:
            REFUSALS[what](db, [agent])
        assert error.value.sqlstate == "42501"
        assert one(app, "select count(*) from caas_dead_entries") == 0
        assert one(app, "select coalesce(max(attempts), 0) from caas_recalculation_queue") == 0
        todos = {check.todo for check in verify(db, Shipped.load()) if not check.ok and not check.hint}
        assert todos == {f"run as a superuser, or as the role that created caas_worker: grant caas_worker to {name}"}
    app.execute(f"grant caas_worker to {name}")
    with Database(conninfo) as db:
        assert worker.drain(line_over(db), batch_size=10).failed == 0
        assert [check for check in verify(db, Shipped.load()) if not check.ok and not check.hint] == []
    app.execute(f"revoke caas_worker from {name}")


def test_whoever_holds_every_grant_but_no_policy_is_told_by_verify_and_refused(app: Rows, url: str) -> None:
    add_tutor(app)
    with plain_role(app, ours=True) as role, worker_as(url, role) as db:
        faults = [check for check in verify(db, Shipped.load()) if not check.ok and not check.hint]
        assert [check.subject for check in faults] == ["caas_scores shows this role every row"]
        with pytest.raises(DatabaseError, match="grant caas_worker to"):
            worker.drain(line_over(db), batch_size=10)


def test_an_owner_whom_row_level_security_is_forced_upon_is_refused_and_told(app: Rows, url: str) -> None:
    add_tutor(app)
    with plain_role(app) as role:
        app.execute(f"grant create on schema public to {role}; grant caas_worker to {role}")
        app.execute(f"alter table caas_scores owner to {role}; alter view caas_every_score owner to {role}")
        app.execute("alter table caas_scores force row level security")
        with worker_as(url, role) as db:
            faults = {check.subject: check.todo for check in verify(db, Shipped.load()) if not check.ok}
        todo = "run as the owner of the table: alter table caas_scores no force row level security"
        assert faults["caas_scores shows its owner every row"] == todo
        app.execute(f"reassign owned by {role} to current_user")
