"""Any history of writes, interleaved with workers that stop anywhere, then drained, equals a recomputation (promise 1).

A history is drawn step by step: the application writes in up to two open transactions and outside them; two workers
fold, claim, compute and publish, each step by itself and in any order; they are abandoned, lose their leases, fail;
time passes. At its end everything is drained, and every row of the cache must be what the oracle, which knows only the
rules and the application's tables, says. Then time passes once more, and it must hold again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, ClassVar

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from psycopg.rows import dict_row

from caas_worker import follow, queue, worker
from caas_worker.db import Database
from caas_worker.model import Claim, Failure, Scored
from caas_worker.pipeline import Line
from caas_worker.sweep import sweep
from tests.oracle import Tables, expected
from tests.proof import tables
from tests.proof.writes import DAY, FOUNDERS, HOUR, PEOPLE, START, TICK, Write, inserts, writes, writes_at_once

OURS = (
    "caas_changes", "caas_recalculation_queue", "caas_dead_entries", "caas_score_follow", "caas_touched_cells",
)  # fmt: skip
"""What is empty when everything is drained."""
CLEAR = "; ".join(
    f"delete from {table}"
    for table in (
        "session_transcripts", "reschedules", "platform_events", "student_integration_links", "profile_graph",
        "profile_reviews", "bookings", "listings", "role_details", "profiles", "caas_scores", *OURS, *tables.CELLS,
        *tables.PUBLISHED,
    )
)  # fmt: skip

sessions = st.integers(0, 1)
workers = st.integers(0, 1)


@dataclass(frozen=True)
class Begun:
    """A write in a transaction that stays open."""

    session: int
    write: Write
    isolation: str


@dataclass(frozen=True)
class TakenBack:
    """A write whose savepoint is rolled back; what came before it in its transaction stays."""

    session: int
    write: Write


@dataclass(frozen=True)
class Ended:
    """An open transaction ends well, is refused, or never was."""

    session: int
    commit: bool


class Chore(Enum):
    """What workers, operators and callers do besides; the worker is the one whose batch is not under way."""

    FOLD = auto()
    FOLD_WHAT_IS_NEW = auto()
    LAPSE = auto()
    LAPSE_AND_OVERTAKE = auto()
    ABANDON = auto()
    RELEASE = auto()
    EVERYONE = auto()
    RECALCULATE = auto()
    SWEEP = auto()
    FOLLOW = auto()


@dataclass(frozen=True)
class Made:
    """A transaction of one statement, and what comes right after it."""

    write: Write
    then: Chore | None


Act = Made | Begun | TakenBack | Ended | Chore
chores = st.sampled_from(
    [Chore.FOLD, Chore.FOLD, Chore.FOLD, Chore.LAPSE_AND_OVERTAKE, Chore.LAPSE_AND_OVERTAKE, *Chore]
)
made = st.builds(Made, writes_at_once, st.sampled_from([None, Chore.FOLD, Chore.FOLD, Chore.LAPSE_AND_OVERTAKE]))
acts: st.SearchStrategy[Act] = st.one_of(
    *[made] * 6,
    st.builds(Begun, sessions, writes, st.sampled_from(["read committed", "serializable"])),
    st.builds(TakenBack, sessions, writes),
    st.builds(Ended, sessions, st.sampled_from([True, True, False])),
    chores,
)
gaps = st.lists(acts, min_size=1, max_size=3)


@dataclass
class Bench:
    """What a history is played on; each history clears it first."""

    app: psycopg.Connection[Any]
    writer: psycopg.Connection[Any]
    """For transactions of one statement. It gives way at once, as the sessions do, where they meet."""
    sessions: list[psycopg.Connection[Any]]
    db: Database
    make_line: Callable[[], Line]


@dataclass
class Hands:
    """One worker and what it holds in its hands."""

    line: Line
    claim: Claim | None = None
    scored: Scored | None = None

    def take(self, size: int) -> None:
        """Claim a batch."""
        claim = self.line.claimant.claim(size, whole=True)
        self.claim, self.scored = (claim if claim.entries else None), None

    def publish(self) -> None:
        """Publish the computed batch, as far as it is still this worker's."""
        if self.claim and self.scored:
            self.line.publish(self.claim, self.scored)
            self.put_down()

    def put_down(self) -> None:
        """Forget the batch, without a word to the database."""
        self.line.claimant.settle()
        self.claim = self.scored = None


