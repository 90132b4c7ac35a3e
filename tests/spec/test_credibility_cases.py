"""Every tutor case of cases/credibility.json, from the application's writes to the cached score."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from caas_worker.strategies.base import round_half_up
from caas_worker.strategies.tutor import RAW_MAXIMUM
from tests.people import Rows, add, add_profile, add_tutor
from tests.spec.cases import CASES
from tests.spec.conftest import Published
from tests.spec.rows import link, rate_so_that, relate, teach, teach_so_that
from tests.spec.tables import rounded

TUTORS = {
    "tutor_total_from_raw",
    "tutor_performance",
    "tutor_qualifications",
    "tutor_network",
    "tutor_social_impact",
    "tutor_digital_engagement",
    "end_to_end",
}
CLIENTS = {"client_reliability", "client_totals"}
AGENTS = {"agent_totals"}
OTHER_RULES = {"about", "ths", "tcrs_daily_counts_old_to_new", "reschedule"}

Story = Callable[[Rows], UUID]


def test_every_section_of_the_cases_is_assigned_to_a_rule() -> None:
    assert set(CASES) == TUTORS | CLIENTS | AGENTS | OTHER_RULES


@pytest.mark.parametrize(("raw", "total"), CASES["tutor_total_from_raw"])
def test_total_is_the_percentage_of_110_raw_points(raw: float, total: int) -> None:
    assert round_half_up(raw / RAW_MAXIMUM * 100) == total


@pytest.mark.parametrize("case", CASES["tutor_performance"], ids=str)
def test_performance_earns_the_points_of_the_case(app: Rows, published: Published, case: dict[str, Any]) -> None:
    tutor = add_tutor(app)
    teach_so_that(app, tutor, completed=case["completed_sessions"], retention=case["retention_rate"])
    rate_so_that(app, tutor, case["avg_rating"])
    score = published(tutor)
    assert inputs(score, "avg_rating", "completed_sessions", "retention_rate") == statistics_of(case)
    assert score["score_breakdown"]["performance"] == pytest.approx(case["points"], abs=1e-9)
    assert score["score_breakdown"].get("provisional", False) is case.get("provisional", False)


@pytest.mark.parametrize("case", CASES["tutor_qualifications"], ids=str)
def test_qualifications_earn_the_points_of_the_case(app: Rows, published: Published, case: dict[str, Any]) -> None:
    tutor = add_tutor(app)
    add(app, "role_details", profile_id=tutor, role_type="TUTOR", **statistics_of(case))
    score = published(tutor)
    assert score["score_breakdown"]["qualifications"] == case["points"]
    assert "unforeseen" not in score["score_inputs"]


@pytest.mark.parametrize("case", CASES["tutor_network"], ids=str)
def test_network_earns_the_points_of_the_case(app: Rows, published: Published, case: dict[str, Any]) -> None:
    tutor = add_tutor(app)
    relate(app, tutor, network(case["referral_count"], case["connection_count"], referred=case["is_agent_referred"]))
    score = published(tutor)
    assert inputs(score, "referral_count", "connection_count", "is_agent_referred") == statistics_of(case)
    assert score["score_breakdown"]["network"] == case["points"]


@pytest.mark.parametrize("case", CASES["tutor_social_impact"], ids=str)
def test_social_impact_earns_the_points_of_the_case(app: Rows, published: Published, case: dict[str, Any]) -> None:
    tutor = add_tutor(app, available_free_help=case["available_free_help"])
    teach(app, tutor, f"{case['completed_free_sessions_count']} free")
    score = published(tutor)
    assert inputs(score, "available_free_help", "completed_free_sessions_count") == statistics_of(case)
    assert score["score_breakdown"]["social_impact"] == case["points"]


@pytest.mark.parametrize("case", CASES["tutor_digital_engagement"], ids=str)
def test_digital_engagement_earns_the_points_of_the_case(app: Rows, published: Published, case: dict[str, Any]) -> None:
    rate = Fraction(str(case["virtual_usage_rate"]))
    tutor = add_tutor(app)
    teach_so_that(app, tutor, completed=rate.denominator, retention=0, recorded=rate.numerator)
    score = published(tutor)
    assert inputs(score, "virtual_usage_rate", "manual_session_log_rate") == {
        "virtual_usage_rate": case["virtual_usage_rate"],
        "manual_session_log_rate": 0,
    }
    assert score["score_breakdown"]["digital"] == case["points"]


def new_verified_tutor(app: Rows) -> UUID:
    return add_tutor(app)


def new_tutor_who_is_available(app: Rows) -> UUID:
    return add_tutor(app, available_free_help=True)


def new_tutor_with_free_sessions(app: Rows, sessions: int) -> UUID:
    tutor = new_tutor_who_is_available(app)
    teach(app, tutor, f"{sessions} free")
    return tutor


def unverified_tutor(app: Rows) -> UUID:
    return add_profile(app, "TUTOR", identity_verified=False)


def experienced_tutor(app: Rows) -> UUID:
    tutor = add_tutor(
        app,
        dbs_verified=True,
        dbs_expiry_date=datetime.now(UTC) + timedelta(days=365),
        available_free_help=True,
    )
    add(app, "role_details", profile_id=tutor, role_type="TUTOR", degree_level="MASTERS", teaching_experience=6)
    rate_so_that(app, tutor, 4.7)
    teach_so_that(app, tutor, completed=100, retention=0.68, recorded=91)
    teach(app, tutor, "9 pending, 3 free")
    relate(app, tutor, network(2, 0, referred=True))
    link(app, tutor, "GOOGLE_CALENDAR")
    return tutor


STORIES: dict[str, list[Story]] = {
    "new verified tutor, nothing else": [new_verified_tutor],
    "the same with available_free_help": [new_tutor_who_is_available],
    "the same with 3 completed free sessions": [lambda app: new_tutor_with_free_sessions(app, 3)],
    "the same with 5 or more completed free sessions": [
        lambda app: new_tutor_with_free_sessions(app, 5),
        lambda app: new_tutor_with_free_sessions(app, 6),
    ],
    "not identity verified": [unverified_tutor],
    "rating 4.7, retention 0.68, MASTERS, 6 years, 2 referrals and agent-referred, valid DBS, calendar, virtual 0.91, "
    "available, 3 free sessions": [experienced_tutor],
}


@pytest.mark.parametrize("case", CASES["end_to_end"], ids=lambda case: case["story"])
def test_story_ends_with_its_total(app: Rows, published: Published, case: dict[str, Any]) -> None:
    for tell in STORIES[case["story"]]:
        score = published(tell(app))
        assert score["total_score"] == case["total"]
        assert score["gate_failed"] is case.get("gate_failed", False)
        assert score["calculation_version"] == "tutor-v5.9"


def test_the_experienced_tutor_has_the_statistics_of_the_story(app: Rows, published: Published) -> None:
    score = published(experienced_tutor(app))
    assert inputs(score, "avg_rating", "retention_rate", "virtual_usage_rate", "manual_session_log_rate") == {
        "avg_rating": 4.7,
        "retention_rate": 0.68,
        "virtual_usage_rate": 0.91,
        "manual_session_log_rate": 0.5,
    }
    breakdown = score["score_breakdown"]
    assert {bucket: round(points, 9) for bucket, points in breakdown.items()} == {
        "performance": 24.3,
        "qualifications": 10,
        "network": 16,
        "safety": 10,
        "digital": 10,
        "social_impact": 8,
    }


def network(referrals: int, connections: int, *, referred: bool) -> str:
    """The edges of so many referrals and connections: people 1, 2, … and 101, 102, …; the agent is 200."""
    edges = [f"AGENT_REFERRAL me>1..{referrals}"] * bool(referrals)
    edges += [f"SOCIAL me>101..{100 + connections}"] * bool(connections)
    edges += ["AGENT_REFERRAL 200>me"] * referred
    return ", ".join(edges)


def statistics_of(case: dict[str, Any]) -> dict[str, Any]:
    """What a case gives; the rest is expected."""
    return {name: value for name, value in case.items() if name not in ("points", "provisional")}


def inputs(score: dict[str, Any], *names: str) -> dict[str, Any]:
    """These of the statistics that the points came from, to nine decimals."""
    return {name: rounded(score["score_inputs"][name]) for name in names}
