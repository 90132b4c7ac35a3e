"""What the quality rules take and what they give: frozen values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

WINDOWS = {"7day": 7, "30day": 30, "90day": 90}
"""Days of each window, all ending today."""

DEFAULT_THRESHOLD = 15.0
NO_DECIMALS_FROM = 1e15


def round_half_up(value: float, decimals: int = 0) -> float:
    """Halves up, after nine more decimals were taken for noise: 57.49999999999999 is 58 (scoring, conventions)."""
    if abs(value) >= NO_DECIMALS_FROM:
        return value
    scale: int = 10**decimals
    return math.floor(round(value * scale, 9) + 0.5) / scale


@dataclass(frozen=True, slots=True)
class WindowSums:
    """What the sessions and events of a window add up to, in the order of the array that SQL returns."""

    sessions: float
    completed: float
    reschedules: float
    """By the tutor."""
    no_shows: float
    """The tutor's."""
    started: float
    """Completed sessions whose start is known."""
    on_time: float
    """Of those, begun at most ten minutes late."""
    ratings: float
    rating_sum: float
    first_ratings: float
    """Ratings of sessions numbered 1."""
    first_ratings_good: float
    """Of those, 4 and above."""
    engagement_count: float
    engagement_sum: float
    """0 to 1 each."""
    objectives_answered: float
    objectives_met: float
    logins: float
    responses: float
    response_minutes: float


@dataclass(frozen=True, slots=True)
class SessionQuality:
    """The quality of one session (SQS, scoring 6) and the points that were taken off for it."""

    value: float
    late: float
    short: float
    tech: float


@dataclass(frozen=True, slots=True)
class TutorSums:
    """What the scores of one tutor are made from."""

    profile_id: UUID
    today: date
    first_day: date | None
    """The day of the first session ever; None: there was none."""
    windows: Mapping[str, WindowSums]
    """By the names in WINDOWS."""
    completed_by_day: Sequence[int]
    """Of the last 14 days, today first."""
    lateness_by_day: Sequence[float | None]
    """Mean minutes late on each of the last 7 days, today first; None where nobody knows of any start."""
    threshold: float = DEFAULT_THRESHOLD
    """Per cent: a reschedule rate above it is a high risk."""
    newest_sqs: Sequence[SessionQuality] = ()
    """Newest first, at most 5."""


@dataclass(frozen=True, slots=True)
class QualityScore:
    """A computed score of a tutor or a session."""

    score_type: str
    version: str
    value: float | None
    """None: too little is known for one."""
    level: str | None
    components: Mapping[str, Any]
    """Inputs and points by name, not rounded."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """A window's metrics (scoring 3); rates in per cent, None without anything to judge by."""

    sessions_completed: int
    avg_rating: float | None
    first_session_success_rate: float | None
    reschedule_rate: float | None
    no_show_count: int
    engagement_score: float | None
    learning_objectives_met_pct: float | None
    response_time_avg_minutes: float | None
    performance_tier: str | None
    green: int
    red: int
    flags: Mapping[str, str]
    """By metric, green or red; what is neither stands nowhere."""
