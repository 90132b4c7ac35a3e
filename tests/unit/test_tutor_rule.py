"""The tutor rule alone (scoring 1.1): plain values in, a score out."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caas_worker import cache
from caas_worker.model import Entry, Profile, RoleDetails, Score
from caas_worker.strategies.base import is_blank, round_half_up
from caas_worker.strategies.tutor import TutorStrategy, qualifications

pytestmark = pytest.mark.quick

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
TUTOR = UUID(int=1)

PROFILE_FACTS = ("dbs_verified", "dbs_expiry_date", "available_free_help", "bio_video_url")
DETAILS = ("degree_level", "qualifications", "teaching_experience")
NOTHING: dict[str, Any] = {
    "avg_rating": 0.0,
    "completed_sessions": 0,
    "retention_rate": 0.0,
    "manual_session_log_rate": 0.0,
    "completed_free_sessions_count": 0,
    "referral_count": 0,
    "connection_count": 0,
    "is_agent_referred": False,
    "google_calendar_synced": False,
    "google_classroom_synced": False,
    "virtual_usage_rate": 0.0,
}
"""The statistics of a tutor of whom nothing is known."""
MAXIMA = {
    "performance": 30,
    "qualifications": 30,
    "network": 20,
    "safety": 10,
    "digital": 10,
    "social_impact": 10,
}


def score(now: datetime = NOW, **known: Any) -> Score:
    """The score of a verified tutor of whom nothing but this is known."""
    profile = Profile(
        profile_id=TUTOR,
        roles=frozenset({"TUTOR"}),
        identity_verified=True,
        role_details={"TUTOR": RoleDetails(**{name: known.pop(name) for name in DETAILS if name in known})},
        **{name: known.pop(name) for name in PROFILE_FACTS if name in known},
    )
    row = {name: known.pop(name, default) for name, default in NOTHING.items()}
    assert not known, f"unknown: {known}"
    return TutorStrategy().score(profile, dict.fromkeys(TutorStrategy.statistics, row), now)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (57.49999999999999, 58),
        (57.5, 58),
        (57.499999999, 57),
        (0.5, 1),
        (1.5, 2),
        (2.5, 3),
        (48.75, 49),
        (35.5, 36),
        (0, 0),
        (99.5, 100),
        (100.00000000000001, 100),
    ],
)
def test_halves_round_up_after_nine_decimals(value: float, rounded: int) -> None:
    assert round_half_up(value) == rounded


@pytest.mark.parametrize(
    ("known", "bucket", "points"),
    [
        ({}, "performance", 30),
        ({"avg_rating": 5.0, "retention_rate": 1.0}, "performance", 30),
        ({"completed_sessions": 1}, "performance", 0),
        ({"completed_sessions": 1, "avg_rating": 3.0}, "performance", 9),
        ({"completed_sessions": 9, "retention_rate": 1 / 3}, "performance", 5),
        ({"completed_sessions": 9, "avg_rating": 5.0, "retention_rate": 1.0}, "performance", 30),
        ({"degree_level": "BACHELORS"}, "qualifications", 10),
        ({"degree_level": " phd "}, "qualifications", 10),
        ({"degree_level": "ASSOCIATE"}, "qualifications", 0),
        ({"teaching_experience": 9}, "qualifications", 0),
        ({"teaching_experience": 10}, "qualifications", 10),
        ({"teaching_experience": 60, "degree_level": "PHD", "qualifications": ["QTS"]}, "qualifications", 30),
        ({"referral_count": 2}, "network", 8),
        ({"referral_count": 4}, "network", 12),
        ({"connection_count": 10}, "network", 0),
        ({"connection_count": 11}, "network", 8),
        ({"connection_count": 11, "is_agent_referred": True}, "network", 8),
        ({}, "safety", 5),
        ({"virtual_usage_rate": 0.8}, "digital", 0),
        ({"virtual_usage_rate": 0.8000001}, "digital", 5),
        ({"manual_session_log_rate": 0.8}, "digital", 0),
        ({"manual_session_log_rate": 0.8000001}, "digital", 5),
        ({"bio_video_url": " \n"}, "digital", 0),
        ({"bio_video_url": "https://v.test/1", "virtual_usage_rate": 0.9}, "digital", 5),
        ({"google_calendar_synced": True, "google_classroom_synced": True}, "digital", 5),
        ({"completed_free_sessions_count": 5}, "social_impact", 5),
        ({"completed_free_sessions_count": 6, "available_free_help": True}, "social_impact", 10),
    ],
    ids=str,
)
def test_points_of_a_bucket(known: dict[str, Any], bucket: str, points: float) -> None:
    assert score(**known).breakdown[bucket] == pytest.approx(points, abs=1e-9)


@pytest.mark.parametrize(
    ("verified", "expiry", "points"),
    [
        (True, NOW, 5),
        (True, NOW + timedelta(microseconds=1), 10),
        (True, NOW - timedelta(microseconds=1), 5),
        (True, None, 5),
        (False, NOW + timedelta(days=1), 5),
    ],
    ids=["expires now", "expires next", "just expired", "no expiry", "not verified"],
)
def test_a_dbs_check_counts_until_the_moment_it_expires(verified: bool, expiry: datetime | None, points: int) -> None:
    result = score(dbs_verified=verified, dbs_expiry_date=expiry)
    assert result.breakdown["safety"] == points
    assert result.next_due_at == (expiry if points == 10 else None)


def test_score_falls_when_the_time_it_names_has_come() -> None:
    expiry = NOW + timedelta(days=30)
    known: dict[str, Any] = {"dbs_verified": True, "dbs_expiry_date": expiry}
    due = score(**known).next_due_at
    assert due is not None
    assert score(due - timedelta(microseconds=1), **known).total == 36
    assert score(due, **known).total == 32


def test_only_the_total_is_rounded() -> None:
    result = score(completed_sessions=3, avg_rating=14 / 3, retention_rate=1 / 3)
    assert result.breakdown["performance"] == pytest.approx(19, abs=1e-9)
    assert score(completed_sessions=3, avg_rating=4.1).breakdown["performance"] == pytest.approx(12.3, abs=1e-9)


def test_provisional_is_said_only_while_it_is_so() -> None:
    assert score().breakdown["provisional"] is True
    assert "provisional" not in score(completed_sessions=1).breakdown


def test_score_says_which_rule_made_it() -> None:
    result = score()
    assert (result.role_type, result.version, result.reason, result.gate_failed) == (
        "TUTOR",
        "tutor-v5.9",
        None,
        False,
    )


def test_every_statistic_that_was_read_is_among_the_inputs() -> None:
    assert score().inputs.items() >= NOTHING.items()


@pytest.mark.parametrize("absent", TutorStrategy.statistics)
def test_a_statistic_that_is_missing_is_an_error_and_never_a_zero(absent: str) -> None:
    profile = Profile(profile_id=TUTOR, identity_verified=True)
    stats = {function: NOTHING for function in TutorStrategy.statistics if function != absent}
    with pytest.raises(KeyError, match=absent):
        TutorStrategy().score(profile, stats, NOW)


fractions = st.floats(0, 1)
counts = st.integers(0, 10_000)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text() | st.just("QTS"),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["certifications", "education", "x"]), inner),
    max_leaves=8,
)
anyone: dict[str, st.SearchStrategy[Any]] = {
    "avg_rating": st.just(0.0) | st.floats(1, 5),
    "completed_sessions": counts,
    "retention_rate": fractions,
    "manual_session_log_rate": fractions,
    "completed_free_sessions_count": counts,
    "referral_count": counts,
    "connection_count": counts,
    "is_agent_referred": st.booleans(),
    "google_calendar_synced": st.booleans(),
    "google_classroom_synced": st.booleans(),
    "virtual_usage_rate": fractions,
    "dbs_verified": st.booleans(),
    "dbs_expiry_date": st.none() | st.datetimes(timezones=st.just(UTC)),
    "available_free_help": st.booleans(),
    "bio_video_url": st.none() | st.text(),
    "degree_level": st.none() | st.text() | st.sampled_from(["PHD", "masters"]),
    "qualifications": json_values,
    "teaching_experience": st.none() | st.integers(-5, 60),
}
tutors = st.fixed_dictionaries(anyone)
better = [*(set(anyone) - {"dbs_expiry_date", "bio_video_url", "degree_level", "qualifications"})]


@settings(deadline=None)
@given(tutors)
def test_any_score_is_between_0_and_100_and_the_sum_of_its_buckets(known: dict[str, Any]) -> None:
    result = score(**known)
    points = {bucket: result.breakdown[bucket] for bucket in MAXIMA}
    assert all(0 <= points[bucket] <= MAXIMA[bucket] + 1e-9 for bucket in MAXIMA)
    assert set(result.breakdown) - set(MAXIMA) <= {"provisional"}
    assert 0 <= result.total <= 100
    assert result.total == round_half_up(sum(points.values()) / 1.1)


@settings(deadline=None)
@given(tutors, st.sampled_from(sorted(better)), st.data())
def test_more_of_anything_good_never_lowers_a_score(known: dict[str, Any], what: str, data: st.DataObject) -> None:
    less, more = sorted((data.draw(anyone[what]) or 0, data.draw(anyone[what]) or 0))
    if what == "completed_sessions":
        less, more = less + 1, more + 1  # the first session ends the provisional points: the one exception
    assert score(**known | {what: less}).total <= score(**known | {what: more}).total


@settings(deadline=None)
@given(json_values)
def test_no_qualifications_can_break_the_rule_or_the_cache(stored: Any) -> None:
    names, _, unforeseen = qualifications(RoleDetails(qualifications=stored))
    assert all(name == name.strip().upper() and name for name in names)
    assert set(unforeseen) <= {"qualifications", "qualifications.certifications", "qualifications.education"}
    assert len(json.dumps(score(qualifications=stored).inputs)) > 0


def test_a_score_fits_the_cache() -> None:
    entry = Entry(uuid4(), 7, 10, 1, ("bookings",), NOW, NOW, False, 0)
    row = json.loads(cache.row(entry, score(dbs_verified=True, dbs_expiry_date=NOW + timedelta(days=1)), NOW))
    assert (row["total_score"], row["next_due_at"]) == (36, "2026-05-05T12:00:00+00:00")


@pytest.mark.parametrize(("text", "blank"), [(None, True), ("", True), (" \t\n", True), ("x", False), (" x ", False)])
def test_a_text_without_a_letter_is_absent(text: str | None, blank: bool) -> None:
    assert is_blank(text) is blank
