"""Any history of writes, interleaved with workers that stop anywhere, then drained, equals a recomputation (promise 1).

A history is drawn step by step: the application writes in up to two open transactions and outside them; two workers
fold, claim, compute and publish, each step by itself and in any order; they are abandoned, lose their leases, fail;
operators recalculate, acknowledge and set thresholds; letters are sent; time passes, in some histories over a night
with two midnights. At its end everything is drained, and every row of the cache and of the quality tables must be what
the oracles, which know only the rules and the application's tables, say. Then time passes once more, and it must hold
again.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from psycopg.rows import dict_row

from caas_worker import follow, queue, thresholds, tutors, worker
from caas_worker.aggregate import aggregate
from caas_worker.errors import ProfileNotFound
from caas_worker.fold import Folder
from caas_worker.model import Failure, Scored
from caas_worker.quality.rules import QualityRules
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.sweep import sweep
from tests.oracle import Tables, expected
from tests.proof import tables
from tests.proof.acts import Act, Begun, Chore, Ended, Judged, Made, TakenBack, acts
from tests.proof.hands import Bench, Hands
from tests.proof.post import RECIPIENT, Post
from tests.proof.writes import (
    DAY,
    FOUNDERS,
    HOUR,
    OLD_SESSION,
    PEOPLE,
    START,
    TICK,
    Write,
    inserts,
    reviews,
    writes,
)
from tests.quality_oracle import day_of

OURS = (
    "caas.changes", "caas.recalculation_queue", "caas.dead_entries", "caas.score_follow", "caas.touched_cells",
)  # fmt: skip
"""What is empty when everything is drained."""
CLEAR = "; ".join(
    f"delete from {table}"
    for table in (
        "session_transcripts", "reschedules", "platform_events", "student_integration_links", "profile_graph",
        "profile_reviews", "bookings", "listings", "role_details", "profiles", "caas.scores", "caas.rules", *OURS,
        *tables.CELLS, *tables.PUBLISHED,
    )
)  # fmt: skip

workers = st.integers(0, 1)
gaps = st.lists(acts, min_size=1, max_size=3)


BEGINNINGS = {"UTC": START, "America/Havana": datetime(2026, 10, 31, 16, tzinfo=UTC)}
"""When a history begins where its days are counted, at noon: in Havana before a night with two midnights."""


class Histories(RuleBasedStateMachine):
    """The steps that a history is made of."""

    bench: ClassVar[Bench]

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.app = self.bench.app
        with self.app.transaction():
            self.app.execute("set local session_replication_role = replica; " + CLEAR)
        self.post = Post(self.app)
        self.settle("UTC", None)
        self.later = [HOUR]
        self.frozen: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        self.seen_windows: set[tuple[Any, ...]] = set()
        self.alerts: dict[UUID, str] = {}
        self.reports: dict[UUID, UUID] = {}

    def settle(self, zone: str, recipient: str | None) -> None:
        """Make the workers."""
        self.zone = zone
        registry = Registry([TutorStrategy(), ClientStrategy(), AgentStrategy()], QualityRules(zone=zone))
        line, again, self.finisher = (
            replace(self.bench.make_line(), clock=lambda _: self.now, registry=registry, recipient=recipient)
            for _ in range(3)
        )
        self.hands = [Hands(line), Hands(again)]

    @initialize(
        others=st.lists(inserts() | reviews, max_size=12),
        said=st.lists(inserts(("session_transcripts",)), max_size=2),
        taught=st.booleans(),
        scored=st.sampled_from([True, True, False]),
        zone=st.sampled_from(["UTC", "UTC", "UTC", "America/Havana"]),
        recipient=st.sampled_from([None, RECIPIENT]),
        debounced=st.sampled_from([False, False, False, True]),
        later=st.lists(st.sampled_from([TICK, HOUR, 9 * DAY, 60 * DAY]), min_size=1, max_size=2),
    )
    def begin(
        self,
        others: list[Write],
        said: list[Write],
        taught: bool,
        scored: bool,
        zone: str,
        recipient: str | None,
        debounced: bool,
        later: list[timedelta],
    ) -> None:
        """A few people and rows about them, scored already or not; one worker waits for further changes, or not."""
        self.now = BEGINNINGS[zone]
        self.settle(zone, recipient)
        if debounced:
            hands = self.hands[0]
            hands.line = replace(hands.line, folder=Folder(self.bench.db, 1_000, debounce_seconds=3_600))
        with self.app.transaction():
            for statement in FOUNDERS:
                self.app.execute(statement.encode())
        for write in [*([OLD_SESSION] if taught else []), *others, *said]:
            self._write(self.bench.writer, write)
        if scored:
            self._drain()
            self._compare()
            self.seen_windows = set()  # from here on tutors may cease to be some
        self.later = later

    @rule(worker=workers, first=writes, size=st.integers(1, 6), gaps=st.tuples(gaps, gaps, gaps))
    def batch(self, worker: int, first: Write, size: int, gaps: tuple[list[Act], ...]) -> None:
        """A write, one batch from fold to cache, and what happens before each of its steps."""
        hands = self.hands[worker]
        self._write(self.bench.writer, first)
        if hands.claim is None:
            hands.line.fold(whole=True)
            for act in gaps[0]:
                self._act(act, worker)
            hands.take(size)
        for act in gaps[1]:
            self._act(act, worker)
        if hands.claim and hands.scored is None:
            hands.scored = hands.line.score(hands.claim)
        for act in gaps[2]:
            self._act(act, worker)
        hands.publish()

    @rule(worker=workers, first=writes, size=st.integers(1, 6), gaps=st.tuples(gaps, gaps, gaps))
    def another_batch(self, worker: int, first: Write, size: int, gaps: tuple[list[Act], ...]) -> None:
        """The same: most of what can go wrong comes between the steps of a batch."""
        self.batch(worker, first, size, gaps)

    @rule(worker=workers, act=acts)
    def act(self, worker: int, act: Act) -> None:
        """Something happens between batches."""
        self._act(act, worker)

    @rule(worker=workers, size=st.integers(1, 6))
    def step(self, worker: int, size: int) -> None:
        """One step of a worker: claim, compute or publish."""
        hands = self.hands[worker]
        if hands.claim is None:
            hands.take(size)
        elif hands.scored is None:
            hands.scored = hands.line.score(hands.claim)
        else:
            hands.publish()

    @rule(worker=workers, last=st.booleans())
    def fail(self, worker: int, last: bool) -> None:
        """Every profile of the batch in hand fails, for the last time or not."""
        hands = self.hands[worker]
        if hands.claim:
            failures = {profile_id: Failure("TRIED", "it failed") for profile_id in hands.claim.profile_ids}
            retries = replace(hands.line.retries, max_attempts=1 if last else 1_000)
            replace(hands.line, retries=retries).publish(hands.claim, Scored({}, frozenset(), failures))
            hands.put_down()

    @rule(by=st.sampled_from([TICK, HOUR, 9 * DAY]))
    def time_passes(self, by: timedelta) -> None:
        """The clock moves on, to the next due time where one lies before that."""
        self._move_on(min([self.now + by, *self._due_until(self.now + by)]))

    def _act(self, act: Act, worker: int) -> None:
        other = self.hands[1 - worker]
        match act:
            case Made(write, then):
                self._write(self.bench.writer, write)
                if then:
                    self._act(then, worker)
            case Begun(session, write, isolation):
                connection = self._begun(session, isolation)
                self._write(connection, write)
            case TakenBack(session, write):
                connection = self._begun(session, "read committed")
                connection.execute("savepoint half")
                self._write(connection, write)
                if connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
                    connection.execute("rollback to savepoint half")
            case Ended(session, commit):
                self._end(session, commit=commit)
            case Judged(tutor, rate):
                self._judge(tutor, rate)
            case _:
                self._do(act, other)

    def _do(self, chore: Chore, other: Hands) -> None:
        match chore:
            case Chore.FOLD:
                other.line.fold(whole=True)
            case Chore.FOLD_WHAT_IS_NEW:
                other.line.fold()
            case Chore.LAPSE:
                self._lapse()
            case Chore.LAPSE_AND_OVERTAKE:
                self._lapse()
                other.line.fold(whole=True)
                other.take(6)
                if other.claim:
                    other.scored = other.line.score(other.claim)
                    other.publish()
            case Chore.ABANDON:
                other.put_down()
            case Chore.RELEASE:
                other.line.claimant.release()
                other.put_down()
            case Chore.EVERYONE:
                queue.mark_everyone(self.bench.db, "backfill")
            case Chore.RECALCULATE:
                queue.recalculate(self.bench.db, [PEOPLE[0]])
            case Chore.SWEEP:
                sweep(self.bench.db, 2, self.now)
            case Chore.FOLLOW:
                follow.follow(self.bench.db, None)
            case Chore.AGGREGATE:
                self._lapse()  # or it would wait for the other worker
                assert aggregate(self.bench.db, other.line).failures == 0
            case Chore.ACKNOWLEDGE:
                for (alert,) in self.app.execute("select id from caas.tutor_alerts where status = 'open'").fetchall():
                    tutors.acknowledge(self.bench.db, alert, "ann")
            case Chore.POST:
                self.post.round(self.bench.db)

    def _judge(self, tutor: UUID, rate: float | None) -> None:
        with suppress(ProfileNotFound):
            if rate is None:
                thresholds.clear_threshold(self.bench.db, tutor)
            else:
                thresholds.set_threshold(self.bench.db, tutor, rate, "ann")

    def _begun(self, session: int, isolation: str) -> psycopg.Connection[Any]:
        connection = self.bench.sessions[session]
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            connection.execute(f"begin isolation level {isolation}".encode())
        return connection

    def _end(self, session: int, *, commit: bool) -> None:
        try:
            self.bench.sessions[session].execute("commit" if commit else "rollback")
        except psycopg.errors.SerializationFailure:
            self.bench.sessions[session].execute("rollback")

    def _lapse(self) -> None:
        """Every lease and every debounce ends; whoever still works on its batch does not know."""
        self.app.execute(
            "update caas.recalculation_queue set "
            "lease_until = case when token is not null then clock_timestamp() - interval '1 s' end, "
            "due_at = least(due_at, clock_timestamp()) "
            "where token is not null or due_at is not null"
        )
        self.finisher.claimant.wake(now=True)

    def teardown(self) -> None:
        """Everything ends, in order; now the cache must be right, and again after more time."""
        try:
            self._end(0, commit=True)
            self._end(1, commit=True)
            self._lapse()
            self._drain()
            self._compare()
            for step in self.later:
                # to the last due time within the step, and from there a tick on
                self._move_on(max([self.now, *self._due_until(self.now + step)]))
                self._drain()
                self._compare()
                self._move_on(self.now + step)
                self._drain()
                self._compare()
        finally:
            for session in self.bench.sessions:
                session.execute("rollback")

    def _write(self, connection: psycopg.Connection[Any], write: Write) -> None:
        """The statement, or nothing where the application's own constraints or another transaction's lock refuse it."""
        try:
            with connection.transaction():
                connection.execute(write.statement, [self._here(value) for value in write.values])
        except psycopg.errors.SerializationFailure:
            connection.execute("rollback")
        except (psycopg.errors.IntegrityError, psycopg.errors.LockNotAvailable):
            pass

    def _here(self, value: Any) -> Any:
        """A time that is written as if every history began at START."""
        return value + (BEGINNINGS[self.zone] - START) if isinstance(value, datetime) else value

    def _move_on(self, moment: datetime) -> None:
        """It is then. The windows of the days before are frozen."""
        self.now = moment
        query = "select * from caas.tutor_performance_metrics where calculation_date < %s"
        for row in self.app.cursor(row_factory=dict_row).execute(query, (day_of(self.now, self.zone),)):
            self.frozen[_key(row)] = row

    def _due_until(self, end: datetime) -> list[datetime]:
        query = (
            "select d.next_due_at from caas.scores as d where d.next_due_at > %s and d.next_due_at <= %s "
            "union select d.next_due_at from caas.cell_states as d where d.next_due_at > %s and d.next_due_at <= %s"
        )
        return [due for (due,) in self.app.execute(query, (self.now, end) * 2).fetchall()]

    def _drain(self) -> None:
        self.alerts = dict(self.app.execute("select id, status from caas.tutor_alerts").fetchall())
        self.reports = dict(self.app.execute("select booking_id, profile_id from caas.email_reports").fetchall())
        assert [sweep(self.bench.db, 100, self.now) for _ in range(2)][1] == 0, "each due time is marked once"
        dead = [row[0] for row in self.app.execute("select profile_id from caas.dead_entries").fetchall()]
        if dead:
            queue.recalculate(self.bench.db, dead)
        summary = worker.drain(self.finisher, batch_size=5)
        assert (summary.exit_code, summary.remaining) == (0, 0), summary

    def _compare(self) -> None:
        with self.app.transaction():
            self.app.execute("set transaction isolation level repeatable read")
            application = Tables.load(self.app)
            cached = self.app.cursor(row_factory=dict_row).execute("select * from caas.scores").fetchall()
            others = [self.app.execute(f"select count(*) from {table}".encode()).fetchone() for table in OURS]
            quality = tables.QualityTables.load(self.app, self.zone)
        assert others == [(0,)] * len(OURS)
        self._compare_quality(quality)
        wanted = expected(application, self.now)
        seen = {row["profile_id"]: row for row in cached}
        assert seen.keys() == wanted.keys()
        for profile in application.profiles:
            row, score = seen[profile["id"]], wanted[profile["id"]]
            assert {**row, "score_breakdown": rounded(row["score_breakdown"])} == {
                **row,
                "role_type": score.role_type,
                "total_score": score.total,
                "score_breakdown": rounded(score.breakdown),
                "reason": score.reason,
                "calculation_version": score.version,
                "gate_failed": score.gate_failed,
                "next_due_at": score.next_due_at,
                "swept": False,
            }, f"{profile['id']} at {self.now}"
            inputs = {name: row["score_inputs"].get(name) for name in score.statistics}
            assert rounded(inputs) == rounded(score.statistics), f"{profile['id']} at {self.now}"
            assert profile["caas_score"] == score.total

    def _compare_quality(self, quality: tables.QualityTables) -> None:
        """The tables, and what may have become of their rows since the drain, a past day or the last look.

        Windows go when their tutor ceases to be one, which nobody does between two looks.
        """
        quality.compare(self.now)
        quality.compare_alerts_since(self.alerts, self.now)
        quality.compare_reports_since(self.reports, self.now)
        windows = {_key(row): row for row in quality.rows["caas.tutor_performance_metrics"]}
        assert self.seen_windows <= windows.keys()
        assert windows == {key: self.frozen.get(key, row) for key, row in windows.items()}, "a past day's changed"
        self.seen_windows = set(windows)


def _key(windows: Mapping[str, Any]) -> tuple[Any, ...]:
    return windows["profile_id"], windows["time_window"], windows["calculation_date"]


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to nine decimals, whole or not."""
    return {name: round(float(value), 9) if value is not None else None for name, value in values.items()}
