"""What a batch costs does not depend on how much the marketplace holds, nor grow faster than the batch.

Counted in shared buffers, which are the same on every machine, by EXPLAIN over the functions that a batch calls.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from tests.conftest import Databases
from tests.interleaving import Rows, blocks, one

KINDS = {
    **{
        function: strategy.name
        for strategy in (TutorStrategy, ClientStrategy, AgentStrategy)
        for function in strategy.statistics
    },
    "teaching_sums": "tutor",
    "digital_stats": "tutor",
    "profile_facts": "tutor",
}
"""Whose ids each function is called with."""

BATCH = 50
SESSIONS_PER_TUTOR = 20
SPREAD = 6 * BATCH
"""In a large table each profile lies on a page of its own, below two more levels of the index; most functions look it
up in two tables."""

PEOPLE = """
    insert into profiles (id, roles, identity_verified)
    select md5('tutor ' || t)::uuid, '{TUTOR}', true from generate_series(1, %(tutors)s) as t;
    insert into profiles (id, roles, identity_verified)
    select md5('agent ' || t)::uuid, '{AGENT}', true from generate_series(1, %(tutors)s) as t;
    insert into role_details (profile_id, role_type, degree_level, teaching_experience)
    select md5('tutor ' || t)::uuid, 'TUTOR', 'PHD', t %% 20 from generate_series(1, %(tutors)s) as t;
    insert into listings (id, profile_id)
    select md5('listing ' || t)::uuid, md5('tutor ' || t)::uuid from generate_series(1, %(tutors)s) as t;
    insert into bookings (listing_id, client_id, status, scheduled_start, scheduled_end)
    select
        md5('listing ' || t)::uuid, md5('client ' || 1 + (t + 13 * n) %% %(tutors)s)::uuid, 'Completed',
        now() - n * interval '10 days', now() - n * interval '10 days'
    from generate_series(1, %(sessions)s) as n cross join generate_series(1, %(tutors)s) as t;
    insert into profile_reviews (reviewer_id, reviewee_id, rating)
    select md5('client ' || n)::uuid, md5('tutor ' || t)::uuid, 1 + (t + n) %% 5
    from generate_series(1, 3) as n cross join generate_series(1, %(tutors)s) as t;
    insert into profile_reviews (reviewer_id, reviewee_id, rating)
    select md5('tutor ' || t)::uuid, md5('client ' || t)::uuid, 4 from generate_series(1, %(tutors)s) as t;
    insert into profile_graph (source_profile_id, target_profile_id, relationship_type, status)
    select md5('tutor ' || t)::uuid, md5('client ' || 1 + (t + 13 * n) %% %(tutors)s)::uuid, 'SOCIAL', 'ACTIVE'
    from generate_series(1, 2) as n cross join generate_series(1, %(tutors)s) as t;
    insert into profile_graph (source_profile_id, target_profile_id, relationship_type, status)
    select md5('agent ' || 1 + t %% (%(tutors)s / 2))::uuid, md5('tutor ' || t)::uuid, 'AGENT_REFERRAL', 'ACTIVE'
    from generate_series(1, %(tutors)s) as t;
    insert into student_integration_links (profile_id, integration_type)
    select md5('tutor ' || t)::uuid, 'GOOGLE_CALENDAR' from generate_series(1, %(tutors)s) as t;
    insert into platform_events (profile_id, event_type, occurred_at, metadata)
    select
        md5('client ' || t)::uuid, 'message_response', now() - n * interval '20 days', '{"response_time_minutes": 5}'
    from generate_series(1, 2) as n cross join generate_series(1, %(tutors)s) as t;
"""
"""As many clients and agents as tutors; half of the agents recruited two tutors each. Each one's sessions lie scattered
over the table, as they do in a marketplace that grew day by day."""

SCORES = """
    insert into caas.scores (
        profile_id, total_score, score_breakdown, score_inputs, calculation_version, gate_failed, calculated_at,
        source_changed_at, generation, next_due_at, swept
    )
    select gen_random_uuid(), 50, '{{}}', '{{}}', 'tutor-v5.9', false, now(), now(), n, {next_due_at}, {swept}
    from generate_series(1, {count}) as n
