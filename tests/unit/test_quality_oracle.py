"""The quality oracle itself, against small worlds worked out by hand (scoring 2 to 9)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from caas_worker.quality.phrases import Phrases
from tests.quality_oracle import Quality, World, occurrences, quality, rounded, tier, words

pytestmark = pytest.mark.quick

NOW = datetime(2026, 5, 4, 20, tzinfo=UTC)  # a Monday
TODAY = NOW.date()
TUTOR, LISTING, CLIENT, OTHER_CLIENT = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
DAILY_COUNTS = ("sessions", "sessions_completed", "reschedules_tutor_initiated", "no_shows", "avg_lateness_min")

PHRASES = Phrases(
    goal_setting=("what would you like",),
    confusion=("i don't understand", "confused", "very confused"),
    wrap_up=("next time",),
    encouragement=("well done",),
    negative=("wrong",),
)


def booking(number: int, days_ago: float, status: str = "Completed", **columns: Any) -> dict[str, Any]:
    """An hour that began so many days before noon today; `late` and `early` in minutes say how it was held."""
    start = datetime(2026, 5, 4, 12, tzinfo=UTC) - timedelta(days=days_ago)
    end = start + timedelta(hours=1)
    late, early = columns.pop("late", None), columns.pop("early", None)
    return {
        "id": UUID(int=100 + number),
        "listing_id": LISTING,
        "client_id": CLIENT,
        "type": None,
        "status": status,
        "scheduled_start": start,
        "scheduled_end": end,
        "actual_start": None if late is None else start + timedelta(minutes=late),
        "actual_end": None if early is None else end - timedelta(minutes=early),
        "cancelled_by": None,
        "no_show_by": None,
        "session_number": 2,
        "tech_issue": False,
        "engagement_score": None,
        "learning_objectives_met": None,
        **columns,
    }


def bookings(days_ago: Sequence[float], status: str = "Completed", first: int = 0, **columns: Any) -> list[Any]:
    return [booking(first + number, days, status, **columns) for number, days in enumerate(days_ago)]


def world(taught: Sequence[Mapping[str, Any]], roles: Sequence[Any] = (" tutor ",), **tables: Any) -> World:
    profiles = [{"id": TUTOR, "roles": list(roles)}, {"id": CLIENT, "roles": ["CLIENT"]}]
    return World(profiles, [{"id": LISTING, "profile_id": TUTOR}], taught, **tables)


def moved_by(initiator: str, moved: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"booking_id": row["id"], "initiator": initiator} for row in moved]


def review(number: int, rating: int | None, reviewer: UUID | None = CLIENT) -> dict[str, Any]:
    return {"reviewer_id": reviewer, "reviewee_id": TUTOR, "booking_id": UUID(int=100 + number), "rating": rating}


def event(days_ago: float, metadata: Any = None) -> dict[str, Any]:
    """A login, or with metadata an answer."""
    kind = "login" if metadata is None else "message_response"
    moment = NOW - timedelta(days=days_ago)
    return {"profile_id": TUTOR, "event_type": kind, "occurred_at": moment, "metadata": metadata or {}}


def score(found: Quality, score_type: str) -> tuple[Any, Any]:
    row = found.scores[TUTOR, score_type]
    return row["value"], row["level"]


def test_only_tutors_get_rows_and_each_gets_all_of_them() -> None:
    found = quality(world([]), NOW)
    assert found.daily == {}
    assert found.sessions == {}
    assert set(found.metrics) == {(TUTOR, window) for window in ("7day", "30day", "90day")}
    assert found.metrics[TUTOR, "7day"] == {
        "sessions_completed": 0,
        "avg_rating": None,
        "first_session_success_rate": None,
        "reschedule_rate": None,
        "no_show_count": 0,
        "engagement_score": None,
        "learning_objectives_met_pct": None,
        "response_time_avg_minutes": None,
        "performance_tier": None,
    }
    assert score(found, "ths") == (None, None)
    assert score(found, "tcrs") == (None, None)
    assert score(found, "reschedule_risk") == (0.0, "low")
    assert found.scores[TUTOR, "reschedule_risk"]["components"]["low_sample"] is True
    assert found.alerts == dict.fromkeys(
        [(TUTOR, "poor_first_session"), (TUTOR, "high_reliability_risk"), (TUTOR, "churn_risk")]
    )
    assert found.summaries == {TUTOR: {"trend": "insufficient_data", "average_sqs": None}}


def test_a_profile_of_another_role_gets_nothing() -> None:
    found = quality(world([booking(0, 1)], roles=["AGENT", None]), NOW)
    assert found == Quality({}, {}, {}, {}, {}, {})


# Daily aggregates


def test_a_day_counts_its_sessions_only() -> None:
    day = [
        booking(0, 1, late=-5),
        booking(1, 1, late=7),
        booking(2, 1),
        booking(3, 1, "Rescheduled"),
        booking(4, 1, "Rescheduled", late=50),
        booking(5, 1, "No-show", no_show_by="tutor"),
        booking(6, 1, "No-show", no_show_by="client"),
        booking(7, 1, "Cancelled", cancelled_by="tutor"),
        booking(8, 1, "Confirmed"),
        booking(9, -1),
    ]
    reschedules = moved_by("tutor", day[3:4]) + moved_by("student", day[4:5]) + moved_by("tutor", day[7:8])
    found = quality(world(day, reschedules=reschedules), NOW)
    [(key, counted)] = found.daily.items()
    assert key == (TUTOR, TODAY - timedelta(days=1))
    assert {name: counted[name] for name in DAILY_COUNTS} == {
        "sessions": 7,
        "sessions_completed": 3,
        "reschedules_tutor_initiated": 1,
        "no_shows": 1,
        "avg_lateness_min": 3.5,
    }


def test_a_day_sums_what_the_metrics_are_made_from() -> None:
    day = [
        booking(0, 1, late=10, session_number=1, engagement_score=Decimal("0.25"), learning_objectives_met=True),
        booking(1, 1, late=10.5, session_number=1, engagement_score=Decimal("0.5"), learning_objectives_met=False),
        booking(2, 1),
        booking(3, 1, "No-show", late=1, no_show_by="tutor", engagement_score=Decimal(0), learning_objectives_met=True),
    ]
    reviews = [review(0, 5), review(0, 3, None), review(1, 4), review(2, 1), review(2, 1, TUTOR), review(3, None)]
    [counted] = quality(world(day, profile_reviews=reviews), NOW).daily.values()
    assert {name: of for name, of in counted.items() if name not in DAILY_COUNTS} == {
        "lateness_min": 20.5,
        "started": 2,
        "on_time": 1,
        "ratings": 4,
        "rating_sum": 13,
        "first_ratings": 3,
        "first_ratings_good": 2,
        "engagement_count": 3,
        "engagement_sum": 0.75,
        "objectives_answered": 3,
        "objectives_met": 2,
    }


def test_a_day_with_a_log_in_or_an_answer_that_counts_has_events() -> None:
    told = [
        event(0),
        event(0.1),
        event(0.2, {"response_time_minutes": 90.5}),
        event(0.2, {"response_time_minutes": 0}),
        event(0.2, {"response_time_minutes": -1}),
        event(2, {"response_time_minutes": "10"}),
        event(-0.01),
    ]
    assert quality(world([], platform_events=told), NOW).events == {
        (TUTOR, TODAY): {"logins": 2, "responses": 2, "response_minutes": 90.5}
    }


def test_the_zone_decides_the_day() -> None:
    late_evening = [booking(0, 0.75)]  # 18:00 UTC on the third: the fourth in Auckland, where it is the fifth now
    assert list(quality(world(late_evening), NOW).daily) == [(TUTOR, date(2026, 5, 3))]
    assert list(quality(world(late_evening), NOW, "Pacific/Auckland").daily) == [(TUTOR, date(2026, 5, 4))]


def test_a_window_is_the_calendar_days_that_end_today() -> None:
    found = quality(world(bookings([0, 6, 6.5, 7, 29, 29.6, 89, 89.6])), NOW)
    assert found.metrics[TUTOR, "7day"]["sessions_completed"] == 3
    assert found.metrics[TUTOR, "30day"]["sessions_completed"] == 5
    assert found.metrics[TUTOR, "90day"]["sessions_completed"] == 7
    shifted = quality(world(bookings([0, 6, 6.5, 7])), NOW, "Pacific/Auckland")  # midnight and noon
    assert shifted.metrics[TUTOR, "7day"]["sessions_completed"] == 2


# Window metrics


def test_metrics_of_a_week() -> None:
    week = [
        booking(0, 0, late=10, engagement_score=Decimal("0.9"), session_number=1, learning_objectives_met=True),
        booking(1, 1, late=11, engagement_score=Decimal("0.5"), session_number=1, learning_objectives_met=True),
        booking(2, 2, late=0, learning_objectives_met=False),
        booking(3, 3, "Rescheduled"),
        booking(4, 4, "No-show", no_show_by="client"),
        booking(5, 5),
    ]
    found = quality(
        world(
            week,
            reschedules=moved_by("tutor", week[3:4]),
            profile_reviews=[
                review(0, 5),
                review(0, 4, None),
                review(1, 3),
                review(2, 5),
                review(3, 5),
                review(3, 1, TUTOR),
                review(4, None),
                review(99, 1),
            ],
            platform_events=[
                event(0),
                event(6),
                event(7),
                event(-0.01),
                event(1, {"response_time_minutes": 10}),
                event(1, {"response_time_minutes": 0.35}),
                event(1, {"response_time_minutes": True}),
                event(1, {"response_time_minutes": "10"}),
                event(1, {"response_time_minutes": -1}),
                event(1, {"response_time_minutes": None}),
            ],
        ),
        NOW,
    )
    assert found.metrics[TUTOR, "7day"] == {
        "sessions_completed": 4,
        "avg_rating": 4.4,  # 22 / 5
        "first_session_success_rate": 66.67,  # red
        "reschedule_rate": 16.67,  # red
        "no_show_count": 0,  # green
        # 0.4 * 33.33… (2 logins, 6 sessions) + 0.4 * 70 + 0.2 * 66.66… = 13.33 + 28 + 13.33, red
        "engagement_score": 54.67,
        "learning_objectives_met_pct": 66.67,  # red
        "response_time_avg_minutes": 5.18,  # 5.175
        "performance_tier": "At Risk",
    }
    assert found.flags[TUTOR, "7day"] == {
        "first_session_success_rate": "red",
        "reschedule_rate": "red",
        "no_show_count": "green",
        "engagement_score": "red",
        "learning_objectives_met_pct": "red",
    }


@pytest.mark.parametrize(
    ("objectives", "engagement", "tier"),
    [
        (True, "1", "Exemplary"),  # all six green
        (None, "1", "Exemplary"),  # five green
        (None, "0.4", "Strong"),  # engagement 76: four green, none red
        (None, "0", "Strong"),  # engagement exactly 60 is not red
        (False, "1", "Needs Attention"),  # objectives 0: one red
    ],
)
def test_tier(objectives: bool | None, engagement: str, tier: str) -> None:
    taught = [
        booking(
            0,
            0,
            late=0,
            session_number=1,
            engagement_score=Decimal(engagement),
            learning_objectives_met=objectives,
        )
    ]
    found = quality(world(taught, profile_reviews=[review(0, 5)], platform_events=[event(0), event(1)]), NOW)
    assert found.metrics[TUTOR, "7day"]["performance_tier"] == tier


@pytest.mark.parametrize(
    ("metric", "green", "not_green", "not_red", "red"),
    [
        ("avg_rating", 4.5, 4.49, 3.5, 3.49),
        ("first_session_success_rate", 85.0, 84.99, 70.0, 69.99),
        ("reschedule_rate", 10.0, 10.01, 15.0, 15.01),
        ("no_show_count", 0, 1, 3, 4),
        ("engagement_score", 80.0, 79.99, 60.0, 59.99),
        ("learning_objectives_met_pct", 90.0, 89.99, 80.0, 79.99),
    ],
)
def test_flags_begin_where_the_table_says(
    metric: str, green: float, not_green: float, not_red: float, red: float
) -> None:
    best: dict[str, Any] = {
        "avg_rating": 5.0,
        "first_session_success_rate": 100.0,
        "reschedule_rate": 0.0,
        "no_show_count": 0,
        "engagement_score": 100.0,
        "learning_objectives_met_pct": 100.0,
    }
    other = "engagement_score" if metric == "avg_rating" else "avg_rating"
    best[other] = None  # five flags are left
    assert tier(best | {metric: green}, 19) == "Exemplary"
    assert tier(best | {metric: not_green}, 19) == "Strong"
    assert tier(best | {metric: not_red}, 19) == "Strong"
    assert tier(best | {metric: red}, 19) == "Needs Attention"


def test_tiers_by_number_of_flags() -> None:
    nothing = dict.fromkeys(
        ("avg_rating", "first_session_success_rate", "reschedule_rate", "engagement_score"), None
    ) | {"no_show_count": 0, "learning_objectives_met_pct": None}
    assert tier(nothing, 1) == "Developing"
    assert tier(nothing | {"avg_rating": 5.0}, 1) == "Developing"
    assert tier(nothing | {"avg_rating": 5.0, "reschedule_rate": 0.0}, 1) == "Strong"
    assert tier(nothing | {"avg_rating": 1.0, "reschedule_rate": 50.0}, 1) == "Needs Attention"
    assert tier(nothing | {"avg_rating": 1.0, "reschedule_rate": 50.0, "engagement_score": 1.0}, 1) == "At Risk"
    assert tier(nothing | {"no_show_count": 2}, 40) == "Developing"  # exactly 5 %
    assert tier(nothing | {"no_show_count": 2}, 39) == "Needs Attention"


def test_more_than_five_per_cent_of_twenty_no_shows_is_red() -> None:
    # Engagement 0.4 * 0 + 0.4 * 100 + 0.2 * 100 = 60 and 0 reschedules: one green, and red by the no-shows alone.
    held = bookings([1] * 18, late=0, engagement_score=Decimal(1))
    missed = bookings([2] * 2, "No-show", first=50, no_show_by="tutor")
    metrics = quality(world(held + missed), NOW).metrics[TUTOR, "7day"]
    assert (metrics["engagement_score"], metrics["performance_tier"]) == (60.0, "Needs Attention")
    assert quality(world(held + missed[:1]), NOW).metrics[TUTOR, "7day"]["performance_tier"] == "Developing"


# Tutor health score


def test_health_of_a_mixed_week() -> None:
    week = [
        *bookings([0, 1, 2], late=10),
        booking(3, 3, late=5),
        booking(4, 4, late=0),
        booking(5, 4),
        booking(6, 5, "Rescheduled"),
        booking(7, 5, "Rescheduled"),
        booking(8, 6, "No-show", no_show_by="tutor"),
        booking(9, 6, "No-show", no_show_by="client"),
    ]
    reschedules = moved_by("tutor", week[6:7]) + moved_by("student", week[7:8])
    found = quality(world(week, reschedules=reschedules), NOW)
    # 8 sessions; weighted = 0.6 * 10 + 0.4 * 2.5 = 7: 100 - 40 / 8 - 30 / 8 - 30 * 7 / 15
    assert score(found, "ths") == (77.25, "stable")
    assert found.scores[TUTOR, "ths"]["components"] == {
        "sessions": 8,
        "sessions_completed": 6,
        "reschedules_tutor_initiated": 1,
        "no_shows": 1,
        "weighted_lateness_minutes": 7.0,
        "reschedule_penalty": 5.0,
        "no_show_penalty": 3.75,
        "lateness_penalty": 14.0,
    }
    assert found.behind[TUTOR, "high_reliability_risk"] == (77.25, None)
    assert found.alerts[TUTOR, "high_reliability_risk"] is False


@pytest.mark.parametrize(
    ("moved", "held", "late", "value", "level"),
    [
        (0, 1, 12.5, 75.0, "stable"),
        (0, 1, 12.51, 74.98, "monitor"),
        (0, 1, 40, 70.0, "monitor"),
        (3, 5, 15, 55.0, "monitor"),  # 15 and 30 off, and 3 are not half of 8
        (4, 6, 15, 54.0, "high_risk"),
    ],
)
def test_health_levels(moved: int, held: int, late: float, value: float, level: str) -> None:
    moves = bookings([1] * moved, "Rescheduled")
    taught = moves + bookings([2] * held, first=50, late=late)
    found = quality(world(taught, reschedules=moved_by("tutor", moves)), NOW)
    assert score(found, "ths") == (value, level)
    assert found.alerts[TUTOR, "high_reliability_risk"] is (level == "high_risk")


def test_who_misses_every_session_is_a_high_risk_at_70() -> None:
    missed = bookings([1, 2], "No-show", no_show_by="tutor")
    found = quality(world(missed), NOW)
    assert score(found, "ths") == (70.0, "high_risk")
    assert found.alerts[TUTOR, "high_reliability_risk"] is True
    once = quality(world(missed[:1]), NOW)
    assert score(once, "ths") == (70.0, "monitor")
    assert once.alerts[TUTOR, "high_reliability_risk"] is False


def test_three_of_six_moved_is_a_high_risk_and_two_of_four_is_not() -> None:
    moved = bookings([1, 2, 3], "Rescheduled")
    held = bookings([1, 2, 3], first=50)
    found = quality(world(moved + held, reschedules=moved_by("tutor", moved)), NOW)
    assert score(found, "ths") == (80.0, "high_risk")
    less = quality(world(moved[:2] + held[:2], reschedules=moved_by("tutor", moved)), NOW)
    assert score(less, "ths") == (80.0, "stable")


def test_a_week_without_a_session_of_its_own_has_no_health() -> None:
    found = quality(world([booking(0, 1, "No-show", no_show_by="client"), booking(1, 7)]), NOW)
    assert score(found, "ths") == (None, None)
    assert found.alerts[TUTOR, "high_reliability_risk"] is None


# Tutor churn risk score


@pytest.mark.parametrize(
    ("days_ago", "value", "level", "alert"),
    [
        ([100], 0.95, "high_risk", True),  # idle: 0.5 + 0.45
        # Two each Saturday: a = 2 / 7, no deviation from the weekday: 0.5 * 6 / 7
        ([100, 2, 2, 9, 9], 0.429, "monitor", False),
        ([*range(14), *range(14)], 0.0, "stable", False),  # two a day
        # 14 days, a = 0.5; the weekdays differ by 1: sd 0.5, consistency 0.5: 0.375 + 0.225 + 0.4 declining
        ([*range(7, 14)], 1.0, "high_risk", True),
        # As much improvement, but consistency is not above 0.5: 0.375 + 0.225
        ([100, *range(7)], 0.6, "high_risk", True),
        # One then two a day: a = 1.5, sd 0.5, consistency 0.75: 0.125 + 0.1125 - 0.2 = 0.0375
        ([*range(14), *range(7)], 0.038, "stable", False),
        # 7 days, one each: 0.25 + 0.15 * 7 / 14
        ([*range(7)], 0.325, "monitor", False),
        # 6 days: 0.25 + 0.15 * 8 / 14 = 0.33571…
        ([*range(6)], 0.336, "insufficient_data", None),
        # 4 days, the newest two half a session off: no trend. a = 1.25, sd = 0.43301…, consistency 0.74271…
        # 0.1875 + 0.11577… + 0.15 * 10 / 14
        ([3, 2, 1, 0, 0], 0.41, "insufficient_data", None),
        ([3, 3, 2, 1, 0], 0.41, "insufficient_data", None),
        # A whole session off: a = 1.5, consistency 0.75: 0.125 + 0.1125 + 0.10714… - 0.2, or + 0.4
        ([3, 2, 1, 1, 0, 0], 0.145, "insufficient_data", None),
        ([3, 3, 2, 2, 1, 0], 0.745, "insufficient_data", None),
        # 3 days, 3 then none: no trend yet; a = 1, sd = √2: 0.25 + 0.45 * (1 - 0.41421…) + 0.15 * 11 / 14
        ([2, 2, 2], 0.631, "insufficient_data", None),
        # 5 days: 2 2 0 0 0, a = 0.8, variance 0.96, sd / a = 1.22474…: declining by the 2 newest against the 2 oldest
        # 0.3 + 0.45 * 0.55051… + 0.4 + 0.15 * 9 / 14 = 1.044
        ([4, 4, 3, 3], 1.0, "insufficient_data", None),
    ],
)
def test_churn(days_ago: Sequence[float], value: float, level: str, alert: bool | None) -> None:
    found = quality(world(bookings(days_ago)), NOW)
    assert score(found, "tcrs") == (value, level)
    assert found.alerts[TUTOR, "churn_risk"] is alert


@pytest.mark.parametrize(
    ("days_ago", "trend", "points"),
    [
        ([2, 2, 2], None, 0.0),  # three days
        ([3, 2, 1, 0], "stable", 0.0),
        ([3, 3, 2, 1, 0], "stable", 0.0),  # half a session less
        ([3, 3, 2, 2, 1, 0], "declining", 0.4),
        ([3, 2, 1, 1, 0, 0], "improving", -0.2),
        ([100, *range(7)], "improving", 0.0),  # not consistent: it earns nothing
    ],
)
def test_trends_of_churn(days_ago: Sequence[float], trend: str | None, points: float) -> None:
    components = quality(world(bookings(days_ago)), NOW).scores[TUTOR, "tcrs"]["components"]
    assert (components["trend"], components["trend_points"]) == (trend, points)


def test_the_first_ever_session_need_not_be_a_completed_one() -> None:
    found = quality(world(bookings([6], "No-show") + bookings([-1], first=50)), NOW)
    assert score(found, "tcrs") == (1.0, "high_risk")  # 0.5 + 0.45 + 0.075, clamped


# Session scores


@pytest.mark.parametrize(
    ("late", "early", "tech_issue", "value", "level"),
    [
        (-3, 0, False, 100, "ok"),
        (0, 5, None, 100, "ok"),
        (0.01, 5.01, False, 92, "ok"),  # 2 * 1, 6
        (10.5, 0, False, 78, "ok"),
        (0, 25, False, 75, "warn"),
        (15, 0, True, 60, "warn"),
        (15, 5.5, True, 54, "risk"),
        (55, 50, True, 20, "risk"),  # 30, 40, 10
    ],
)
def test_session_quality(late: float, early: float, tech_issue: bool | None, value: int, level: str) -> None:
    session = booking(0, 1, late=late, early=early, tech_issue=tech_issue)
    found = quality(world([session]), NOW)
    [(key, row)] = found.sessions.items()
    lost = row.pop("components")
    assert key == (session["id"], "sqs")
    assert row == {
        "profile_id": TUTOR,
        "client_id": CLIENT,
        "starts_at": session["scheduled_start"],
        "value": value,
        "level": level,
    }
    assert (100 - sum(lost.values()), lost["tech"]) == (value, 10 if tech_issue else 0)


def test_no_session_quality_without_both_times_or_completion() -> None:
    taught = [booking(0, 1, late=0), booking(1, 1, early=0), booking(2, 1, "No-show", late=0, early=0)]
    assert quality(world(taught), NOW).sessions == {}


GOOD = [
    {"speaker": "Tutor ", "text": "Hello! What would you like to learn? Well done."},
    {"speaker": "student", "text": "Fractions please, all of them, and decimals too."},
    {"speaker": "tutor", "text": "More next time."},
]


def first_session(turns: Any, **columns: Any) -> int | None:
    session = booking(0, 1, **{"session_number": 1, **columns})
    transcripts = [{"booking_id": session["id"], "turns": turns}]
    found = quality(world([session], session_transcripts=transcripts), NOW, "UTC", PHRASES)
    row = found.sessions.get((session["id"], "fsrs"))
    if row is None:
        assert found.alerts[TUTOR, "poor_first_session"] is None
        return None
    assert row["level"] == ("high_risk" if row["value"] >= 50 else "stable")
    assert found.alerts[TUTOR, "poor_first_session"] is (row["value"] >= 50)
    value: int = row["value"]
    return value


def said(speaker: str, *texts: str) -> list[dict[str, str]]:
    return [{"speaker": speaker, "text": text} for text in texts]


def test_first_session_signals() -> None:
    assert first_session(GOOD) == 0
    assert first_session(GOOD, late=5) == 0
    assert first_session(GOOD, late=5.01) == 10
    assert first_session(GOOD, tech_issue=True, late=9) == 10
    assert first_session(GOOD + said("tutor", "a", "b", "c")) == 20  # the wrap-up is not among the last three
    assert first_session(GOOD + said("tutor", "a", "b")) == 0
    assert first_session(said("tutor", "a", "b", "c") + GOOD) == 25  # nor is the goal among the first three


def test_fifty_is_a_high_risk() -> None:
    turns = said("student", "one two three four") + said("tutor", "Next time.")
    assert first_session(turns, tech_issue=True) == 50  # 25 + 15 + 10
    assert first_session(turns) == 40


def test_first_session_without_any_good_sign() -> None:
    assert first_session(said("tutor", "Wrong. WRONG!")) == 90  # 25 + 20 + 20 + 15 + 10
    assert (
        first_session(said("student", "I don\u2019t understand. Very confused, confused.")) == 80
    )  # 25 + 20 + 20 + 15


def test_three_quarters_of_the_words_are_not_too_many() -> None:
    assert first_session(said("tutor", "one two three") + said("student", "four")) == 60
    assert first_session(said("tutor", "one two three, 3") + said("student", "four")) == 80
    assert first_session(said("tutor", "...")) == 60  # no words at all


@pytest.mark.parametrize(
    "turns",
    [
        None,
        {},
        [],
        ["tutor"],
        [{"text": "Hello"}, {"speaker": "S1", "text": "Hello"}],
        [{"speaker": "tutor"}, {"speaker": "tutor", "text": 3}, {"speaker": "student", "text": "  "}],
    ],
)
def test_no_first_session_score_without_named_speakers(turns: Any) -> None:
    assert first_session(turns) is None


def test_whose_first_session_it_is() -> None:
    assert first_session(GOOD, session_number=2) is None
    assert first_session(GOOD, session_number=None) == 0
    assert first_session(GOOD, client_id=None) is None
    assert first_session(GOOD, status="Cancelled") is None
    taught = [
        booking(0, 9, "Cancelled", session_number=None),
        booking(2, 5, session_number=None),
        booking(1, 5, session_number=None),
        booking(3, 4, session_number=None),
        booking(4, 3, session_number=None, client_id=OTHER_CLIENT),
        booking(5, 2, session_number=1, client_id=OTHER_CLIENT),
    ]
    transcripts = [{"booking_id": row["id"], "turns": GOOD if row["id"].int != 104 else GOOD[1:2]} for row in taught]
    found = quality(world(taught, session_transcripts=transcripts), NOW, "UTC", PHRASES)
    assert {booking_id.int for booking_id, _ in found.sessions} == {101, 104, 105}
    assert found.sessions[UUID(int=104), "fsrs"] == {
        "profile_id": TUTOR,
        "client_id": OTHER_CLIENT,
        "starts_at": taught[4]["scheduled_start"],
        "value": 60,
        "level": "high_risk",
    }
    assert found.alerts[TUTOR, "poor_first_session"] is False  # the latest is 105
    assert found.behind[TUTOR, "poor_first_session"] == (0, UUID(int=105))


def test_phrases_are_whole_words_in_any_spelling() -> None:
    assert words("It\u2019s _HI_, 2nd-hand") == ["it's", "hi", "2nd", "hand"]
    assert words("") == words("'") == words("_ \u2019 ''") == []
    assert occurrences(["this", "hi! Hi"], ["hi"]) == 2
    assert occurrences(["so very confused, confused"], ["confused", "very confused"]) == 2
    assert occurrences(["I", "see"], ["i see"]) == 0
    assert occurrences(["anything"], ["", "..."]) == 0


@pytest.mark.parametrize(
    "said", ["'well done'", "\u2018Well done\u2019", "'well' done", "`Well done!'", "''well done''", "well 'done"]
)
def test_quotation_marks_belong_to_no_word(said: str) -> None:
    assert words(said) == ["well", "done"]
    assert occurrences([said], ["well done"]) == 1


def test_apostrophes_between_letters_belong_to_the_word() -> None:
    assert words("I'm at the students' rock'n'roll, 'tis the '90s") == [
        "i'm", "at", "the", "students", "rock'n'roll", "tis", "the", "90s",
    ]  # fmt: skip
    assert words("don''t") == ["don", "t"]


# Reschedule risk


def reschedule_risk(moved: int, held: int, days_ago: float = 1, threshold: float | None = None) -> dict[str, Any]:
    moves = bookings([days_ago] * moved, "Rescheduled")
    taught = moves + bookings([days_ago] * held, "No-show", first=50, no_show_by="client")
    thresholds = {} if threshold is None else {TUTOR: threshold}
    rows = world(taught, reschedules=moved_by("tutor", moves), thresholds=thresholds)
    return quality(rows, NOW).scores[TUTOR, "reschedule_risk"]


def test_reschedule_risk() -> None:
    found = reschedule_risk(3, 17, days_ago=20)
    assert found == {
        "value": 15.0,
        "level": "medium",
        "components": {
            "reschedule_rate_7d": 0.0,
            "reschedule_rate_30d": 15.0,
            "reschedule_rate_90d": 15.0,
            "sessions_7d": 0,
            "sessions_30d": 20,
            "sessions_90d": 20,
            "tutor_reschedules_7d": 0,
            "tutor_reschedules_30d": 3,
            "tutor_reschedules_90d": 3,
            "is_high_risk": False,
            "threshold": 15.0,
            "low_sample": False,
        },
    }
    assert reschedule_risk(3, 17, threshold=14.99)["components"]["is_high_risk"] is True


def test_two_sessions_judge_nobody() -> None:
    found = reschedule_risk(2, 0)
    assert (found["value"], found["level"]) == (0.0, "low")
    assert found["components"]["reschedule_rate_7d"] == 100.0
    assert found["components"]["is_high_risk"] is False
    found = reschedule_risk(1, 2)
    assert (found["value"], found["level"], found["components"]["is_high_risk"]) == (33.33, "high", True)
    assert found["components"]["low_sample"] is True


# Performance summary


@pytest.mark.parametrize(
    ("early", "trend", "average"),  # minutes too early, newest first: SQS is 100 less that
    [
        ([10, 20], "insufficient_data", 85.0),
        ([10, 20, 30], "improving", 80.0),
        ([10, 15, 15], "stable", 86.7),  # exactly 5 more
        ([16, 10, 10], "declining", 88.0),
        ([10, 10, 30, 30, 30, 40], "improving", 78.0),  # the sixth is too old
    ],
)
def test_summary(early: Sequence[int], trend: str, average: float) -> None:
    taught = [booking(number, number + 1, late=0, early=minutes) for number, minutes in enumerate(early)]
    assert quality(world(taught), NOW).summaries == {TUTOR: {"trend": trend, "average_sqs": average}}


def test_rounding_is_half_up_and_past_noise() -> None:
    assert rounded(Fraction(5175, 1000), 2) == 5.18
    assert rounded(Fraction(0.28499999999999998), 2) == 0.29
    assert rounded(Fraction(-1, 2), 0) == 0.0
    assert rounded(None, 2) is None