class Histories(RuleBasedStateMachine):
    """The steps that a history is made of."""

    bench: ClassVar[Bench]

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.app = self.bench.app
        with self.app.transaction():
            self.app.execute("set local session_replication_role = replica; " + CLEAR)
        line = replace(self.bench.make_line(), clock=lambda _: self.now)
        again = replace(self.bench.make_line(), clock=lambda _: self.now)
        self.hands = [Hands(line), Hands(again)]
        self.finisher = replace(self.bench.make_line(), clock=lambda _: self.now)
        self.later = [HOUR]

    @initialize(
        others=st.lists(inserts(), max_size=12),
        scored=st.sampled_from([True, True, False]),
        later=st.lists(st.sampled_from([TICK, HOUR, 9 * DAY, 60 * DAY]), min_size=1, max_size=2),
    )
    def begin(self, others: list[Write], scored: bool, later: list[timedelta]) -> None:
        """A few people and rows about them, scored already or not."""
        with self.app.transaction():
            for statement in FOUNDERS:
                self.app.execute(statement.encode())
        for write in others:
            self._write(self.bench.writer, write)
        if scored:
            self._drain()
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
        self.now = min([self.now + by, *self._due_until(self.now + by)])

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
        """Every lease ends; whoever still works on its batch does not know."""
        self.app.execute(
            "update caas_recalculation_queue set lease_until = clock_timestamp() - interval '1 s' "
            "where token is not null"
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
                self.now = max([self.now, *self._due_until(self.now + step)])
                self._drain()
                self._compare()
                self.now += step
                self._drain()
                self._compare()
        finally:
            for session in self.bench.sessions:
                session.execute("rollback")

    def _write(self, connection: psycopg.Connection[Any], write: Write) -> None:
        """The statement, or nothing where the application's own constraints or another transaction's lock refuse it."""
        try:
            with connection.transaction():
                connection.execute(write.statement, write.values)
        except psycopg.errors.SerializationFailure:
            connection.execute("rollback")
        except (psycopg.errors.IntegrityError, psycopg.errors.LockNotAvailable):
            pass

    def _due_until(self, end: datetime) -> list[datetime]:
        query = (
            "select d.next_due_at from caas_scores as d where d.next_due_at > %s and d.next_due_at <= %s "
            "union select d.next_due_at from caas_cell_states as d where d.next_due_at > %s and d.next_due_at <= %s"
        )
        return [due for (due,) in self.app.execute(query, (self.now, end) * 2).fetchall()]

    def _drain(self) -> None:
        assert [sweep(self.bench.db, 100, self.now) for _ in range(2)][1] == 0, "each due time is marked once"
        dead = [row[0] for row in self.app.execute("select profile_id from caas_dead_entries").fetchall()]
        if dead:
            queue.recalculate(self.bench.db, dead)
        summary = worker.drain(self.finisher, batch_size=5)
        assert (summary.exit_code, summary.remaining) == (0, 0), summary

    def _compare(self) -> None:
        with self.app.transaction():
            self.app.execute("set transaction isolation level repeatable read")
            application = Tables.load(self.app)
            cached = self.app.cursor(row_factory=dict_row).execute("select * from caas_scores").fetchall()
            others = [self.app.execute(f"select count(*) from {table}".encode()).fetchone() for table in OURS]
            quality = tables.QualityTables.load(self.app)
        assert others == [(0,)] * len(OURS)
        quality.compare(self.now)
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


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to nine decimals, whole or not."""
    return {name: round(float(value), 9) if value is not None else None for name, value in values.items()}
