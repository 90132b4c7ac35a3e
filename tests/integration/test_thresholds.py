"""A tutor's own threshold of the reschedule rate: strictly above it is a high risk (scoring 7)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from caas_worker.db import Database
from caas_worker.thresholds import clear_threshold, set_threshold
from caas_worker.worker import Summary
from tests.people import Rows, add_client, add_listing, add_reschedule, add_session, add_tutor

HOUR = timedelta(hours=1)

Drain = Callable[..., Summary]


@pytest.fixture
def tutor(app: Rows, drain: Drain) -> UUID:
    """Who moved 3 of 20 sessions: 15.00 %."""
    tutor, now = add_tutor(app), datetime.now(UTC)
    listing, client = add_listing(app, tutor), add_client(app)
    for number in range(20):
        add = add_reschedule if number < 3 else add_session
        add(app, listing, client, now - (1 + number) * HOUR)
    drain()
    return tutor


def judgement(app: Rows, tutor: UUID) -> tuple[float, bool]:
    """The threshold, and whether the rate is above."""
    query = (
        "select (components ->> 'threshold')::float, (components ->> 'is_high_risk')::boolean from caas.tutor_scores "
        "where profile_id = %s and score_type = 'reschedule_risk'"
    )
    [(threshold, is_high_risk)] = app.execute(query, (tutor,)).fetchall()
    return threshold, is_high_risk


@pytest.mark.parametrize(
    ("threshold", "is_high_risk"), [(0, True), (14.99, True), (15, False), (15.01, False), (100, False)]
)
def test_a_rate_is_judged_by_the_tutors_own_threshold(
    app: Rows, db: Database, drain: Drain, tutor: UUID, threshold: float, is_high_risk: bool
) -> None:
    assert judgement(app, tutor) == (15, False)
    set_threshold(db, tutor, threshold, "ann")
    drain()
    assert judgement(app, tutor) == (threshold, is_high_risk)
    clear_threshold(db, tutor)
    drain()
    assert judgement(app, tutor) == (15, False)
