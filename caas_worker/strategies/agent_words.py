"""The agent rule in words (scoring 1.4). The points are those of the rule's own functions."""

from collections.abc import Sequence
from datetime import datetime

from caas_worker.model import Profile, Stats
from caas_worker.strategies import agent
from caas_worker.strategies.base import Change, Component
from caas_worker.strategies.words import component, count, dbs, identity, number, percent

[AGENT] = agent.AgentStrategy.statistics
ALL_SESSIONS = 10**agent.SESSIONS_FOR_ALL_POINTS_LOG10 - 1
FIRST_A_RECRUIT = "Team quality and business need recruits: tutors whom the agent referred."


def components(profile: Profile, team: Stats, now: datetime) -> Sequence[Component]:
    """Every component of a verified agent's score, bucket by bucket."""
    return [
        _team_score(team),
        *_business(team),
        *_growth(team),
        identity("standards"),
        dbs("standards", profile, now),
        _business_verified(profile),
    ]


def _team_score(team: Stats) -> Component:
    recruits, mean = team["recruits"], team["team_score"]
    points = agent.team_quality(team)
    if mean is None:
        because = "No recruit has a score yet." if recruits else "There is no recruit."
    else:
        scored = team["scored_recruits"]
        because = f"The mean score of {count(scored, 'recruit')} with a score is {number(mean)}."
    raises = Change(
        "Help recruits to better scores: 0.35 raw points for each point of their mean, "
        f"{number(35 - points)} up to 100.",
        stats={AGENT: {"team_score": 100.0, "scored_recruits": max(team["scored_recruits"], 1)}},
    )
    return component(
        "team_quality",
        "team score",
        points,
        35,
        "Mean published score of the recruits that have one ÷ 100, times 35.",
        because,
        raises if recruits else None,
        "The scores of recruits who are not verified count as the 0 that they are." if recruits else FIRST_A_RECRUIT,
    )


def _business(team: Stats) -> list[Component]:
    held, average, rate = team["team_sessions"], team["team_rating"], team["team_retention"]
    sessions, rating, retention = agent.parts_of_business(team)
    raises = [
        Change(
            f"Have recruits teach more: {number(10 / 3)} raw points for ten times as many sessions, "
            f"{number(10 - sessions)} for {number(ALL_SESSIONS)} in all.",
            stats={AGENT: {"team_sessions": ALL_SESSIONS}},
        ),
        Change(
            "Have recruits earn better reviews: 0.2 raw points for each tenth of a star, "
            f"{number(10 - rating)} for an average of 5.",
            stats={AGENT: {"team_rating": 5.0}},
        ),
        Change(
            "Have the recruits' clients book again: 0.1 raw points for each percent of them, "
            f"{number(10 - retention)} when all do.",
            stats={AGENT: {"team_retention": 1.0}},
        ),
    ]
    has_recruits = bool(team["recruits"])
    return [
        component(
            "business",
            "sessions",
            sessions,
            10,
            f"10 times log10(recruits' paid sessions + 1) ÷ {agent.SESSIONS_FOR_ALL_POINTS_LOG10}; 10 at most.",
            f"{count(held, 'paid session')} completed by the recruits.".capitalize(),
            raises[0] if has_recruits else None,
        ),
        component(
            "business",
            "rating",
            rating,
            10,
            "Average of all the recruits' ratings ÷ 5, times 10.",
            f"{number(average)} of 5 over all reviews of the recruits." if average else "No recruit was reviewed yet.",
            raises[1] if has_recruits else None,
        ),
        component(
            "business",
            "retention",
            retention,
            10,
            "The recruits' clients with more than one completed paid session ÷ their clients with any, times 10.",
            f"{percent(rate)} of the recruits' clients booked again."
            if rate
            else "No client of a recruit booked again.",
            raises[2] if held else None,
        ),
    ]


def _growth(team: Stats) -> list[Component]:
    recruits, recent = team["recruits"], team["recent_recruits"]
    size, of_late = agent.parts_of_growth(team)

    def with_recruits(more: int) -> dict[str, dict[str, int]]:
        return {AGENT: {"recruits": recruits + more, "recent_recruits": recent + more}}

    return [
        component(
            "growth",
            "size",
            size,
            12,
            "1.2 for each recruit, 12 at most.",
            f"{count(recruits, 'recruit')}.".capitalize(),
            Change(_recruiting(10 - recruits, 12 - size), stats=with_recruits(10 - recruits)),
        ),
        component(
            "growth",
            "recent",
            of_late,
            8,
            "2 for each recruit gained less than 90 days ago, 8 at most.",
            f"{count(recent, 'recruit')} gained less than 90 days ago.".capitalize(),
            Change(_recruiting(4 - recent, 8 - of_late), stats=with_recruits(4 - recent)),
            "A recruit is recent for 90 days and counts for the size only afterwards." if recent else None,
        ),
    ]


def _recruiting(more: int, points: float) -> str:
    return (
        f"Refer {count(more, 'more tutor')}: {count(points, 'raw point')} here. They count for size and, for "
        "90 days, as recent; how they change the team's means is left out."
    )


def _business_verified(profile: Profile) -> Component:
    verified = profile.business_verified
    return component(
        "standards",
        "business",
        5 * verified,
        5,
        "5 for a verified business.",
        "The business is verified." if verified else "The business is not verified.",
        Change("Have the business verified: 5 raw points.", profile={"business_verified": True}),
    )
