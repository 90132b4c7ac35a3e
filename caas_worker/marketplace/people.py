"""Sample people with a year of history: the same seed and time always give the same rows, ids included."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8

from caas_worker.errors import MigrationRefused
from caas_worker.marketplace import vocabulary
from caas_worker.marketplace.schema import TABLES, is_sample
from caas_worker.marketplace.statements import load

PEOPLE_PER_CHUNK = 5_000
SESSIONS_PER_CHUNK = 50_000

_COUNT = """
    select
        count(*) filter (where 'TUTOR' = any (roles)),
        count(*) filter (where 'CLIENT' = any (roles) and not 'TUTOR' = any (roles)),
        count(*) filter (where 'AGENT' = any (roles) and not roles && array['TUTOR', 'CLIENT']),
        (select count(*) from public.bookings),
        (select count(*) from public.profile_reviews)
    from (select upper(roles::text)::text[] as roles from public.profiles) as person
"""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class People:
    """How much there is of everything. A person of several roles counts once: as tutor, else client, else agent.

    `reviews` counts those that tutors wrote about their clients as well.
    """

    tutors: int
    clients: int
    agents: int
    bookings: int
    reviews: int


def populate(
    conn: psycopg.Connection[Any],
    *,
    people: int = 2000,
    tutor_share: float = 0.3,
    bookings_per_tutor: int = 50,
    reviews_per_tutor: int = 10,
    seed: int = 1,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> People:
    """Fill an empty sample with a year that ends at `now`, and two weeks of sessions to come.

    Exactly round(people * tutor_share) are tutors, each with exactly `bookings_per_tutor` bookings and exactly
    `reviews_per_tutor` reviews received. Commits in chunks; after each, `progress` hears the step's name, how many
    of its people are done and how many it has. Interrupted, it leaves the chunks that were committed.

    Raises MigrationRefused if the database is not the sample's or has people already, ValueError for a number that
    makes no sense.
    """
    if min(people, bookings_per_tutor, reviews_per_tutor) < 0 or not 0 <= tutor_share <= 1:
        raise ValueError("people, bookings and reviews can't be negative, and tutor_share is between 0 and 1")
    _refuse_unless_empty(conn)
    numbers = _numbers(people, tutor_share) | {
        "bookings_per_tutor": bookings_per_tutor,
        "reviews_per_tutor": reviews_per_tutor,
    }
    parameters: dict[str, object] = {name: Int8(number) for name, number in numbers.items()}
    parameters |= vocabulary.PARAMETERS | {"now": (now or datetime.now(UTC)).astimezone(UTC)}
    tutors_per_chunk = max(1, SESSIONS_PER_CHUNK // max(1, bookings_per_tutor, reviews_per_tutor))

    for step, filenames, total, size in (
        ("people", ["people.sql"], people, PEOPLE_PER_CHUNK),
        ("sessions", ["sessions.sql", "echoes.sql"], numbers["tutors"], tutors_per_chunk),
        ("network", ["network.sql"], people, PEOPLE_PER_CHUNK),
    ):
        statements = [statement for filename in filenames for statement in load(filename).values()]
        for first in range(1, total + 1, size):
            last = min(first + size - 1, total)
            with _chunk(conn, seed) as cursor:
                for statement in statements:
                    cursor.execute(statement, parameters | {"first": Int8(first), "last": Int8(last)})
            if first == 1:
                _analyze(conn)  # without it the next chunks' plans read all that the earlier ones wrote
            if progress:
                progress(step, last, total)

    _analyze(conn)
    return count(conn)


def count(conn: psycopg.Connection[Any]) -> People:
    """Count what is in the sample now."""
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_COUNT).fetchone()
    assert row is not None
    return People(*row)


def _refuse_unless_empty(conn: psycopg.Connection[Any]) -> None:
    if not is_sample(conn):
        raise MigrationRefused("This database is not the sample marketplace's, so no sample people are put into it.")
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
        if cursor.execute("select from public.profiles limit 1").fetchone() is not None:
            raise MigrationRefused("This sample marketplace has people already; only an empty one can be filled.")


def _numbers(people: int, tutor_share: float) -> dict[str, int]:
    """How many carry which role. Clients of bookings come from the pool: all clients, or everyone if there are none."""
    tutors = round(people * tutor_share)
    agents = min((people - tutors) // 2, -(-people // 50))
    others = (people - tutors - agents) // 150
    clients = people - tutors - agents - others
    return {
        "people": people,
        "tutors": tutors,
        "agents": agents,
        "others": others,
        "pool_first": people - clients + 1 if clients else 1,
        "pool_size": clients or people,
    }


def _analyze(conn: psycopg.Connection[Any]) -> None:
    with conn.transaction():
        conn.execute(
            sql.SQL("analyze {}").format(sql.SQL(", ").join(sql.Identifier("public", name) for name in TABLES))
        )


@contextmanager
def _chunk(conn: psycopg.Connection[Any], seed: int) -> Iterator[psycopg.Cursor[Any]]:
    """One transaction with the functions that the statements call; they go with it, so that no session need last."""
    functions = load("functions.sql")
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(sql.SQL(functions["create"]).format(seed=seed))
        yield cursor
        cursor.execute(functions["drop"])
