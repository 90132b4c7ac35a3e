"""The tutor health score (scoring 4): 7 days, 0 to 100, higher is better."""

from collections.abc import Sequence

from caas_worker.quality.model import QualityScore, TutorSums, WindowSums, round_half_up

VERSION = "ths-v1"
HIGH_RISK_BELOW = 55
MONITOR_BELOW = 75
NEWEST_DAYS = 3
MINUTES_OF_FULL_PENALTY = 15


def ths(tutor: TutorSums) -> QualityScore:
    """The score of the 7 days that end today; none without a session that was held, moved or missed by the tutor."""
    week = tutor.windows["7day"]
    sessions = appointments(week)
    minutes = weighted_lateness(tutor.lateness_by_day)
    penalties = {
        "reschedule_penalty": 40 * week.reschedules / sessions if sessions else 0.0,
        "no_show_penalty": 30 * week.no_shows / sessions if sessions else 0.0,
        "lateness_penalty": 30 * min(1, minutes / MINUTES_OF_FULL_PENALTY),
    }
    clause = reliability_clause(week)
    value = round_half_up(max(0, 100 - sum(penalties.values())), 2) if sessions else None
    return QualityScore(
        score_type="ths",
        version=VERSION,
        value=value,
        level=None if value is None else level(value, clause),
        components={
            "sessions": int(sessions),
            "sessions_completed": int(week.completed),
            "reschedules_tutor_initiated": int(week.reschedules),
            "no_shows": int(week.no_shows),
            "lateness_by_day": list(tutor.lateness_by_day),
            "weighted_lateness_minutes": minutes,
            **penalties,
            "reliability_clause": clause,
        },
    )


def reliability_clause(week: WindowSums) -> str | None:
    """The clause of scoring 8 that holds, "no_shows" before "reschedules": so many, and half the sessions."""
    sessions = appointments(week)
    if week.no_shows >= 2 and 2 * week.no_shows >= sessions:
        return "no_shows"
    if week.reschedules >= 3 and 2 * week.reschedules >= sessions:
        return "reschedules"
    return None


def appointments(week: WindowSums) -> float:
    """Sessions that the tutor held, moved or missed: what students moved or missed is not the tutor's."""
    return week.completed + week.reschedules + week.no_shows


def weighted_lateness(lateness_by_day: Sequence[float | None]) -> float:
    """Minutes: the 3 newest days that have any weigh 0.6, the older ones 0.4; one group alone is all."""
    known = [minutes for minutes in lateness_by_day if minutes is not None]
    newest, older = known[:NEWEST_DAYS], known[NEWEST_DAYS:]
    if not newest:
        return 0.0
    if not older:
        return mean(newest)
    return 0.6 * mean(newest) + 0.4 * mean(older)


def mean(minutes: Sequence[float]) -> float:
    """Of at least one day."""
    return sum(minutes) / len(minutes)


def level(value: float, clause: str | None) -> str:
    """What a score means, given the clause that holds."""
    if value < HIGH_RISK_BELOW or clause:
        return "high_risk"
    return "monitor" if value < MONITOR_BELOW else "stable"
