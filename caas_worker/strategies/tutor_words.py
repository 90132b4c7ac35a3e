"""The tutor rule in words (scoring 1.1). The points are those of the rule's own functions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from caas_worker.model import Profile, RoleDetails, Stats
from caas_worker.strategies import tutor
from caas_worker.strategies.base import Change, Component, is_blank
from caas_worker.strategies.words import component, count, dbs, identity, number, percent

PERFORMANCE, NETWORK, LINKS = tutor.TutorStrategy.statistics
ROLE = tutor.TutorStrategy.role
VIDEO = "https://example.org/video"


def components(
    strategy: tutor.TutorStrategy, profile: Profile, stats: Mapping[str, Stats], now: datetime
) -> Sequence[Component]:
    """Every component of a verified tutor's score, bucket by bucket."""
    taught, known = stats[PERFORMANCE], stats[NETWORK]
    if taught["completed_sessions"] == 0:
        first_session = {**stats, PERFORMANCE: {**taught, "completed_sessions": 1}}
        before, after = (strategy.score(profile, each, now).total for each in (stats, first_session))
        performance = [_provisional(before, after)]
    else:
        performance = [_rating(taught), _retention(taught)]
    return [
        *performance,
        *_qualifications(profile.role_details.get(ROLE, RoleDetails()), profile),
        _referrals(known),
        _bonus(known),
        identity("safety"),
        dbs("safety", profile, now),
        _tools(stats[LINKS]),
        _engagement(taught, profile),
        _availability(profile),
        _delivery(taught),
    ]


def _provisional(before: int, after: int) -> Component:
    return component(
        "performance",
        "provisional",
        30,
        30,
        "30 while no paid session is completed, in place of rating and retention.",
        "No paid session is completed yet.",
        note="The 30 points for performance are provisional. The first completed paid session ends them for good, and "
        "rating and retention take their place: 0 for a tutor whom nobody has reviewed and whose one client cannot "
        f"have booked again yet. That session alone would take the total from {before} to {after}. This is how the "
        "published rule works, not an error. A first review of 5 stars then brings 15 raw points, and clients who "
        "book again bring up to 15 more.",
    )


def _rating(taught: Stats) -> Component:
    average = taught["avg_rating"]
    return component(
        "performance",
        "rating",
        tutor.rating(taught),
        15,
        "Average rating ÷ 5, times 15.",
        f"{number(average)} of 5 over the reviews." if average else "No review yet.",
        Change(
            "Earn better reviews: 0.3 raw points for each tenth of a star, "
            f"{number(15 - tutor.rating(taught))} for an average of 5.",
            stats={PERFORMANCE: {"avg_rating": 5.0}},
        ),
        None if average else _after_the_first("no review takes their place yet"),
    )


def _retention(taught: Stats) -> Component:
    rate = taught["retention_rate"]
    return component(
        "performance",
        "retention",
        tutor.retention(taught),
        15,
        "Clients with more than one completed paid session ÷ all clients with any, times 15.",
        f"{percent(rate)} of the clients booked again." if rate else "No client has completed a second session yet.",
        Change(
            "Have clients book again: 0.15 raw points for each percent of them, "
            f"{number(15 - tutor.retention(taught))} when all do.",
            stats={PERFORMANCE: {"retention_rate": 1.0}},
        ),
        None if rate else _after_the_first("no client has completed a second one yet"),
    )


def _after_the_first(missing: str) -> str:
    return f"The 30 provisional points of a new tutor ended with the first completed paid session; {missing}."


