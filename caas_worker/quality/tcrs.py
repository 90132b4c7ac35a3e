"""The tutor churn risk score (scoring 5): 14 days, 0 to 1, higher is worse."""

import math
from collections.abc import Sequence

from caas_worker.quality.model import QualityScore, TutorSums, round_half_up

VERSION = "tcrs-v1"
WINDOW_DAYS = 14
LEAST_DAYS = 7
LEAST_DAYS_OF_A_TREND = 4
HIGH_RISK_FROM = 0.6
MONITOR_FROM = 0.3


def tcrs(tutor: TutorSums) -> QualityScore:
    """The score of the days since the first session ever, of the last 14; none without such a session."""
    days = days_taught(tutor)
    if days == 0:
        return QualityScore("tcrs", VERSION, None, None, {"days": 0})
    counts = tutor.completed_by_day[:days]
    average = sum(counts) / days
    deviation = standard_deviation(counts)
    consistency = 1 / (1 + deviation / average) if average else 0.0
    change = difference(counts)
    name, trend_points = trend(change, consistency)
    points = {
        "activity_points": 0.5 * max(0, 1 - average / 2),
        "inconsistency_points": 0.45 * (1 - consistency),
        "trend_points": trend_points,
        "little_data_points": 0.15 * (WINDOW_DAYS - days) / WINDOW_DAYS,
    }
    value = round_half_up(min(1, max(0, sum(points.values()))), 3)
    return QualityScore(
        score_type="tcrs",
        version=VERSION,
        value=value,
        level=level(value, days),
        components={
            **points,
            "days": days,
            "sessions_completed": sum(counts),
            "average": average,
            "standard_deviation": deviation,
            "consistency": consistency,
            "trend": name,
            "trend_difference": change,
        },
    )


def days_taught(tutor: TutorSums) -> int:
    """Days from the first session ever until today, at most 14."""
    if tutor.first_day is None:
        return 0
    return min(WINDOW_DAYS, max(0, (tutor.today - tutor.first_day).days + 1))


def standard_deviation(counts: Sequence[int]) -> float:
    """With 14 days from the mean of the same weekday's two counts: who teaches every Saturday is steady."""
    days = len(counts)
    if days == WINDOW_DAYS:
        usual = [(counts[day % 7] + counts[day % 7 + 7]) / 2 for day in range(days)]
    else:
        usual = [sum(counts) / days] * days
    return math.sqrt(sum((count - expected) ** 2 for count, expected in zip(counts, usual, strict=True)) / days)


def difference(counts: Sequence[int]) -> float | None:
    """Mean of the newer half less that of the older, the day in the middle in neither; None with few days."""
    if len(counts) < LEAST_DAYS_OF_A_TREND:
        return None
    half = len(counts) // 2
    return (sum(counts[:half]) - sum(counts[-half:])) / half


def trend(change: float | None, consistency: float) -> tuple[str | None, float]:
    """Its name and points; an improvement that is not consistent earns nothing."""
    if change is None:
        return None, 0.0
    if change < -0.5:
        return "declining", 0.4
    if change > 0.5:
        return "improving", -0.2 if round(consistency, 9) > 0.5 else 0.0
    return "stable", 0.0


def level(value: float, days: int) -> str:
    """What a score means that so many days stand behind."""
    if days < LEAST_DAYS:
        return "insufficient_data"
    if value >= HIGH_RISK_FROM:
        return "high_risk"
    return "monitor" if value >= MONITOR_FROM else "stable"
