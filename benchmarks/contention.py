"""What our triggers cost the application's writers, against no triggers and against `insert … on conflict do nothing`.

16 writers, each on its own connection, write 3 statements a transaction over 50 hot profiles, 40 tutors and 10
clients: a session is booked and completed, a review is posted, another one is changed, each of another tutor, in random
order. Three configurations take turns, each on a fresh copy of one database:

- off: our triggers are disabled;
- marks: our triggers are enabled;
- do nothing: ours are disabled, and the obvious design of obvious.sql is in their place.

Two worker processes run in each of them, so that the triggers make the difference and not who else is there: ours in
the first two (without triggers they find nothing to do), the obvious design's own in the third. Those take entries in
a transaction of their own, so that no writer waits for a computation, and keep no older result over a newer one: what
writers wait for and what is lost is the fault of `do nothing` alone. A worker that is killed would lose its entries.

A transaction's time is its client's, from begin to commit; only committed ones are timed and counted, but errors from
the first transaction on. When the writers have ended and the workers have drained, a hot profile is stale if computing
it anew gives another result. Workers that have work to do take processor time from the writers where there are not
enough cores for all: that is part of what is measured.
"""

import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection as pipes
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.ground import Ground, say
from caas_worker import figures, migrate, rules, worker
from caas_worker.db import Database
from caas_worker.fleet import Fleet
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped

ROUNDS = 3
SECONDS = 10.0
WARM_UP_SECONDS = 1.0
PROCESSES, THREADS = 4, 4
WORKERS = 2
HOT_TUTORS, HOT_CLIENTS = 40, 10
HOT = HOT_TUTORS + HOT_CLIENTS
BATCH = 100
PATIENCE_SECONDS = 120.0

OFF, MARKS, NOTHING = "off", "marks", "do nothing"
CONFIGURATIONS = (OFF, MARKS, NOTHING)
MOST_P99, LEAST_THROUGHPUT = 1.5, 0.75

TUTORS = """
select
    p.id,
    min(l.id::text)::uuid,
    array_agg(v.id order by v.id)
from profiles as p
inner join listings as l on l.profile_id = p.id
inner join profile_reviews as v on v.reviewee_id = p.id
where p.identity_verified
group by p.id
order by p.id
limit %s
"""

CLIENTS = """
select p.id
from profiles as p
where p.id <> all(%s)
order by p.id
limit %s
"""

BOOK = """
insert into bookings (listing_id, client_id, type, status, scheduled_start, scheduled_end, payment_status)
values (%s, %s, 'paid', 'Completed', now() - interval '2 hours', now() - interval '1 hour', 'Succeeded')
"""

REVIEW = "insert into profile_reviews (reviewer_id, reviewee_id, rating) values (%s, %s, %s)"

RERATE = "update profile_reviews set rating = %s, updated_at = now() where id = %s"

TAKE = f"""
delete from obvious_queue
where profile_id in (
    select profile_id
    from obvious_queue
    limit {BATCH}
    for update skip locked
)
returning profile_id
"""

KEEP = """
insert into obvious_scores (profile_id, statistics, computed_at)
select
    s.profile_id,
    to_jsonb(s),
    now()
from caas.performance_stats(%s) as s
order by s.profile_id
on conflict (profile_id) do update
    set
        statistics = excluded.statistics,
        computed_at = excluded.computed_at
    where obvious_scores.computed_at <= excluded.computed_at
"""

STALE = """
select count(*)
from caas.performance_stats(%s) as s
left join obvious_scores as kept on kept.profile_id = s.profile_id
where kept.statistics is distinct from to_jsonb(s)
"""


@dataclass(frozen=True, slots=True)
class Cast:
    """Whom the writers write about: hot tutors with a listing and reviews of theirs, and hot clients."""

    tutors: list[tuple[UUID, UUID, list[UUID]]]
    clients: list[UUID]

    @property
    def hot(self) -> list[UUID]:
        return [*(profile_id for profile_id, _, _ in self.tutors), *self.clients]


@dataclass(slots=True)
class Tally:
    """What writers did: milliseconds of each committed transaction, errors by SQLSTATE."""

    times: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        self.times += other.times
        self.errors += other.errors


@dataclass(frozen=True, slots=True)
class Turn:
    """One configuration in one round."""

    transactions: int
    p50: float
    p99: float
    errors: Counter[str]
    stale: int | None


@dataclass(frozen=True, slots=True)
class Crew:
    """Processes that write, or work in the obvious design, and what they are told; kept from turn to turn."""

    pool: ProcessPoolExecutor
    begin: Barrier
    finish: Event
    """For the obvious design's workers: no writer is left, leave when the queue is empty."""
    leave: Event
    """For everybody: drop it."""


