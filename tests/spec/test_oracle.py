"""The oracle against every worked example of cases/credibility.json, and at the edges of the windows: no database."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.oracle import Expected, Row, Tables, expected, tutor_total
from tests.spec.rows import RECORDING, visits_per_client

pytestmark = pytest.mark.quick

CASES: dict[str, list[Any]] = json.loads((Path(__file__).parent / "cases" / "credibility.json").read_text())

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)
INSTANT = timedelta(microseconds=1)


PROFILE: Row = {
    "avatar_url": None,
    "bio": None,
    "bio_video_url": None,
    "identity_verified": True,
    "dbs_verified": False,
    "dbs_expiry_date": None,
    "available_free_help": False,
    "business_verified": False,
}


BOOKING: Row = {
    "type": None,
    "status": "Completed",
    "scheduled_start": YESTERDAY,
    "cancelled_by": None,
    "no_show_by": None,
    "payment_status": None,
    "recording_url": None,
}


@dataclass
class Rows:
    """An application's rows in memory; each adder returns what the next one refers to."""

    profiles: list[Row] = field(default_factory=list)
    role_details: list[Row] = field(default_factory=list)
    listings: list[Row] = field(default_factory=list)
    bookings: list[Row] = field(default_factory=list)
    profile_reviews: list[Row] = field(default_factory=list)
    profile_graph: list[Row] = field(default_factory=list)
    student_integration_links: list[Row] = field(default_factory=list)
    platform_events: list[Row] = field(default_factory=list)

    def score(self, profile_id: UUID, now: datetime = NOW) -> Expected:
        return expected(Tables(**{table.name: getattr(self, table.name) for table in fields(Tables)}), now)[profile_id]

    def person(self, *roles: str, **columns: Any) -> UUID:
        profile_id = uuid4()
        self.profiles.append({**PROFILE, "id": profile_id, "roles": list(roles), **columns})
        return profile_id

    def describe(self, tutor: UUID, role_type: str = "TUTOR", **columns: Any) -> None:
        blank: Row = {"degree_level": None, "qualifications": [], "teaching_experience": None}
        self.role_details.append({"profile_id": tutor, "role_type": role_type, **blank, **columns})

    def link(self, tutor: UUID, tool: str, is_active: bool = True) -> None:
        self.student_integration_links.append({"profile_id": tutor, "integration_type": tool, "is_active": is_active})

    def listing(self, tutor: UUID) -> UUID:
        listing_id = uuid4()
        self.listings.append({"id": listing_id, "profile_id": tutor})
        return listing_id

    def book(self, listing: UUID | None, client: UUID | None, times: int = 1, **columns: Any) -> None:
        self.bookings += [{**BOOKING, "listing_id": listing, "client_id": client, **columns}] * times

    def teach(self, tutor: UUID, completed: int, retention: float, recorded: int = 0) -> None:
        listing, numbers = self.listing(tutor), count()
        for visits in visits_per_client(completed, Fraction(str(retention))):
            client = uuid4()
            for _ in range(visits):
                self.book(listing, client, recording_url=RECORDING if next(numbers) < recorded else " ")

    def review(self, reviewee: UUID, mean: float, reviewer: UUID | None = None) -> None:
        """The fewest whole ratings with this mean; none for 0."""
        exact = Fraction(str(mean))
        low, high_ones = divmod(exact.numerator, exact.denominator)
        for number in range(exact.denominator if mean else 0):
            rating = low + (number < high_ones)
            self.profile_reviews.append({"reviewer_id": reviewer or uuid4(), "reviewee_id": reviewee, "rating": rating})

    def relate(
        self, source: UUID, target: UUID, kind: str = "AGENT_REFERRAL", status: str = "ACTIVE", at: datetime = NOW
    ) -> None:
        self.profile_graph.append(
            {
                "source_profile_id": source,
                "target_profile_id": target,
                "relationship_type": kind,
                "status": status,
                "created_at": at,
            }
        )

    def relate_many(self, tutor: UUID, referrals: int, connections: int, referred: bool) -> None:
        for _ in range(referrals):
            self.relate(tutor, uuid4())
        for number in range(connections):
            self.relate(*((tutor, uuid4()) if number % 2 else (uuid4(), tutor)), "SOCIAL")
        if referred:
            self.relate(uuid4(), tutor)

    def answer(self, profile_id: UUID, metadata: Any, at: datetime = YESTERDAY) -> None:
        self.platform_events.append(
            {"profile_id": profile_id, "event_type": "message_response", "occurred_at": at, "metadata": metadata}
        )


