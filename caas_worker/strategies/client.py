"""The client rule, version 1.0 (scoring 1.3): the sum of three buckets, over the last six months."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from caas_worker.model import Profile, Score, Stats
from caas_worker.strategies.base import Component, is_blank, round_half_up

LONG_BIO_CHARACTERS = 50
MINUTES_OF_A_DAY = 24 * 60


class ClientStrategy:
    """Three buckets: reliability 50, reviews 30, engagement 20."""

    name: ClassVar[str] = "client"
    role: ClassVar[str] = "CLIENT"
    precedence: ClassVar[int] = 20
    version: ClassVar[str] = "client-v1.0"
    statistics: ClassVar[tuple[str, ...]] = ("client_stats",)

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        """The score of a verified client at `now`."""
        del now
        known = dict(stats["client_stats"])
        next_due_at, unforeseen = known.pop("next_due_at"), known.pop("unforeseen_responses")
        known["long_bio"] = has_long_bio(profile)
        known["avatar"] = not is_blank(profile.avatar_url)
        breakdown: dict[str, float | bool] = {
            "reliability": reliability(known),
            "reviews": reviews(known),
            "engagement": 5 * known["long_bio"] + 5 * known["avatar"] + answering(known["median_response_minutes"]),
        }
        total = round_half_up(sum(breakdown.values()))
        if known["settled_bookings"] == 0:
            breakdown["provisional"] = True
        inputs: dict[str, Any] = known | {"identity_verified": True}
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

    def explain(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Sequence[Component]:
        """What the points of a verified client come from, in words."""
        from caas_worker.strategies import client_words

        del now
        return client_words.components(profile, stats["client_stats"])


def reliability(known: Stats) -> int:
    """Attendance 25, no cancellations 15, payments 10, rounded by themselves; 50 while no booking is settled."""
    if known["settled_bookings"] == 0:
        return 50
    attendance, cancellation, payment = parts_of_reliability(known)
    return round_half_up(attendance + cancellation + payment)


def parts_of_reliability(known: Stats) -> tuple[float, float, float]:
    """Attendance, no cancellations and payments of the settled bookings, not rounded."""
    settled, payable = known["settled_bookings"], known["payable_bookings"]
    return (
        known["attended_bookings"] / settled * 25,
        (1 - known["cancelled_bookings"] / settled) * 15,
        (known["paid_bookings"] / payable if payable else 1) * 10,
    )


def reviews(known: Stats) -> float:
    """The mean rating received; 0 without any."""
    mean: float = known["avg_rating"]
    return mean / 5 * 30


def has_long_bio(profile: Profile) -> bool:
    """A bio that is not blank, and longer than fifty characters."""
    return len(profile.bio or "") > LONG_BIO_CHARACTERS and not is_blank(profile.bio)


def answering(median_minutes: float | None) -> float:
    """10 for an answer at once, falling to 0 for one after a day; 0 without data."""
    return 0 if median_minutes is None else 10 * max(0.0, 1 - median_minutes / MINUTES_OF_A_DAY)
