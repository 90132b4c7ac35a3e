"""What one changed booking costs, from mark to cache, for a tutor with 50 bookings and for one with 100,000.

Both are in one database and take turns. Time is the worker's (fold, claim, cells, statistics, rules, publishing), with
the same batch of one profile.
"""

import statistics
import time
from typing import LiteralString
from uuid import UUID

import psycopg

from benchmarks.ground import Ground, say
from caas_worker import worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.settings import Settings

ROUNDS = 101
SIZES = (50, 100_000)
YEARS = 5

PEOPLE: LiteralString = """
insert into profiles (roles, identity_verified, display_name)
select array[%(role)s], true, 'benchmark'
from generate_series(1, %(count)s)
returning id
"""
HISTORY: LiteralString = """
with taught as (
    insert into bookings (
        listing_id, client_id, type, status, scheduled_start, scheduled_end, actual_start, actual_end,
        payment_status, session_number, engagement_score, learning_objectives_met
    )
    select
        %(listing)s,
        (%(clients)s::uuid[])[1 + n %% cardinality(%(clients)s::uuid[])],
        'paid',
        'Completed',
        s.at,
        s.at + interval '1 hour',
        s.at + interval '2 minutes',
        s.at + interval '1 hour',
        'Succeeded',
        1 + n / cardinality(%(clients)s::uuid[]),
        0.8,
        true
    from generate_series(0, %(size)s - 1) as n
    cross join lateral (
        select now() - interval '1 hour' - n * %(years)s * interval '365 days' / %(size)s as at
    ) as s
    returning id, client_id
)

insert into profile_reviews (reviewer_id, reviewee_id, booking_id, rating)
select t.client_id, %(tutor)s, t.id, 5
from taught as t
where ('x' || right(t.id::text, 1))::bit(4)::integer < 8
"""
CHANGE = "update bookings set tech_issue = not coalesce(tech_issue, false) where id = %s"


def measure(ground: Ground) -> None:
    """Run it and keep the result."""
    conninfo = ground.marketplace("history", tutors=ground.tutors // 20)
    sizes = (SIZES[0], SIZES[1] // 10) if ground.small else SIZES
    times: dict[int, list[float]] = {size: [] for size in sizes}
    with psycopg.connect(conninfo, autocommit=True) as connection, Database(conninfo, statement_timeout=600) as db:
        line = worker.line(db, Settings(follow_profiles=False))
        for form, of in (("spread over many clients", 2), ("few clients", 50)):
            say(f"making histories, {form}")
            bookings = {size: _tutor(connection, size, clients=max(size // of, 1)) for size in sizes}
            connection.execute("vacuum analyze")
            worker.drain(line, batch_size=100)
            for number in range(ROUNDS):
                for size, ids in bookings.items():
                    spent = _change(connection, line, ids[number * 7 % len(ids)])
                    if number >= 10:
                        times[size].append(spent)
    medians = {size: statistics.median(spent) * 1000 for size, spent in times.items()}
    small, large = (medians[size] for size in sizes)
    ground.keep(
        "history",
        {
            "rounds": ROUNDS,
            "years": YEARS,
            "milliseconds_by_bookings": {str(size): round(median, 2) for size, median in medians.items()},
            "ratio": round(large / small, 2),
        },
    )


def _tutor(connection: psycopg.Connection[tuple[object, ...]], size: int, *, clients: int) -> list[UUID]:
    """A tutor with so many completed bookings; returns their ids, some old and some new."""

    def people(role: str, count: int) -> list[object]:
        return [row[0] for row in connection.execute(PEOPLE, {"role": role, "count": count}).fetchall()]

    [tutor] = people("TUTOR", 1)
    row = connection.execute(
        "insert into listings (profile_id, title) values (%s, 'x') returning id", (tutor,)
    ).fetchone()
    assert row is not None
    connection.execute(
        HISTORY,
        {"listing": row[0], "tutor": tutor, "clients": people("CLIENT", clients), "size": size, "years": YEARS},
    )
    found = connection.execute("select id from bookings where listing_id = %s order by md5(id::text)", (row[0],))
    return [UUID(str(booking)) for (booking,) in found.fetchmany(1_000)]


def _change(connection: psycopg.Connection[tuple[object, ...]], line: Line, booking: UUID) -> float:
    connection.execute(CHANGE, (booking,))
    begun = time.perf_counter()
    line.fold()
    batch = line.run_batch(100)
    spent = time.perf_counter() - begun
    assert batch is not None
    return spent