@pytest.fixture
def rows() -> Rows:
    return Rows()


def statistics_of(case: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in case.items() if name not in ("points", "provisional")}


@pytest.mark.parametrize(("raw", "total"), CASES["tutor_total_from_raw"])
def test_tutor_total_is_the_share_of_110_points(raw: float, total: int) -> None:
    assert tutor_total(raw) == total


@pytest.mark.parametrize("case", CASES["tutor_performance"], ids=str)
def test_tutor_performance(rows: Rows, case: dict[str, Any]) -> None:
    tutor = rows.person("TUTOR")
    rows.teach(tutor, case["completed_sessions"], case["retention_rate"])
    rows.review(tutor, case["avg_rating"])
    rows.review(tutor, 1, reviewer=tutor)
    score = rows.score(tutor)
    assert statistics_of(case).items() <= score.statistics.items()
    assert score.breakdown["performance"] == pytest.approx(case["points"])
    assert score.breakdown.get("provisional", False) is case.get("provisional", False)


@pytest.mark.parametrize("case", CASES["tutor_qualifications"], ids=str)
def test_tutor_qualifications(rows: Rows, case: dict[str, Any]) -> None:
    tutor = rows.person("TUTOR")
    rows.describe(tutor, **statistics_of(case))
    assert rows.score(tutor).breakdown["qualifications"] == case["points"]


@pytest.mark.parametrize(
    ("details", "points"),
    [
        ({"degree_level": " phd "}, 10),
        ({"degree_level": "NONE", "qualifications": {"education": "PHD"}}, 0),
        ({"degree_level": "\n", "qualifications": {"education": " Bachelors"}}, 10),
        ({"qualifications": {"certifications": "QTS", "education": ["PHD"]}}, 0),
        ({"qualifications": [None, 1, ["QTS"], {"name": "QTS"}]}, 0),
        ({"qualifications": [7, " qts "]}, 10),
        ({"qualifications": "QTS"}, 0),
        ({"qualifications": None}, 0),
        ({"role_type": "tutor", "degree_level": "PHD"}, 10),
        ({"role_type": "CLIENT", "degree_level": "PHD"}, 0),
    ],
    ids=str,
)
def test_tutor_qualifications_of_any_shape(rows: Rows, details: dict[str, Any], points: int) -> None:
    tutor = rows.person("TUTOR")
    rows.describe(tutor, **details)
    assert rows.score(tutor).breakdown["qualifications"] == points


def test_the_upper_case_spelling_of_the_role_type_wins(rows: Rows) -> None:
    tutor = rows.person("TUTOR")
    for role_type, degree in {"Tutor": None, "TUTOR": "PHD", "tutor": None}.items():
        rows.describe(tutor, role_type, degree_level=degree)
    assert rows.score(tutor).breakdown["qualifications"] == 10


@pytest.mark.parametrize("case", CASES["tutor_network"], ids=str)
def test_tutor_network(rows: Rows, case: dict[str, Any]) -> None:
    tutor = rows.person("TUTOR")
    rows.relate_many(tutor, case["referral_count"], case["connection_count"], case["is_agent_referred"])
    rows.relate(tutor, tutor)
    rows.relate(uuid4(), tutor, status="PENDING")
    score = rows.score(tutor)
    assert statistics_of(case).items() <= score.statistics.items()
    assert score.breakdown["network"] == case["points"]


@pytest.mark.parametrize("case", CASES["tutor_social_impact"], ids=str)
def test_tutor_social_impact(rows: Rows, case: dict[str, Any]) -> None:
    tutor = rows.person("TUTOR", available_free_help=case["available_free_help"])
    rows.book(rows.listing(tutor), None, case["completed_free_sessions_count"], type="free_help")
    assert rows.score(tutor).breakdown["social_impact"] == case["points"]