def measure(ground: Ground, *, rounds: int | None = None, seconds: float | None = None) -> None:
    """Run it and keep the result."""
    rounds = rounds or (1 if ground.small else ROUNDS)
    seconds = seconds or (SECONDS / 10 if ground.small else SECONDS)
    original = ground.marketplace("contention", tutors=ground.tutors // 10)
    cast = _settle(original)
    turns: dict[str, list[Turn]] = {configuration: [] for configuration in CONFIGURATIONS}
    with _crew() as crew:
        for number in range(rounds):
            first = number % len(CONFIGURATIONS)
            for configuration in CONFIGURATIONS[first:] + CONFIGURATIONS[:first]:
                with ground.copy("contention") as conninfo:
                    turns[configuration].append(_turn(configuration, conninfo, cast, crew, seconds))
                say(f"round {number + 1} of {rounds}: {configuration}: {turns[configuration][-1]}")
    _keep(ground, turns, seconds)


def _settle(conninfo: str) -> Cast:
    """Compute everybody, so that workers find nothing to do but what writers give them."""
    with Database(conninfo) as db:
        line = worker.line(db, Settings())
        rules.publish(db, line.registry)
        worker.drain(line, batch_size=500)
    with psycopg.connect(conninfo, autocommit=True) as application:
        tutors = [(row[0], row[1], row[2]) for row in application.execute(TUTORS, (HOT_TUTORS,))]
        clients = application.execute(CLIENTS, ([profile_id for profile_id, _, _ in tutors], HOT_CLIENTS))
        cast = Cast(tutors, [profile_id for (profile_id,) in clients])
        application.execute("vacuum analyze")
    assert len(cast.hot) == HOT
    return cast


def _turn(configuration: str, conninfo: str, cast: Cast, crew: Crew, seconds: float) -> Turn:
    if configuration != MARKS:
        migrate.switch(conninfo, Shipped.load(), lambda _: None, on=False)
    workers = _obvious_workers(conninfo, crew) if configuration == NOTHING else _our_workers(conninfo)
    tally = Tally()
    with workers:
        with psycopg.connect(conninfo, autocommit=True) as application:
            application.execute("checkpoint")
        for written in [crew.pool.submit(_write, conninfo, cast, seconds) for _ in range(PROCESSES)]:
            tally.add(written.result())
    tally.times.sort()
    return Turn(
        transactions=len(tally.times),
        p50=_percentile(tally.times, 0.5),
        p99=_percentile(tally.times, 0.99),
        errors=tally.errors,
        stale=_count_stale(configuration, conninfo, cast.hot),
    )


@contextmanager
def _our_workers(conninfo: str) -> Iterator[None]:
    """Ours, as processes; they have drained at the end."""
    fleet = Fleet.of_workers(WORKERS, conninfo)
    try:
        fleet.start()
        with Database(conninfo) as db:
            _until(lambda: figures.status(db)["workers"] == WORKERS, "the workers did not start")
            yield
            _until(lambda: figures.remaining(db) == 0, "the workers did not drain")
            assert figures.status(db)["dead"] == 0
    finally:
        fleet.end()


@contextmanager
def _obvious_workers(conninfo: str, crew: Crew) -> Iterator[None]:
    """The obvious design and its workers; they have drained at the end."""
    with psycopg.connect(conninfo, autocommit=True) as application:
        application.execute((Path(__file__).parent / "obvious.sql").read_bytes())
    crew.finish.clear()
    working: list[Future[None]] = [crew.pool.submit(_work_obviously, conninfo) for _ in range(WORKERS)]
    try:
        yield
    finally:
        crew.finish.set()
    for future in working:
        future.result(PATIENCE_SECONDS)


def _count_stale(configuration: str, conninfo: str, hot: list[UUID]) -> int | None:
    """How many hot profiles get another result when they are computed anew; without triggers nobody expects one."""
    if configuration == OFF:
        return None
    return _count_stale_scores(conninfo, hot) if configuration == MARKS else _count_obviously_stale(conninfo, hot)


def _count_stale_scores(conninfo: str, hot: list[UUID]) -> int:
    query = "select profile_id, calculated_at, total_score, score_inputs from caas.scores where profile_id = any(%s)"
    with psycopg.connect(conninfo, autocommit=True) as application, Database(conninfo) as db:
        before = {profile_id: rest for profile_id, *rest in application.execute(query, (hot,))}
        application.execute("select caas.enqueue(%s, 'benchmark')", (hot,))
        worker.drain(worker.line(db, Settings()), batch_size=BATCH)
        after = {profile_id: rest for profile_id, *rest in application.execute(query, (hot,))}
    assert all(after[profile_id][0] > before[profile_id][0] for profile_id in hot)
    return sum(after[profile_id][1:] != before[profile_id][1:] for profile_id in hot)


def _count_obviously_stale(conninfo: str, hot: list[UUID]) -> int:
    with psycopg.connect(conninfo, autocommit=True) as application:
        row = application.execute(STALE, (hot,)).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _crew() -> Iterator[Crew]:
    """Started by spawn: a forked process would share this one's hold on the server."""
    context = get_context("spawn")
    begin, finish, leave = context.Barrier(PROCESSES), context.Event(), context.Event()
    with ProcessPoolExecutor(PROCESSES + WORKERS, context, _join_crew, (begin, finish, leave)) as pool:
        try:
            yield Crew(pool, begin, finish, leave)
        finally:
            leave.set()
            begin.abort()
            pool.shutdown(cancel_futures=True)


_told: dict[str, Any] = {}
"""In a process of the crew: what it is told by."""


def _join_crew(begin: Barrier, finish: Event, leave: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the benchmark's to pass on
    _told.update(begin=begin, finish=finish, leave=leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    pipes.wait([parent.sentinel])
    os._exit(1)


def _write(conninfo: str, cast: Cast, seconds: float) -> Tally:
    """In a process of the crew: some of the writers, who begin with those of the other processes."""
    total = Tally()
    try:
        with ExitStack() as stack, ThreadPoolExecutor(THREADS) as threads:
            writers = [stack.enter_context(psycopg.connect(conninfo, autocommit=True)) for _ in range(THREADS)]
            _told["begin"].wait(PATIENCE_SECONDS)
            for tally in threads.map(lambda writer: _write_alone(writer, cast, seconds), writers):
                total.add(tally)
    except BaseException:
        _told["begin"].abort()
        raise
    return total


def _write_alone(writer: psycopg.Connection[Any], cast: Cast, seconds: float) -> Tally:
    dice, tally = random.Random(), Tally()
    counts_from = time.monotonic() + WARM_UP_SECONDS
    ends = counts_from + seconds
    while (begun := time.monotonic()) < ends and not _told["leave"].is_set():
        (_, listing, _), (reviewee, _, _), (_, _, reviews) = dice.sample(cast.tutors, 3)
        client, reviewer = dice.sample(cast.clients, 2)
        try:
            with writer.transaction():
                writer.execute(BOOK, (listing, client))
                writer.execute(REVIEW, (reviewer, reviewee, dice.randint(1, 5)))
                writer.execute(RERATE, (dice.randint(1, 5), dice.choice(reviews)))
        except psycopg.Error as error:
            if writer.closed:
                raise
            tally.errors[error.sqlstate or type(error).__name__] += 1
        else:
            if begun >= counts_from:
                tally.times.append((time.monotonic() - begun) * 1000)
    return tally


def _work_obviously(conninfo: str) -> None:
    """In a process of the crew: a worker of the obvious design, which pauses as ours do."""
    shortest, longest = worker.SHORTEST_PAUSE_SECONDS, Settings().poll_interval
    pause = shortest
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while not _told["leave"].is_set():
            is_last = _told["finish"].is_set()
            if taken := [profile_id for (profile_id,) in connection.execute(TAKE)]:
                connection.execute(KEEP, (taken,))
                pause = shortest
            elif is_last:
                return
            else:
                pause = min(pause * 2, longest)
                _told["finish"].wait(pause)


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.1)


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _keep(ground: Ground, turns: dict[str, list[Turn]], seconds: float) -> None:
    """Medians over the rounds, and their ratios; errors of all rounds; the stale profiles of each."""
    figures: dict[str, dict[str, Any]] = {}
    for configuration, rounds in turns.items():
        figures[configuration] = {
            "transactions_per_second": round(statistics.median(turn.transactions for turn in rounds) / seconds),
            "p50_ms": round(statistics.median(turn.p50 for turn in rounds), 1),
            "p99_ms": round(statistics.median(turn.p99 for turn in rounds), 1),
            "errors": dict(sum((turn.errors for turn in rounds), Counter[str]())),
            "stale": [turn.stale for turn in rounds if turn.stale is not None],
        }
    off = figures[OFF]
    for figure in figures.values():
        figure["ratio"] = {
            "throughput": round(figure["transactions_per_second"] / off["transactions_per_second"], 3),
            "p99": round(figure["p99_ms"] / off["p99_ms"], 2),
        }
    marks = figures[MARKS]
    _table(figures)
    ground.keep(
        "contention",
        {
            "rounds": len(turns[OFF]),
            "seconds": seconds,
            "writers": PROCESSES * THREADS,
            "workers": WORKERS,
            "hot_profiles": HOT,
            "configurations": figures,
            "marks_keep_to": {
                "no_error_that_is_absent_without_them": marks["errors"].keys() <= off["errors"].keys(),
                f"p99_at_most_{MOST_P99}": marks["ratio"]["p99"] <= MOST_P99,
                f"throughput_at_least_{LEAST_THROUGHPUT}": marks["ratio"]["throughput"] >= LEAST_THROUGHPUT,
                "no_stale_profile": not any(marks["stale"]),
            },
        },
    )


def _table(figures: dict[str, dict[str, Any]]) -> None:
    say(f"{'triggers':<12}{'per second':>11}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}  errors, stale profiles")
    for configuration, figure in figures.items():
        errors = ", ".join(f"{count} of {state}" for state, count in sorted(figure["errors"].items())) or "none"
        say(
            f"{configuration:<12}{figure['transactions_per_second']:>11,}{figure['ratio']['throughput']:>8.2f}"
            f"{figure['p50_ms']:>9.1f}{figure['p99_ms']:>9.1f}{figure['ratio']['p99']:>8.2f}  {errors}; "
            + (", ".join(f"{stale} of {HOT}" for stale in figure["stale"]) or "-")
        )