def _qualifications(details: RoleDetails, profile: Profile) -> list[Component]:
    names, degree, unforeseen = tutor.qualifications(details)
    years = details.teaching_experience

    def recorded(**fields: Any) -> dict[str, Any]:
        return {"role_details": {**profile.role_details, ROLE: replace(details, **fields)}}

    spoilt = " Part of what is stored could not be read." if unforeseen else ""
    return [
        component(
            "qualifications",
            "degree",
            10 * (degree in tutor.DEGREES),
            10,
            f"10 for {_either(sorted(tutor.DEGREES))}, whichever it is.",
            f"The degree is {degree}." if degree else f"No degree is recorded.{spoilt}",
            Change(
                f"Record {_either(sorted(tutor.DEGREES))} as the degree: 10 raw points.",
                recorded(degree_level="BACHELORS"),
            ),
        ),
        component(
            "qualifications",
            "QTS",
            10 * ("QTS" in names),
            10,
            "10 if QTS is among the qualifications; PGCE alone adds nothing.",
            f"Recorded: {', '.join(sorted(names))}." if names else f"No qualification is recorded.{spoilt}",
            Change(
                "Record the qualification QTS: 10 raw points.",
                recorded(qualifications=_with_qts(details.qualifications)),
            ),
        ),
        component(
            "qualifications",
            "veteran",
            10 * ((years or 0) >= tutor.VETERAN_YEARS),
            10,
            f"10 for {tutor.VETERAN_YEARS} years of teaching or more.",
            "No teaching experience is recorded." if years is None else f"{count(years, 'year')} of teaching.",
            Change(
                f"Reach {tutor.VETERAN_YEARS} years of teaching, or record them: 10 raw points.",
                recorded(teaching_experience=tutor.VETERAN_YEARS),
            ),
        ),
    ]


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _with_qts(stored: Any) -> Any:
    """The qualifications in the shape they are stored in, with QTS among them."""
    listed = stored.get("certifications") if isinstance(stored, dict) else stored
    names = [*(listed if isinstance(listed, list) else ()), "QTS"]
    return {**stored, "certifications": names} if isinstance(stored, dict) else names


def _referrals(known: Stats) -> Component:
    referred = int(known["referral_count"])
    missing = 3 - referred
    return component(
        "network",
        "referrals",
        tutor.referrals(known),
        12,
        "4 for each person referred, 12 at most.",
        f"{count(referred, 'referral')} made.".capitalize(),
        Change(
            f"Refer {count(missing, 'more person', 'more people')}: 4 raw points each, {4 * missing} in all.",
            stats={NETWORK: {"referral_count": 3}},
        ),
    )


def _bonus(known: Stats) -> Component:
    connections = count(known["connection_count"], "connection")
    agent = "referred by an agent" if known["is_agent_referred"] else "not referred by an agent"
    return component(
        "network",
        "bonus",
        8 * tutor.is_connected(known),
        8,
        "8 for more than 10 connections or for having been referred by an agent; once, not twice.",
        f"{connections}, {agent}.".capitalize(),
        Change(
            f"Make {11 - known['connection_count']} more connections, 11 in all: 8 raw points.",
            stats={NETWORK: {"connection_count": 11}},
        ),
    )


def _tools(tools: Stats) -> Component:
    named = {"google_calendar_synced": "Google Calendar", "google_classroom_synced": "Google Classroom"}
    connected = [name for column, name in named.items() if tools[column]]
    return component(
        "digital",
        "tools",
        5 * tutor.has_tools(tools),
        5,
        "5 for a connected Google Calendar or Google Classroom.",
        f"{' and '.join(connected) or 'Neither'} connected.",
        Change(
            "Connect Google Calendar or Google Classroom: 5 raw points.",
            stats={LINKS: {"google_calendar_synced": True}},
        ),
    )


def _engagement(taught: Stats, profile: Profile) -> Component:
    often = percent(tutor.FREQUENT)
    video = "no bio video" if is_blank(profile.bio_video_url) else "a bio video"
    return component(
        "digital",
        "engagement",
        5 * tutor.is_engaged(taught, profile),
        5,
        f"5 for more than {often} of paid sessions recorded, or more than {often} of the others logged (of at least "
        "5), or a bio video.",
        f"{percent(taught['virtual_usage_rate'])} recorded, {percent(taught['manual_session_log_rate'])} logged, "
        f"{video}.",
        Change(
            f"Add a bio video, or record or log more than {often} of the sessions: 5 raw points.",
            profile={"bio_video_url": VIDEO},
        ),
    )


def _availability(profile: Profile) -> Component:
    return component(
        "social_impact",
        "availability",
        5 * profile.available_free_help,
        5,
        "5 for offering free help.",
        "Free help is offered." if profile.available_free_help else "Free help is not offered.",
        Change("Offer free help: 5 raw points.", profile={"available_free_help": True}),
    )


def _delivery(taught: Stats) -> Component:
    given = int(taught["completed_free_sessions_count"])
    return component(
        "social_impact",
        "delivery",
        tutor.delivery(taught),
        5,
        "1 for each completed free session, 5 at most.",
        f"{count(given, 'free session')} completed.".capitalize(),
        Change(
            f"Give {count(5 - given, 'more free session')}: 1 raw point each, {5 - given} in all.",
            stats={PERFORMANCE: {"completed_free_sessions_count": 5}},
        ),
    )