@pytest.mark.parametrize("case", CASES["tutor_digital_engagement"], ids=str)
def test_tutor_digital_engagement(rows: Rows, case: dict[str, Any]) -> None:
    tutor = rows.person("TUTOR")
    rate = Fraction(str(case["virtual_usage_rate"]))
    rows.teach(tutor, rate.denominator, 0, recorded=rate.numerator)
    score = rows.score(tutor)
    assert score.statistics["virtual_usage_rate"] == case["virtual_usage_rate"]
    assert score.breakdown["digital"] == case["points"]


@pytest.mark.parametrize(
    ("logged", "to_log", "rate"), [(4, 0, 0.0), (3, 1, 0.0), (5, 0, 1.0), (4, 1, 0.8), (0, 5, 0.0), (0, 0, 0.0)]
)
def test_tutor_logs_by_hand_from_five_sessions_on(rows: Rows, logged: int, to_log: int, rate: float) -> None:
    tutor = rows.person("TUTOR")
    listing = rows.listing(tutor)
    rows.book(listing, None, logged)
    rows.book(listing, None, to_log, status="Pending log")
    rows.book(listing, None, 5, status="Confirmed")
    score = rows.score(tutor)
    assert score.statistics["manual_session_log_rate"] == rate
    assert (score.statistics["completed_sessions"], score.statistics["retention_rate"]) == (logged, 0)
    assert score.breakdown["digital"] == (5 if rate > 0.8 else 0)


@pytest.mark.parametrize("case", CASES["client_reliability"], ids=str)
def test_client_reliability(rows: Rows, case: dict[str, Any]) -> None:
    client = rows.person("CLIENT")
    settle(rows, client, attended=round(case["attendance"] * 20), cancelled=round(case["cancelled"] * 20))
    assert case["paid"] == 1
    assert rows.score(client).breakdown["reliability"] == case["points"]


def settle(rows: Rows, client: UUID, attended: int, cancelled: int) -> None:
    """Twenty paid bookings, the rest of them missed."""
    rows.book(uuid4(), client, attended, payment_status="Succeeded")
    rows.book(uuid4(), client, cancelled, payment_status="Succeeded", status="Cancelled", cancelled_by="client")
    missed = {"status": "No-show", "no_show_by": "client"}
    rows.book(uuid4(), client, 20 - attended - cancelled, payment_status="Succeeded", **missed)


def new_tutor(rows: Rows, free_sessions: int = 0, **columns: Any) -> UUID:
    tutor = rows.person("TUTOR", **columns)
    rows.book(rows.listing(tutor), None, free_sessions, type="free_help")
    return tutor


def tutor_of_71(rows: Rows) -> UUID:
    columns = {"dbs_verified": True, "dbs_expiry_date": NOW + INSTANT, "available_free_help": True}
    tutor = new_tutor(rows, 3, **columns)
    rows.teach(tutor, 100, 0.68, recorded=91)
    rows.review(tutor, 4.7)
    rows.describe(tutor, degree_level="MASTERS", teaching_experience=6)
    rows.relate_many(tutor, referrals=2, connections=0, referred=True)
    rows.link(tutor, "GOOGLE_CALENDAR")
    return tutor


def client_of_bookings(rows: Rows, times: int = 1, **columns: Any) -> UUID:
    client = rows.person("CLIENT")
    rows.book(uuid4(), client, times, **columns)
    return client


def client_of_twenty(rows: Rows) -> UUID:
    client = rows.person("CLIENT")
    settle(rows, client, attended=19, cancelled=0)
    return client


def agent_of_one(rows: Rows) -> UUID:
    agent = rows.person("AGENT")
    rows.relate(agent, rows.person("TUTOR"))
    return agent


