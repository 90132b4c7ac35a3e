"""Every aggregate, window and score of 5,000 tutors with 50 sessions each, from nothing, by two workers.

Beside it, in turn, the least that has to be done: one SQL statement that aggregates everybody's days and keeps them.
"""

import multiprocessing
import statistics
import time

import psycopg

from benchmarks.ground import BOOKINGS, Ground, say
from caas_worker import queue, worker
from caas_worker.db import Database
from caas_worker.settings import Settings

TUTORS = 5_000
WORKERS = 2
BATCH = 250
ROUNDS = 5

OURS = (
    "caas.touched_cells", "caas.cell_states", "caas.pair_cells", "caas.pair_sums", "caas.daily_events", "caas.scores",
    "caas.tutor_daily_aggregates", "caas.tutor_performance_metrics", "caas.tutor_scores", "caas.session_scores",
    "caas.tutor_alerts",
    "caas.tutor_performance_summaries",
)  # fmt: skip
KEEP = """
insert into benchmark_days
select
    l.profile_id,
    (b.scheduled_start at time zone 'UTC')::date,
    count(*),
    count(*) filter (where b.status = 'Completed'),
    count(*) filter (where b.status = 'No-show' and b.no_show_by = 'tutor'),
    avg(extract(epoch from greatest(b.actual_start - b.scheduled_start, interval '0'))) filter (
        where b.status = 'Completed'
    )
from listings as l
inner join bookings as b on b.listing_id = l.id
where b.status in ('Completed', 'Rescheduled', 'No-show')
    and b.scheduled_start <= now()
group by 1, 2
"""


def measure(ground: Ground) -> None:
    """Run it and keep the result."""
    tutors = TUTORS // 10 if ground.small else TUTORS
    conninfo = ground.marketplace("rebuild", tutors=tutors)
    rebuilt: list[float] = []
    statement: list[float] = []
    with psycopg.connect(conninfo, autocommit=True) as connection, Database(conninfo) as db:
        connection.execute(
            "create table benchmark_days (profile_id uuid, day date, sessions bigint, completed bigint, "
            "no_shows bigint, late numeric, primary key (profile_id, day))"
        )
        for number in range(ROUNDS + 1):
            connection.execute("truncate benchmark_days")
            connection.execute(f"truncate {', '.join(OURS)}".encode())
            connection.execute("checkpoint")
            begun = time.perf_counter()
            connection.execute(KEEP.encode())
            kept = time.perf_counter() - begun
            queue.mark_everyone(db, "benchmark")
            spent = _drain(conninfo)
            counts = [connection.execute(f"select count(*) from {table}".encode()).fetchone() for table in OURS]
            assert counts[OURS.index("caas.scores")] == (tutors,)
            if number:  # the first round warms up
                statement.append(kept)
                rebuilt.append(spent)
            say(f"round {number} of {ROUNDS}: {spent:.2f} s, the statement {kept:.2f} s")
    seconds = statistics.median(rebuilt)
    ground.keep(
        "rebuild",
        {
            "tutors": tutors,
            "bookings_per_tutor": BOOKINGS,
            "workers": WORKERS,
            "batch": BATCH,
            "rounds": ROUNDS,
            "rebuild_seconds": round(seconds, 2),
            "rebuild_seconds_each": [round(spent, 2) for spent in rebuilt],
            "tutors_per_second": round(tutors / seconds),
            "one_statement_seconds": round(statistics.median(statement), 2),
            "ratio": round(seconds / statistics.median(statement), 1),
            "rows_written": {table: row[0] for table, row in zip(OURS, counts, strict=True) if row and row[0]},
        },
    )


def _drain(conninfo: str) -> float:
    """Seconds from the first fold to an empty queue; the processes are there already, as workers are."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(WORKERS + 1)
    workers = [context.Process(target=_work, args=(conninfo, start)) for _ in range(WORKERS)]
    for process in workers:
        process.start()
    start.wait()
    begun = time.perf_counter()
    for process in workers:
        process.join()
        assert process.exitcode == 0
    return time.perf_counter() - begun


def _work(conninfo: str, start: "multiprocessing.synchronize.Barrier") -> None:
    with Database(conninfo, statement_timeout=600) as db:
        line = worker.line(db, Settings(follow_profiles=False))
        start.wait()
        worker.drain(line, batch_size=BATCH)
