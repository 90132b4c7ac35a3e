"""The order of the risk list (scoring 10)."""

from caas_worker.quality.model import round_half_up

FSRS_IF_NONE = 30
THS_IF_NONE = 65
TCRS_IF_NONE = 0.4
POINTS_PER_ALERT = 20


def risk_order(fsrs: float | None, ths: float | None, tcrs: float | None, active_alerts: int) -> float:
    """How far up the list a tutor belongs: higher is first. 2 decimals, so that equal risks are equal."""
    first_session = FSRS_IF_NONE if fsrs is None else fsrs
    health = THS_IF_NONE if ths is None else ths
    churn = TCRS_IF_NONE if tcrs is None else tcrs
    return round_half_up(first_session + (100 - health) + churn * 100 + POINTS_PER_ALERT * active_alerts, 2)