STORIES: dict[str, dict[str, Callable[[Rows], UUID]]] = {
    "end_to_end": {
        "new verified tutor, nothing else": new_tutor,
        "the same with available_free_help": lambda rows: new_tutor(rows, available_free_help=True),
        "the same with 3 completed free sessions": lambda rows: new_tutor(rows, 3, available_free_help=True),
        "the same with 5 or more completed free sessions": lambda rows: new_tutor(rows, 6, available_free_help=True),
        "not identity verified": lambda rows: new_tutor(rows, identity_verified=False),
        "rating 4.7, retention 0.68, MASTERS, 6 years, 2 referrals and agent-referred, valid DBS, calendar, "
        "virtual 0.91, available, 3 free sessions": tutor_of_71,
    },
    "client_totals": {
        "new verified client, nothing else": lambda rows: rows.person("CLIENT"),
        "20 settled paid bookings: 19 attended, 1 client no-show, none cancelled, all 20 paid, no reviews, "
        "empty profile": client_of_twenty,
        "one attended free session, nothing else": lambda rows: client_of_bookings(rows, type="free_help"),
        "the only booking cancelled by the tutor": lambda rows: client_of_bookings(
            rows, status="Cancelled", cancelled_by="tutor"
        ),
        "not identity verified": lambda rows: rows.person("CLIENT", identity_verified=False),
    },
    "agent_totals": {
        "verified agent, no recruits": lambda rows: rows.person("AGENT"),
        "one recruit: a new verified tutor (39, being agent-referred), recruited today": agent_of_one,
    },
}


@pytest.mark.parametrize(
    ("section", "case"), [(section, case) for section in STORIES for case in CASES[section]], ids=str
)
def test_every_story_ends_as_told(rows: Rows, section: str, case: dict[str, Any]) -> None:
    score = rows.score(STORIES[section][case["story"]](rows))
    gate_failed = case.get("gate_failed", False)
    assert (score.total, score.gate_failed) == (case["total"], gate_failed)
    assert score.reason == ("unverified" if gate_failed else None)
    assert bool(score.breakdown) is bool(score.statistics) is not gate_failed


@pytest.mark.parametrize(
    ("roles", "role_type", "version"),
    [
        (["AGENT", " client\n", "Tutor"], "TUTOR", "tutor-v5.9"),
        (["agent", "Client"], "CLIENT", "client-v1.0"),
        (["STAFF", "\tAgent"], "AGENT", "agent-v1.0"),
        (["STAFF"], None, "unsupported-v1"),
        ([], None, "unsupported-v1"),
    ],
)
def test_role_by_precedence(rows: Rows, roles: list[str], role_type: str | None, version: str) -> None:
    verified = rows.score(rows.person(*roles))
    unverified = rows.score(rows.person(*roles, identity_verified=False))
    assert (verified.role_type, verified.version) == (unverified.role_type, unverified.version) == (role_type, version)
    assert verified.reason == (None if role_type else "unsupported_role")
    assert unverified.reason == ("unverified" if role_type else "unsupported_role")
    assert (unverified.total, unverified.gate_failed, unverified.breakdown) == (0, bool(role_type), {})


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-09-16", "2026-03-16"),
        ("2025-08-31", "2026-02-28"),
        ("2023-08-31", "2024-02-29"),
        ("2025-12-31", "2026-06-30"),
        ("2025-06-15", "2025-12-15"),
    ],
)
def test_client_window_ends_six_calendar_months_later(rows: Rows, start: str, end: str) -> None:
    starts, ends = datetime.fromisoformat(start + "T08:30Z"), datetime.fromisoformat(end + "T08:30Z")
    client = client_of_bookings(rows, scheduled_start=starts.astimezone(ZoneInfo("America/New_York")))
    rows.answer(client, {"response_time_minutes": 60}, at=starts)
    seen = {
        now - starts: (
            score.statistics["settled_bookings"],
            score.statistics["median_response_minutes"],
            score.next_due_at,
        )
        for now in (starts - INSTANT, starts, ends, ends + INSTANT)
        for score in [rows.score(client, now)]
    }
    assert list(seen.values()) == [(0, None, starts), (1, 60, ends + INSTANT), (1, 60, ends + INSTANT), (0, None, None)]


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "Confirmed"},
        {"status": "Rescheduled"},
        {"status": "Cancelled", "cancelled_by": "tutor"},
        {"status": "No-show", "no_show_by": "tutor"},
        {"cancelled_by": "tutor"},
    ],
    ids=str,
)
def test_client_is_not_judged_by_what_is_open_or_the_tutors_fault(rows: Rows, columns: dict[str, Any]) -> None:
    score = rows.score(client_of_bookings(rows, **columns))
    assert score.breakdown == {"reliability": 50, "reviews": 0, "engagement": 0, "provisional": True}
    assert score.next_due_at is None


