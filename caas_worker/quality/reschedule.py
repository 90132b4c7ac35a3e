"""The reschedule risk (scoring 7): how much of the last 7, 30 and 90 days the tutor moved."""

from typing import Any

from caas_worker.quality.model import WINDOWS, QualityScore, TutorSums
from caas_worker.quality.windows import percentage

VERSION = "reschedule-risk-v1"
LEAST_SESSIONS = 3
LOW_SAMPLE_BELOW = 5
HIGH_FROM = 20
MEDIUM_FROM = 10


def reschedule_risk(tutor: TutorSums) -> QualityScore:
    """The highest rate of a window that has enough sessions to judge by; 0.0 if none has."""
    components: dict[str, Any] = {}
    judging = []
    for window, days in WINDOWS.items():
        sums = tutor.windows[window]
        rate = percentage(sums.reschedules, sums.sessions) or 0.0
        components[f"reschedule_rate_{days}d"] = rate
        components[f"sessions_{days}d"] = int(sums.sessions)
        components[f"tutor_reschedules_{days}d"] = int(sums.reschedules)
        if sums.sessions >= LEAST_SESSIONS:
            judging.append(rate)
    highest = max(judging, default=0.0)
    components["is_high_risk"] = bool(judging) and highest > tutor.threshold
    components["threshold"] = tutor.threshold
    components["low_sample"] = tutor.windows["30day"].sessions < LOW_SAMPLE_BELOW
    return QualityScore("reschedule_risk", VERSION, highest, risk_level(highest), components)


def risk_level(rate: float) -> str:
    """What a rate in per cent means, whatever the tutor's threshold."""
    if rate >= HIGH_FROM:
        return "high"
    return "medium" if rate >= MEDIUM_FROM else "low"
