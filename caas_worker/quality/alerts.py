"""When alerts are raised and when they resolve (scoring 8)."""

from collections.abc import Mapping

from caas_worker.quality.model import QualityScore

SCORE_BEHIND = {"high_reliability_risk": "ths", "churn_risk": "tcrs"}
FIGURES = {"high_reliability_risk": ("sessions", "no_shows", "reschedules_tutor_initiated"), "churn_risk": ()}
"""Components that tell cases with the same score apart: a week of two missed sessions and one of five have THS 70."""


def conditions(ths: QualityScore, tcrs: QualityScore) -> Mapping[str, bool | None]:
    """By alert type: True raises, False resolves, None leaves it as it is, for want of a fresh score."""
    scores = {score.score_type: score for score in (ths, tcrs)}
    return {alert: is_high_risk(scores[behind]) for alert, behind in SCORE_BEHIND.items()}


def is_high_risk(score: QualityScore) -> bool | None:
    """Whether the level is the one that alerts are for: it already looks at the clauses and at the days behind."""
    if score.value is None or score.level == "insufficient_data":
        return None
    return score.level == "high_risk"
