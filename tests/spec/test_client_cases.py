"""Every client case of cases/credibility.json, from the application's writes to the cached score."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.people import Rows, add_client, add_profile
from tests.spec.cases import CASES
from tests.spec.conftest import Published
from tests.spec.rows import book

BOOKINGS = 20


@pytest.mark.parametrize("case", CASES["client_reliability"], ids=str)
def test_reliability_earns_the_points_of_the_case(app: Rows, published: Published, case: dict[str, Any]) -> None:
    attended, cancelled = (round(case[share] * BOOKINGS) for share in ("attendance", "cancelled"))
    client = client_who_booked(
        app,
        f"{attended} Completed + paid, {cancelled} Cancelled + cancelled by client + paid, "
        f"{BOOKINGS - attended - cancelled} No-show + missed by client + paid",
    )
    score = published(client)
    known = score["score_inputs"]
    assert known["settled_bookings"] == known["payable_bookings"] == BOOKINGS
    assert known["attended_bookings"] / BOOKINGS == case["attendance"]
    assert known["cancelled_bookings"] / BOOKINGS == case["cancelled"]
    assert known["paid_bookings"] / BOOKINGS == case["paid"]
    assert score["score_breakdown"]["reliability"] == case["points"]


def client_who_booked(app: Rows, bookings: str) -> UUID:
    client = add_client(app)
    book(app, client, bookings)
    return client


STORIES: dict[str, Callable[[Rows], UUID]] = {
    "new verified client, nothing else": add_client,
    "20 settled paid bookings: 19 attended, 1 client no-show, none cancelled, all 20 paid, no reviews, empty profile": (
        lambda app: client_who_booked(app, "19 Completed + paid, 1 No-show + missed by client + paid")
    ),
    "one attended free session, nothing else": lambda app: client_who_booked(app, "1 Completed + free"),
    "the only booking cancelled by the tutor": (
        lambda app: client_who_booked(app, "1 Cancelled + cancelled by tutor + refunded")
    ),
    "not identity verified": lambda app: add_profile(app, "CLIENT", identity_verified=False),
}


@pytest.mark.parametrize("case", CASES["client_totals"], ids=lambda case: case["story"])
def test_story_ends_with_its_total(app: Rows, published: Published, case: dict[str, Any]) -> None:
    score = published(STORIES[case["story"]](app))
    assert score["total_score"] == case["total"]
    assert score["gate_failed"] is case.get("gate_failed", False)
    assert (score["role_type"], score["calculation_version"]) == ("CLIENT", "client-v1.0")