"""

MARKS = {
    "bookings": "'bookings', md5('tutor ' || t)::uuid, md5('listing ' || t)::uuid, null::uuid",
    "profiles": "'profiles', md5('tutor ' || t)::uuid, null, null",
    "recruits": "'recruits', null, null, md5('agent ' || t)::uuid",
}
"""Reason, profile_id, listing_id and agent_id of a mark about person t."""

ROUNDS = 6


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

    def ids(self, kind: str, batch: int) -> list[UUID]:
        """The ids of a batch, evenly spread."""
        query = "select md5(%s || ' ' || t)::uuid from generate_series(1, %s, %s) as t"
        return [row[0] for row in self._connection.execute(query, (kind, self.tutors, self.tutors // batch))][:batch]

    def cost(self, function: str, batch: int = BATCH, calls: int = 3) -> Cost:
        """The last of several calls in one session: the first ones plan and fill caches. The time is the shortest."""
        ids = self.ids(KINDS[function], batch)
        seen = [self._explain(function, ids) for _ in range(calls)]
        return Cost(seen[-1].rows, seen[-1].buffers, min(cost.milliseconds for cost in seen))

    def _explain(self, function: str, ids: list[UUID]) -> Cost:
        row = self._connection.execute(
            f"explain (analyze, buffers, format json) select * from caas.{function}(%s::uuid[])", (ids,)
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

    def cost_of_folds(self, *kinds: str, waiting_behind: int = 0) -> float:
        """Pages that a fold of a batch of marks touches, on the average of all but the first, which warms up."""
        app = self._connection
        app.execute("truncate caas.changes, caas.recalculation_queue")
        for round_ in range(ROUNDS):
            for kind in kinds:
                self._mark(kind, BATCH // len(kinds), first=1 + round_)
        if waiting_behind:
            for kind in kinds:
                self._mark(kind, waiting_behind // len(kinds))
        seen = [blocks(app, "select * from caas.fold(%s)", BATCH) for _ in range(ROUNDS)]
        assert one(app, "select count(*) from caas.changes") == waiting_behind
        return sum(seen[1:]) / (ROUNDS - 1)

    def _mark(self, kind: str, count: int, first: int = 1) -> None:
        """Marks of people who are evenly spread, once more from the beginning when all have had one."""
        self._connection.execute(
            "insert into caas.changes (reason, profile_id, listing_id, agent_id) "
            f"select {MARKS[kind]} from generate_series(1, %s) as n "
            "cross join lateral (select 1 + (%s + n * %s) %% %s) as people (t)",
            (count, first, max(self.tutors // count, 1), self.tutors),
        )


@contextlib.contextmanager
def indexes_later(app: Rows) -> Iterator[None]:
    """Without indexes but the keys' in the block: a million rows come several times as fast."""
    dropped = app.execute(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index "
        "where indrelid::regclass::text in ('bookings', 'profile_reviews', 'profile_graph', 'platform_events') "
        "and not indisunique"
    ).fetchall()
    app.execute(f"drop index {', '.join(name for name, _ in dropped)}".encode())
    yield
    for _, definition in dropped:
        app.execute(definition)


@pytest.fixture(scope="module")
def marketplace_of(databases: Databases, template: str) -> Iterator[Callable[[int], Marketplace]]:
    """Makes marketplaces by their number of tutors, not yet analyzed; the triggers and foreign keys sleep meanwhile."""
    made: list[tuple[str, psycopg.Connection[Any]]] = []

    def make(tutors: int) -> Marketplace:
        conninfo = databases.create(template)
        connection = psycopg.connect(conninfo, autocommit=True)
        made.append((conninfo, connection))
        connection.execute("set session_replication_role = replica")
        with indexes_later(connection):
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
    """1,000,000 sessions, and what a batch cost before the server had statistics of them."""
    marketplace = marketplace_of(50_000)
    return marketplace, {function: marketplace.cost(function) for function in KINDS}


@pytest.fixture(scope="module")
def large(unanalyzed: tuple[Marketplace, dict[str, Cost]]) -> Marketplace:
    """1,000,000 sessions."""
    marketplace, _ = unanalyzed
    marketplace.analyze()
    return marketplace


every_function = pytest.mark.parametrize("function", KINDS)


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


@pytest.mark.parametrize("kind", MARKS)
def test_a_fold_costs_the_same_in_a_large_marketplace_as_in_a_small_one(
    kind: str, small: Marketplace, large: Marketplace
) -> None:
    assert large.cost_of_folds(kind) <= 1.5 * small.cost_of_folds(kind)


def test_a_fold_costs_the_same_with_a_million_marks_waiting_behind(large: Marketplace) -> None:
    alone = large.cost_of_folds("bookings", "profiles")
    assert large.cost_of_folds("bookings", "profiles", waiting_behind=1_000_000) <= 1.2 * alone


def test_a_sweep_costs_the_same_whatever_is_scored_and_whatever_was_swept(app: Rows) -> None:
    def cost_of_sweeps(due_later: int, swept: int) -> float:
        app.execute("truncate caas.scores, caas.changes")
        for count, next_due_at, is_swept in (
            (swept, "now() - interval '1 y'", True),
            (due_later, "now() + n * interval '1 min'", False),
            (ROUNDS * 100, "now() - interval '1 d'", False),
        ):
            app.execute(SCORES.format(count=count, next_due_at=next_due_at, swept=is_swept).encode())
        app.execute("vacuum analyze caas.scores")
        seen = [blocks(app, "select caas.sweep(%s)", 100) for _ in range(ROUNDS)]
        assert one(app, "select count(*) from caas.changes") == ROUNDS * 100
        return sum(seen[1:]) / (ROUNDS - 1)

    few, many = cost_of_sweeps(900, 100), cost_of_sweeps(700_000, 300_000)
    assert many <= 2 * few
