"""Profiles drained per second by one worker, against one SQL statement that recomputes everybody's statistics.

The statement is the limit: no marks, no queue, no claim, no strategy, one scan and one hash. It runs in two forms: it
computes and throws away, or it computes and keeps (upserts), as whoever wants to read the result would. All run in
turn, several rounds, in one run; the figures are ratios of medians.
"""

import statistics
import time
from typing import Any

import psycopg

from benchmarks.ground import BOOKINGS, REVIEWS, Ground, say
from caas_worker import worker
from caas_worker.db import Database
from caas_worker.settings import Settings
from caas_worker.telemetry import Telemetry

ROUNDS = 5
BATCH_SIZES = (100, 500, 2_000)

STATISTICS = """
select
    t.id,
    coalesce(r.mean, 0) as avg_rating,
    coalesce(s.paid, 0) as completed_sessions,
    coalesce(s.booked_again::numeric / nullif(s.booked, 0), 0) as retention_rate,
    case when s.logged + s.unlogged >= 5 then s.logged / (s.logged + s.unlogged) else 0 end as manual_log_rate,
    coalesce(s.free, 0) as free_sessions
from profiles as t
left join (
    select
        c.profile_id,
        sum(c.paid) as paid,
        sum(c.free) as free,
        sum(c.logged) as logged,
        sum(c.unlogged) as unlogged,
        count(c.client_id) filter (where c.paid > 0) as booked,
        count(c.client_id) filter (where c.paid > 1) as booked_again
    from (
        select
            l.profile_id,
            b.client_id,
            count(*) filter (where b.status = 'Completed' and b.type is distinct from 'free_help') as paid,
            count(*) filter (where b.status = 'Completed' and b.type = 'free_help') as free,
            count(*) filter (
                where b.status = 'Completed'
                    and b.type is distinct from 'free_help'
                    and coalesce(btrim(b.recording_url), '') = ''
            ) as logged,
            count(*) filter (
                where b.status = 'Pending log'
                    and b.type is distinct from 'free_help'
                    and coalesce(btrim(b.recording_url), '') = ''
            ) as unlogged
        from listings as l
        inner join bookings as b on b.listing_id = l.id
        where b.status in ('Completed', 'Pending log')
        group by l.profile_id, b.client_id
    ) as c
    group by c.profile_id
) as s on s.profile_id = t.id
left join (
    select
        v.reviewee_id,
        avg(v.rating) as mean
    from profile_reviews as v
    where v.reviewer_id is distinct from v.reviewee_id
    group by v.reviewee_id
) as r on r.reviewee_id = t.id
"""

COMPUTE = f"select count(*), sum(p.avg_rating), sum(p.retention_rate) from ({STATISTICS}) as p"

KEEP = f"""
insert into benchmark_statistics
{STATISTICS}
on conflict (id) do update
    set
        avg_rating = excluded.avg_rating,
        completed_sessions = excluded.completed_sessions,
        retention_rate = excluded.retention_rate,
        manual_log_rate = excluded.manual_log_rate,
        free_sessions = excluded.free_sessions
"""


def measure(ground: Ground) -> None:
    """Run it and keep the result."""
    conninfo = ground.marketplace("line")
    statement: dict[str, list[float]] = {"compute": [], "compute_and_keep": []}
    drained: dict[int, list[float]] = {size: [] for size in BATCH_SIZES}
    steps: dict[int, list[Telemetry]] = {size: [] for size in BATCH_SIZES}
    with psycopg.connect(conninfo, autocommit=True) as application:
        application.execute(f"create table benchmark_statistics as select * from ({STATISTICS}) as p")
        application.execute("alter table benchmark_statistics add primary key (id)")
        for number in range(-1, ROUNDS):
            for form, text in (("compute", COMPUTE), ("compute_and_keep", KEEP)):
                seconds = _seconds(lambda text=text: application.execute(text))
                if number >= 0:
                    statement[form].append(ground.tutors / seconds)
            for size in BATCH_SIZES:
                application.execute("select caas.enqueue(array_agg(id order by id), 'benchmark') from profiles")
                telemetry, seconds = _drain(conninfo, size)
                assert telemetry.endings["scored"] == ground.tutors
                if number >= 0:
                    drained[size].append(ground.tutors / seconds)
                    steps[size].append(telemetry)
                application.execute(
                    "vacuum caas.changes, caas.recalculation_queue, caas.scores, profiles, benchmark_statistics"
                )
            say(f"round {number + 1} of {ROUNDS}")
    limits = {form: statistics.median(rates) for form, rates in statement.items()}
    ground.keep(
        "line",
        {
            "profiles": ground.tutors,
            "bookings_per_profile": BOOKINGS,
            "reviews_per_profile": REVIEWS,
            "rounds": ROUNDS,
            "one_statement_profiles_per_second": {form: round(rate) for form, rate in limits.items()},
            "drain": {
                str(size): {
                    "profiles_per_second": round(statistics.median(rates)),
                    "ratio": {form: round(statistics.median(rates) / rate, 3) for form, rate in limits.items()},
                    "share_of_time": _shares(steps[size]),
                }
                for size, rates in drained.items()
            },
        },
    )


def _drain(conninfo: str, size: int) -> tuple[Telemetry, float]:
    with Database(conninfo, statement_timeout=600) as db:
        line = worker.line(db, Settings())
        seconds = _seconds(lambda: _until_empty(line, size))
    return line.telemetry, seconds


def _until_empty(line: Any, size: int) -> None:
    while line.fold().found_any or line.run_batch(size):
        pass


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _shares(rounds: list[Telemetry]) -> dict[str, float]:
    total = sum(sum(telemetry.step_seconds.values()) for telemetry in rounds)
    names = rounds[0].step_seconds
    return {name: round(sum(telemetry.step_seconds[name] for telemetry in rounds) / total, 3) for name in names}