@pytest.mark.parametrize(
    ("answers", "median", "points"),
    [
        ([], None, 0),
        ([360], 360, 7.5),
        ([2000, 0, 360], 360, 7.5),
        ([1440, 0], 720, 5),
        ([0, 1440, 480, 960], 720, 5),
        ([0.5, 1.5], 1, 10 * (1 - 1 / 1440)),
        ([9000], 9000, 0),
        ([-1, True, "5", None, 360], 360, 7.5),
    ],
)
def test_client_answers_by_the_median(rows: Rows, answers: list[Any], median: float | None, points: float) -> None:
    client = rows.person("CLIENT", bio="x" * 51, avatar_url="https://pictures.test/1")
    for metadata in [None, {}, *({"response_time_minutes": minutes} for minutes in answers)]:
        rows.answer(client, metadata)
    score = rows.score(client)
    assert score.statistics["median_response_minutes"] == median
    assert score.breakdown["engagement"] == pytest.approx(10 + points)


def test_agent_counts_recruits_as_recent_for_90_days(rows: Rows) -> None:
    agent, tutor = rows.person("AGENT"), rows.person("tutor")
    ends = NOW + timedelta(hours=90 * 24)
    rows.relate(agent, tutor, at=NOW + timedelta(days=1))
    rows.relate(agent, tutor, at=NOW.astimezone(ZoneInfo("Europe/London")))
    rows.relate(agent, tutor, status="BLOCKED", at=NOW - timedelta(days=1))
    rows.relate(agent, rows.person("CLIENT"))
    recent = [rows.score(agent, now) for now in (NOW - INSTANT, NOW, ends - INSTANT)]
    assert {(score.breakdown["growth"], score.next_due_at) for score in recent} == {(3.2, ends)}
    assert (rows.score(agent, ends).breakdown["growth"], rows.score(agent, ends).next_due_at) == (1.2, None)


def test_agent_pools_the_figures_of_the_recruits(rows: Rows) -> None:
    agent = rows.person("AGENT", business_verified=True)
    ready, unverified = rows.person("TUTOR"), rows.person("TUTOR", identity_verified=False)
    for tutor, completed, retention, rating in [(ready, 8, 0.5, 5), (unverified, 1, 0, 3.5)]:
        rows.relate(agent, tutor)
        rows.teach(tutor, completed, retention)
        rows.review(tutor, rating)
    score = rows.score(agent)
    assert score.statistics == {
        "recruits": 2,
        "recent_recruits": 2,
        "scored_recruits": 2,
        "team_score": rows.score(ready).total / 2,
        "team_sessions": 9,
        "team_rating": 4,
        "team_retention": pytest.approx(1 / 3),
        "dbs_valid": False,
        "business_verified": True,
    }
    assert score.breakdown["business"] == pytest.approx(10 / 3 + 8 + 10 / 3)


@pytest.mark.parametrize("role", ["TUTOR", "AGENT"])
def test_dbs_is_valid_until_it_expires(rows: Rows, role: str) -> None:
    checked = rows.person(role, dbs_verified=True, dbs_expiry_date=NOW)
    before, at = rows.score(checked, NOW - INSTANT), rows.score(checked, NOW)
    assert (before.statistics["dbs_valid"], before.next_due_at) == (True, NOW)
    assert (at.statistics["dbs_valid"], at.next_due_at) == (False, None)
    assert not rows.score(rows.person(role, dbs_verified=True)).statistics["dbs_valid"]
    assert not rows.score(rows.person(role, dbs_expiry_date=NOW + INSTANT)).statistics["dbs_valid"]
