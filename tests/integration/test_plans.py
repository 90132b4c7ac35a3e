"""What a batch costs does not depend on how much the marketplace holds, nor grow faster than the batch.

Counted in shared buffers, which are the same on every machine, by EXPLAIN over the functions that a batch calls.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caas_worker.strategies.tutor import TutorStrategy
from tests.conftest import Databases

FUNCTIONS = [*TutorStrategy.statistics, "caas_digital_stats", "caas_profile_facts"]
BATCH = 50
SESSIONS_PER_TUTOR = 20
SPREAD = 2 * BATCH
"""In a large table each profile lies on a page of its own, below one more level of the index."""

PEOPLE = """
    insert into profiles (id, roles, identity_verified)
    select md5('tutor ' || t)::uuid, '{TUTOR}', true from generate_series(1, %(tutors)s) as t;
    insert into role_details (profile_id, role_type, degree_level, teaching_experience)
    select md5('tutor ' || t)::uuid, 'TUTOR', 'PHD', t %% 20 from generate_series(1, %(tutors)s) as t;
    insert into listings (id, profile_id)
    select md5('listing ' || t)::uuid, md5('tutor ' || t)::uuid from generate_series(1, %(tutors)s) as t;
    insert into bookings (listing_id, client_id, status, scheduled_start, scheduled_end)
    select
        md5('listing ' || t)::uuid, md5('client ' || t * n %% 997)::uuid, 'Completed',
        '2026-03-02 10:00+00'::timestamptz + n * interval '1 day', '2026-03-02 11:00+00'::timestamptz + n * interval '1 day'
    from generate_series(1, %(sessions)s) as n cross join generate_series(1, %(tutors)s) as t;
    insert into profile_reviews (reviewer_id, reviewee_id, rating)
    select md5('client ' || n)::uuid, md5('tutor ' || t)::uuid, 1 + (t + n) %% 5
    from generate_series(1, 5) as n cross join generate_series(1, %(tutors)s) as t;
    insert into profile_graph (source_profile_id, target_profile_id, relationship_type, status)
    select md5('tutor ' || t)::uuid, md5('client ' || t * n %% 997)::uuid, 'SOCIAL', 'ACTIVE'
    from generate_series(1, 5) as n cross join generate_series(1, %(tutors)s) as t;
    insert into student_integration_links (profile_id, integration_type)
    select md5('tutor ' || t)::uuid, 'GOOGLE_CALENDAR' from generate_series(1, %(tutors)s) as t;
"""  # noqa: E501
"""Each tutor's sessions lie scattered over the table, as they do in a marketplace that grew day by day."""


@dataclass(frozen=True)
class Cost:
    """What one call took."""

    rows: int
    buffers: int
    milliseconds: float


class Marketplace:
    """A database with so many tutors, and what calls of a function cost there."""

    def __init__(self, connection: psycopg.Connection[Any], tutors: int) -> None:
        self.tutors = tutors
        self._connection = connection

    def ids(self, batch: int) -> list[UUID]:
        """The ids of a batch, evenly spread."""
        query = "select md5('tutor ' || t)::uuid from generate_series(1, %s, %s) as t"
        return [row[0] for row in self._connection.execute(query, (self.tutors, self.tutors // batch))][:batch]

    def cost(self, function: str, batch: int = BATCH, calls: int = 3) -> Cost:
        """The last of several calls in one session: the first ones plan and fill caches. The time is the shortest."""
        ids = self.ids(batch)
        seen = [self._explain(function, ids) for _ in range(calls)]
        return Cost(seen[-1].rows, seen[-1].buffers, min(cost.milliseconds for cost in seen))

    def _explain(self, function: str, ids: list[UUID]) -> Cost:
        row = self._connection.execute(
            f"explain (analyze, buffers, format json) select * from {function}(%s::uuid[])", (ids,)
        ).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        return Cost(
            rows=plan["Actual Rows"],
            buffers=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
            milliseconds=plan["Actual Total Time"],
        )

    def analyze(self) -> None:
        self._connection.execute("vacuum analyze")


@pytest.fixture(scope="module")
def marketplace_of(databases: Databases, template: str) -> Iterator[Callable[[int], Marketplace]]:
    """Makes marketplaces by their number of tutors, not yet analyzed; the triggers and foreign keys sleep meanwhile."""
    made: list[tuple[str, psycopg.Connection[Any]]] = []

    def make(tutors: int) -> Marketplace:
        conninfo = databases.create(template)
        connection = psycopg.connect(conninfo, autocommit=True)
        made.append((conninfo, connection))
        connection.execute("set session_replication_role = replica")
        psycopg.ClientCursor(connection).execute(PEOPLE, {"tutors": tutors, "sessions": SESSIONS_PER_TUTOR})
        return Marketplace(connection, tutors)

    yield make
    for conninfo, connection in made:
        connection.close()
        databases.drop(conninfo)


@pytest.fixture(scope="module")
def small(marketplace_of: Callable[[int], Marketplace]) -> Marketplace:
    """1,000 sessions."""
    marketplace = marketplace_of(50)
    marketplace.analyze()
    return marketplace


@pytest.fixture(scope="module")
def unanalyzed(marketplace_of: Callable[[int], Marketplace]) -> tuple[Marketplace, dict[str, Cost]]:
    """200,000 sessions, and what a batch cost before the server had statistics of them."""
    marketplace = marketplace_of(10_000)
    return marketplace, {function: marketplace.cost(function) for function in FUNCTIONS}


@pytest.fixture(scope="module")
def large(unanalyzed: tuple[Marketplace, dict[str, Cost]]) -> Marketplace:
    """200,000 sessions."""
    marketplace, _ = unanalyzed
    marketplace.analyze()
    return marketplace


every_function = pytest.mark.parametrize("function", FUNCTIONS)


@every_function
def test_a_batch_touches_as_much_in_a_large_marketplace_as_in_a_small_one(
    function: str, small: Marketplace, large: Marketplace
) -> None:
    little, much = small.cost(function), large.cost(function)
    assert little.rows == much.rows == BATCH
    assert much.buffers <= 2 * little.buffers + SPREAD


@every_function
def test_it_touches_no_more_while_the_tables_are_not_yet_analyzed(
    function: str, small: Marketplace, unanalyzed: tuple[Marketplace, dict[str, Cost]]
) -> None:
    _, costs = unanalyzed
    assert costs[function].rows == BATCH
    assert costs[function].buffers <= 2 * small.cost(function).buffers + SPREAD


@every_function
def test_it_touches_no_more_in_a_session_that_called_it_often(function: str, large: Marketplace) -> None:
    assert large.cost(function, calls=12).buffers == large.cost(function).buffers


@every_function
def test_a_large_batch_costs_per_profile_what_a_small_one_does(function: str, large: Marketplace) -> None:
    few, many = large.cost(function, 200), large.cost(function, 2_000)
    assert (few.rows, many.rows) == (200, 2_000)
    assert many.buffers / 2_000 <= 1.5 * few.buffers / 200
    # ten times the profiles would take a hundred times as long, were the plan quadratic
    assert many.milliseconds <= 40 * few.milliseconds


@every_function
def test_one_profile_costs_no_more_than_its_share_and_a_little(function: str, large: Marketplace) -> None:
    assert large.cost(function, 1).buffers <= large.cost(function).buffers / BATCH * 3 + 20
