"""A window's metrics, their flags and the tier that follows (scoring 3)."""

from caas_worker.quality.model import Metrics, WindowSums, round_half_up

GREEN_FROM_RED_BELOW = {
    "avg_rating": (4.5, 3.5),
    "first_session_success_rate": (85, 70),
    "engagement_score": (80, 60),
    "learning_objectives_met_pct": (90, 80),
}


def metrics(sums: WindowSums) -> Metrics:
    """The metrics of a window from its sums."""
    rates = {
        "avg_rating": mean(sums.rating_sum, sums.ratings),
        "first_session_success_rate": percentage(sums.first_ratings_good, sums.first_ratings),
        "reschedule_rate": percentage(sums.reschedules, sums.sessions),
        "engagement_score": engagement(sums),
        "learning_objectives_met_pct": percentage(sums.objectives_met, sums.objectives_answered),
    }
    no_show = no_show_flag(sums)
    flags = {name: flag for name, rate in rates.items() if rate is not None and (flag := rate_flag(name, rate))}
    if no_show:
        flags["no_show_count"] = no_show
    green, red = (list(flags.values()).count(colour) for colour in ("green", "red"))
    return Metrics(
        sessions_completed=int(sums.completed),
        no_show_count=int(sums.no_shows),
        response_time_avg_minutes=mean(sums.response_minutes, sums.responses),
        performance_tier=tier(green, red) if sums.sessions else None,
        green=green,
        red=red,
        flags=flags,
        **rates,
    )


def mean(total: float, count: float) -> float | None:
    """With 2 decimals; None of nothing."""
    return round_half_up(total / count, 2) if count else None


def percentage(part: float, whole: float) -> float | None:
    """With 2 decimals; None of nothing."""
    return mean(100 * part, whole)


def engagement(sums: WindowSums) -> float | None:
    """Log-ins 0.4, engagement in sessions 0.4, sessions begun on time 0.2; 0 to 100."""
    if not sums.sessions:
        return None
    login = min(100 * sums.logins / sums.sessions, 100)
    session = 100 * sums.engagement_sum / sums.engagement_count if sums.engagement_count else 50
    on_time = 100 * sums.on_time / sums.started if sums.started else 0
    return round_half_up(0.4 * login + 0.4 * session + 0.2 * on_time, 2)


def rate_flag(name: str, rate: float) -> str | None:
    """The colour of a metric other than the no-shows."""
    if name == "reschedule_rate":
        return "green" if rate <= 10 else "red" if rate > 15 else None
    green_from, red_below = GREEN_FROM_RED_BELOW[name]
    return "green" if rate >= green_from else "red" if rate < red_below else None


def no_show_flag(sums: WindowSums) -> str | None:
    """Green: none. Red: more than 3, or more than 5 % of at least 20 sessions."""
    if not sums.no_shows:
        return "green"
    many = sums.no_shows > 3 or (sums.sessions >= 20 and 100 * sums.no_shows > 5 * sums.sessions)
    return "red" if many else None


def tier(green: int, red: int) -> str:
    """The first that fits."""
    if green >= 5 and not red:
        return "Exemplary"
    if red >= 3:
        return "At Risk"
    if red:
        return "Needs Attention"
    return "Strong" if green >= 3 else "Developing"
