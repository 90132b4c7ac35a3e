"""The client rule, version 1.0 (scoring 1.3): the sum of three buckets, over the last six months."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from caas_worker.model import Profile, Score, Stats
from caas_worker.strategies.base import is_blank, round_half_up

LONG_BIO_CHARACTERS = 50
MINUTES_OF_A_DAY = 24 * 60


class ClientStrategy:
    """Three buckets: reliability 50, reviews 30, engagement 20."""

    name: ClassVar[str] = "client"
    role: ClassVar[str] = "CLIENT"
    precedence: ClassVar[int] = 20
    version: ClassVar[str] = "client-v1.0"
    statistics: ClassVar[tuple[str, ...]] = ("caas_client_stats",)

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        """The score of a verified client at `now`."""
        del now
        known = dict(stats["caas_client_stats"])
        next_due_at, unforeseen = known.pop("next_due_at"), known.pop("unforeseen_responses")
        known["long_bio"] = not is_blank(profile.bio) and len(profile.bio or "") > LONG_BIO_CHARACTERS
        known["avatar"] = not is_blank(profile.avatar_url)
        breakdown: dict[str, float | bool] = {
            "reliability": reliability(known),
            "reviews": known["avg_rating"] / 5 * 30,
            "engagement": 5 * known["long_bio"] + 5 * known["avatar"] + answering(known["median_response_minutes"]),
        }
        total = round_half_up(sum(breakdown.values()))
        if known["settled_bookings"] == 0:
            breakdown["provisional"] = True
        inputs: dict[str, Any] = {**known, "identity_verified": True}
        if unforeseen:
            inputs["unforeseen"] = ["platform_events.metadata.response_time_minutes"]
        return Score(
            role_type=self.role,
            version=self.version,
            total=total,
            breakdown=breakdown,
            inputs=inputs,
            next_due_at=next_due_at,
        )


def reliability(known: Stats) -> int:
    """Attendance 25, no cancellations 15, payments 10, rounded by themselves; 50 while no booking is settled."""
    settled, payable = known["settled_bookings"], known["payable_bookings"]
    if settled == 0:
        return 50
    attendance = known["attended_bookings"] / settled * 25
    cancellation = (1 - known["cancelled_bookings"] / settled) * 15
    payment = (known["paid_bookings"] / payable if payable else 1) * 10
    return round_half_up(attendance + cancellation + payment)


def answering(median_minutes: float | None) -> float:
    """10 for an answer at once, falling to 0 for one after a day; 0 without data."""
    return 0 if median_minutes is None else 10 * max(0.0, 1 - median_minutes / MINUTES_OF_A_DAY)
