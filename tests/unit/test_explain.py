"""Explanations (scoring 1): they add up, and what they promise comes true."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caas_worker.cli.explained import show, standing, way
from caas_worker.explain import Explanation, explain
from caas_worker.model import Profile, RoleDetails, Score, Stats
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.base import Change, Component, Explains, Strategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.strategies.words import count, number, percent
from tests.docs.example import ADD_A_STRATEGY, blocks, files, load

pytestmark = pytest.mark.quick

EXPLAIN_A_SCORE = ADD_A_STRATEGY.with_name("explain-a-score.md")
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ME = UUID("3f2b8c1e-7d4a-4b0e-9c55-0a6f1d2e3b47")
REGISTRY = Registry([TutorStrategy(), ClientStrategy(), AgentStrategy()])
MAXIMA = {"TUTOR": 110, "CLIENT": 100, "AGENT": 100}

TAUGHT = {
    "avg_rating": 0.0,
    "completed_sessions": 0,
    "retention_rate": 0.0,
    "manual_session_log_rate": 0.0,
    "completed_free_sessions_count": 0,
    "virtual_usage_rate": 0.0,
}
NETWORK = {"referral_count": 0, "connection_count": 0, "is_agent_referred": False}
LINKS = {"google_calendar_synced": False, "google_classroom_synced": False}
BOOKED = {
    "settled_bookings": 0,
    "attended_bookings": 0,
    "cancelled_bookings": 0,
    "payable_bookings": 0,
    "paid_bookings": 0,
    "avg_rating": 0.0,
    "median_response_minutes": None,
    "unforeseen_responses": 0,
    "next_due_at": None,
}
TEAM = {
    "recruits": 0,
    "recent_recruits": 0,
    "scored_recruits": 0,
    "team_score": None,
    "team_sessions": 0,
    "team_rating": 0.0,
    "team_retention": 0.0,
    "next_due_at": None,
}
NOTHING: dict[str, dict[str, Any]] = {
    "performance_stats": TAUGHT,
    "network_stats": NETWORK,
    "link_stats": LINKS,
    "client_stats": BOOKED,
    "agent_stats": TEAM,
}
"""The statistics of somebody of whom nothing is known."""

Statistics = dict[str, dict[UUID, Stats]]


def person(role: str, **facts: Any) -> Profile:
    return Profile(ME, frozenset({role}), **{"identity_verified": True, **facts})


def statistics(**known: Any) -> Statistics:
    """Nothing but this is known, whichever function says it."""
    assert known.keys() <= {name for row in NOTHING.values() for name in row}
    return {
        function: {ME: {name: known.get(name, default) for name, default in row.items()}}
        for function, row in NOTHING.items()
    }


def told(role: str, facts: Mapping[str, Any] | None = None, **known: Any) -> Explanation:
    return explain(REGISTRY, person(role, **facts or {}), statistics(**known), NOW)


def parts(explanation: Explanation) -> dict[str, Component]:
    return {component.name: component for bucket in explanation.buckets for component in bucket.components}


fractions = st.floats(0, 1)
counts = st.integers(0, 2000)
ratings = st.just(0.0) | st.floats(1, 5)
times = st.none() | st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.just(UTC))
texts = st.none() | st.text(max_size=70)
stored = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("QTS"),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["certifications", "education", "x"]), inner),
    max_leaves=5,
)
details = st.builds(
    RoleDetails,
    degree_level=st.none() | st.sampled_from(["PHD", "masters", "DIPLOMA", " "]),
    qualifications=stored,
    teaching_experience=st.none() | st.integers(-5, 60),
)
facts = st.fixed_dictionaries(
    {
        "dbs_verified": st.booleans(),
        "dbs_expiry_date": times,
        "available_free_help": st.booleans(),
        "bio": texts,
        "bio_video_url": texts,
        "avatar_url": texts,
        "business_verified": st.booleans(),
        "role_details": st.dictionaries(st.sampled_from(["TUTOR", "CLIENT"]), details),
    }
)
tutors = st.fixed_dictionaries(
    {
        "avg_rating": ratings,
        "completed_sessions": counts | st.just(0),
        "retention_rate": fractions,
        "manual_session_log_rate": fractions,
        "completed_free_sessions_count": st.integers(0, 9),
        "virtual_usage_rate": fractions,
        "referral_count": st.integers(0, 6),
        "connection_count": st.integers(0, 20),
        "is_agent_referred": st.booleans(),
        "google_calendar_synced": st.booleans(),
        "google_classroom_synced": st.booleans(),
    }
)


@st.composite
def clients(draw: st.DrawFn) -> dict[str, Any]:
    settled = draw(st.integers(0, 40))
    attended = draw(st.integers(0, settled))
    payable = draw(st.integers(0, settled))
    return {
        "settled_bookings": settled,
        "attended_bookings": attended,
        "cancelled_bookings": draw(st.integers(0, settled - attended)),
        "payable_bookings": payable,
        "paid_bookings": draw(st.integers(0, payable)),
        "avg_rating": draw(ratings),
        "median_response_minutes": draw(st.none() | st.floats(0, 3000)),
        "unforeseen_responses": draw(st.integers(0, 2)),
        "next_due_at": draw(times),
    }


@st.composite
def agents(draw: st.DrawFn) -> dict[str, Any]:
    recruits = draw(st.integers(0, 15))
    scored = draw(st.integers(0, recruits))
    sessions = draw(counts) if recruits else 0
    return {
        "recruits": recruits,
        "recent_recruits": draw(st.integers(0, recruits)),
        "scored_recruits": scored,
        "team_score": draw(st.floats(0, 100)) if scored else None,
        "team_sessions": sessions,
        "team_rating": draw(ratings) if recruits else 0.0,
        "team_retention": draw(fractions) if sessions else 0.0,
        "next_due_at": draw(times),
    }


anyone = (
    st.tuples(st.just("TUTOR"), tutors)
    | st.tuples(st.just("CLIENT"), clients())
    | st.tuples(st.just("AGENT"), agents())
)


@settings(deadline=None)
@given(anyone, facts)
def test_components_add_up_to_the_breakdown(known: tuple[str, dict[str, Any]], facts: dict[str, Any]) -> None:
    role, row = known
    explanation = told(role, facts, **row)
    score = REGISTRY.score(person(role, **facts), statistics(**row), NOW)
    points = {name: value for name, value in score.breakdown.items() if not isinstance(value, bool)}
    added = {bucket.name: sum(part.points for part in bucket.components) for bucket in explanation.buckets}
    assert added == pytest.approx(points, abs=1e-9)
    assert {bucket.name: bucket.points for bucket in explanation.buckets} == points
    assert explanation.raw_maximum == MAXIMA[role]
    assert (explanation.total, explanation.inputs) == (score.total, score.inputs)
    for part in parts(explanation).values():
        assert part.maximum is None or 0 <= part.points <= part.maximum + 1e-9
        assert part.because.endswith(".")
        assert part.rule.endswith(".")
    assert sum(part.maximum is None for part in parts(explanation).values()) <= (role == "CLIENT")


@settings(deadline=None)
@given(anyone, facts)
def test_what_is_said_to_raise_a_score_raises_it(known: tuple[str, dict[str, Any]], facts: dict[str, Any]) -> None:
    role, row = known
    explanation = told(role, facts, **row)
    profile, before = person(role, **facts), statistics(**row)
    promised = {(one.bucket, one.component): one for one in explanation.raises}
    for part in parts(explanation).values():
        if part.raises is None:
            continue
        changed = replace(profile, **part.raises.profile)
        after = {name: {ME: {**rows[ME], **part.raises.stats.get(name, {})}} for name, rows in before.items()}
        then = explain(REGISTRY, changed, after, NOW)
        assert parts(then)[part.name].points == pytest.approx(part.maximum, abs=1e-9)
        assert then.raw_points >= explanation.raw_points
        if one := promised.pop((part.bucket, part.name), None):
            assert one.total == then.total == REGISTRY.score(changed, after, NOW).total
            assert one.gain == then.total - explanation.total
            assert one.points == pytest.approx(then.raw_points - explanation.raw_points)
        else:
            same_as_another = part.name in {"cancellation", "recent"}
            assert same_as_another or then.total <= explanation.total, "what raises it is not left out"
    assert promised == {}
    assert all(one.gain is None or one.gain > 0 for one in explanation.raises)
    gains = [one.gain for one in explanation.raises]
    assert gains == sorted(gains, reverse=True)


@settings(deadline=None)
@given(anyone, facts)
def test_nothing_to_raise_is_said_at_the_maximum_and_only_there(
    known: tuple[str, dict[str, Any]], facts: dict[str, Any]
) -> None:
    role, row = known
    something_first = {"team score", "sessions", "rating", "retention"} if role == "AGENT" else set()
    for part in parts(told(role, facts, **row)).values():
        if part.maximum is not None and part.name not in something_first:
            assert (part.raises is None) == (part.points >= part.maximum - 1e-9), part.name


@settings(deadline=None)
@given(anyone, facts, st.sets(st.sampled_from(["TUTOR", "CLIENT", "AGENT", "STAFF"])), st.booleans())
def test_any_explanation_is_json(
    known: tuple[str, dict[str, Any]], facts: dict[str, Any], roles: set[str], verified: bool
) -> None:
    profile = replace(person("", **facts), roles=frozenset(roles), identity_verified=verified)
    explanation = explain(REGISTRY, profile, statistics(**known[1]), NOW)
    again = json.loads(json.dumps(asdict(explanation), default=str, allow_nan=False))
    assert again["total"] == explanation.total
    assert len(again["buckets"]) == len(explanation.buckets)


TUTOR_OF_71: dict[str, Any] = {
    "avg_rating": 4.7,
    "completed_sessions": 30,
    "retention_rate": 0.68,
    "completed_free_sessions_count": 3,
    "virtual_usage_rate": 0.91,
    "referral_count": 2,
    "is_agent_referred": True,
    "google_calendar_synced": True,
}
FACTS_OF_71: dict[str, Any] = {
    "dbs_verified": True,
    "dbs_expiry_date": NOW + timedelta(days=90),
    "available_free_help": True,
    "role_details": {"TUTOR": RoleDetails("MASTERS", ["PGCE"], 6)},
}


def test_the_worked_example_of_the_tutor_rule_in_words() -> None:
    explanation = told("TUTOR", FACTS_OF_71, **TUTOR_OF_71)
    assert explanation.arithmetic == (
        "78.3 of 110 raw points, 71 of 100 after rounding (71.18 before). "
        "A raw point is worth 0.91 points of the total."
    )
    assert {name: part.because for name, part in parts(explanation).items()} == {
        "rating": "4.7 of 5 over the reviews.",
        "retention": "68 % of the clients booked again.",
        "degree": "The degree is MASTERS.",
        "QTS": "Recorded: PGCE.",
        "veteran": "6 years of teaching.",
        "referrals": "2 referrals made.",
        "bonus": "No connection, referred by an agent.",
        "identity": "The identity is verified.",
        "DBS": "The check is valid until 2026-08-02 12:00 UTC.",
        "tools": "Google Calendar connected.",
        "engagement": "91 % recorded, 0 % logged, no bio video.",
        "availability": "Free help is offered.",
        "delivery": "3 free sessions completed.",
    }
    assert [(one.gain, one.total, one.words) for one in explanation.raises] == [
        (9, 80, "Record the qualification QTS: 10 raw points."),
        (9, 80, "Reach 10 years of teaching, or record them: 10 raw points."),
        (5, 76, "Have clients book again: 0.15 raw points for each percent of them, 4.8 when all do."),
        (4, 75, "Refer 1 more person: 4 raw points each, 4 in all."),
        (2, 73, "Give 2 more free sessions: 1 raw point each, 2 in all."),
        (1, 72, "Earn better reviews: 0.3 raw points for each tenth of a star, 0.9 for an average of 5."),
    ]
    assert explanation.notes == (
        "The DBS check expires on 2026-08-02 12:00 UTC: its 5 raw points go then, unless it is renewed before.",
        "Time alone may next change the score on 2026-08-02 12:00 UTC: it is computed anew then.",
    )


def test_the_fall_after_a_first_session_is_told_before_and_after() -> None:
    before, after = told("TUTOR"), told("TUTOR", completed_sessions=1)
    assert (before.total, after.total) == (32, 5)
    assert before.flags == ("provisional",)
    [note] = before.notes
    assert "The first completed paid session ends them for good" in note
    assert "would take the total from 32 to 5" in note
    assert "not an error" in note
    ended = "The 30 provisional points of a new tutor ended with the first completed paid session; "
    assert after.notes == (
        f"{ended}no review takes their place yet.",
        f"{ended}no client has completed a second one yet.",
    )


@settings(deadline=None)
@given(tutors, facts)
def test_the_fall_that_is_told_is_the_one_that_comes(row: dict[str, Any], facts: dict[str, Any]) -> None:
    before = told("TUTOR", facts, **row | {"completed_sessions": 0})
    after = told("TUTOR", facts, **row | {"completed_sessions": 1})
    assert any(f"take the total from {before.total} to {after.total}." in note for note in before.notes)


def test_the_worked_example_of_the_client_rule_in_words() -> None:
    explanation = told(
        "CLIENT",
        {"bio": "x" * 80},
        settled_bookings=20,
        attended_bookings=12,
        cancelled_bookings=6,
        payable_bookings=20,
        paid_bookings=20,
        avg_rating=4.75,
        median_response_minutes=360.0,
        unforeseen_responses=1,
        next_due_at=NOW + timedelta(days=3),
    )
    assert explanation.arithmetic == (
        "77 of 100 raw points, 77 of 100 after rounding. A raw point is worth one point of the total."
    )
    assert {name: (part.points, part.because) for name, part in parts(explanation).items()} == {
        "attendance": (15, "12 of 20 settled bookings attended."),
        "cancellation": (10.5, "6 of 20 settled bookings cancelled by the client."),
        "payment": (10, "20 of 20 payable bookings paid."),
        "rounding": (0.5, "35.5 is rounded to 36."),
        "rating": (28.5, "4.75 of 5 over the reviews."),
        "bio": (5, "The bio has 80 characters."),
        "avatar": (0, "There is no avatar."),
        "response time": (7.5, "The median answer took 6 hours."),
    }
    assert [(one.gain, one.total, one.component) for one in explanation.raises] == [
        (14, 91, "attendance"),
        (12, 89, "cancellation"),
        (5, 82, "avatar"),
        (3, 80, "response time"),
        (2, 79, "rating"),
    ]
    assert explanation.notes == (
        "The rule does not foresee the shape of what is stored in platform_events.metadata.response_time_minutes: what "
        "it can't read gives no points.",
        "Bookings and answers count for six calendar months from their own time (UTC), then no more. Bookings that the "
        "tutor cancelled or missed never count: nobody pays for another's fault.",
        "Time alone may next change the score on 2026-05-07 12:00 UTC: it is computed anew then.",
    )


def test_the_worked_example_of_the_agent_rule_in_words() -> None:
    explanation = told(
        "AGENT",
        {"dbs_verified": True, "dbs_expiry_date": datetime(9999, 12, 30, tzinfo=UTC)},
        recruits=12,
        recent_recruits=2,
        scored_recruits=12,
        team_score=710 / 12,
        team_sessions=99,
        team_rating=4.5,
        team_retention=0.75,
    )
    assert explanation.total == 70
    assert {name: part.because for name, part in parts(explanation).items()} == {
        "team score": "The mean score of 12 recruits with a score is 59.17.",
        "sessions": "99 paid sessions completed by the recruits.",
        "rating": "4.5 of 5 over all reviews of the recruits.",
        "retention": "75 % of the recruits' clients booked again.",
        "size": "12 recruits.",
        "recent": "2 recruits gained less than 90 days ago.",
        "identity": "The identity is verified.",
        "DBS": "The check is valid for good.",
        "business": "The business is not verified.",
    }
    assert [(one.gain, one.total, one.component) for one in explanation.raises] == [
        (14, 84, "team score"),
        (5, 75, "business"),
        (4, 74, "recent"),
        (3, 73, "sessions"),
        (2, 72, "retention"),
        (1, 71, "rating"),
    ]


def test_an_agent_without_recruits_is_told_what_comes_first() -> None:
    explanation = told("AGENT")
    assert [one.component for one in explanation.raises] == ["size", "recent", "DBS", "business"]
    assert [one.total for one in explanation.raises] == [25, 18, 10, 10]
    assert "Team quality and business need recruits: tutors whom the agent referred." in explanation.notes


@pytest.mark.parametrize(
    ("facts", "because", "words"),
    [
        ({}, "No DBS check is verified.", "Have a DBS check verified that has not expired"),
        ({"dbs_verified": True}, "The check is verified, but has no expiry date.", "Enter when the DBS check expires"),
        (
            {"dbs_verified": True, "dbs_expiry_date": NOW},
            "The check expired on 2026-05-04 12:00 UTC.",
            "Renew the DBS check",
        ),
    ],
    ids=["never checked", "no date", "expired"],
)
@pytest.mark.parametrize("role", ["TUTOR", "AGENT"])
def test_why_a_dbs_check_does_not_count(role: str, facts: dict[str, Any], because: str, words: str) -> None:
    part = parts(told(role, facts))["DBS"]
    assert part.because == because
    assert part.raises is not None
    assert part.raises.words == f"{words}: 5 raw points."


@pytest.mark.parametrize("role", ["TUTOR", "CLIENT", "AGENT"])
def test_behind_the_identity_gate_only_the_verification_helps(role: str) -> None:
    explanation = explain(REGISTRY, person(role, identity_verified=False), {}, NOW)
    assert (explanation.total, explanation.reason, explanation.buckets) == (0, "unverified", ())
    assert [(one.words, one.total) for one in explanation.raises] == [
        ("Verify the identity: only then does anything else count.", None)
    ]
    assert explanation.notes == (
        "The identity is not verified: the total is 0 until it is, whatever the profile achieved. "
        "No statistics were read.",
    )


@pytest.mark.parametrize(
    ("roles", "has"), [({"STAFF", "CARETAKER"}, "has the role CARETAKER, STAFF"), (set(), "has no role")], ids=str
)
def test_a_role_that_no_rule_scores(roles: set[str], has: str) -> None:
    explanation = explain(REGISTRY, Profile(ME, frozenset(roles)), {}, NOW)
    assert (explanation.total, explanation.reason, explanation.raises) == (0, "unsupported_role", ())
    assert explanation.notes == (
        f"The profile {has}. Rules exist for TUTOR, CLIENT, AGENT; without one of these roles the total is 0.",
    )


def test_other_roles_are_said_not_to_count() -> None:
    profile = replace(person("TUTOR"), roles=frozenset({"TUTOR", "AGENT", "STAFF"}))
    assert explain(REGISTRY, profile, statistics(), NOW).notes[0] == (
        "The profile also has the role AGENT. Of TUTOR, CLIENT, AGENT only the first that it has is scored."
    )


def test_a_shape_that_no_rule_foresees_is_named() -> None:
    explanation = told("TUTOR", {"role_details": {"TUTOR": RoleDetails(qualifications="QTS")}})
    assert explanation.notes[0] == (
        "The rule does not foresee the shape of what is stored in qualifications: what it can't read gives no points."
    )
    assert parts(explanation)["QTS"].because == (
        "No qualification is recorded. Part of what is stored could not be read."
    )


class Silent:
    """A strategy that does not explain itself."""

    name: ClassVar[str] = "host"
    role: ClassVar[str] = "HOST"
    precedence: ClassVar[int] = 40
    version: ClassVar[str] = "host-v1.0"
    statistics: ClassVar[tuple[str, ...]] = ()

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        assert (profile.profile_id, stats, now) == (ME, {}, NOW)
        return Score("HOST", self.version, 42, {"turnout": 36.5, "safety": 5, "new": True}, {"held": 3})


class Terse(Silent):
    """A strategy that says what helps, but not which input that is."""

    def explain(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> list[Component]:
        assert (profile.profile_id, stats, now) == (ME, {}, NOW)
        return [
            Component("turnout", "seats", 36.5, 60, "Seats.", "So many.", Change("Fill the seats.")),
            Component("safety", "DBS", 5, 40, "DBS.", "Valid."),
        ]


def test_a_strategy_that_does_not_explain_itself_shows_buckets_and_inputs() -> None:
    silent: Strategy = Silent()
    assert not isinstance(silent, Explains)
    explanation = explain(Registry([silent]), person("HOST"), {}, NOW)
    assert [(each.name, each.points, each.maximum) for each in explanation.buckets] == [
        ("turnout", 36.5, None),
        ("safety", 5, None),
    ]
    assert (explanation.raw_points, explanation.raw_maximum, explanation.arithmetic) == (41.5, None, None)
    assert (explanation.flags, explanation.inputs, explanation.raises) == (("new",), {"held": 3}, ())


def test_a_change_without_inputs_is_reckoned_from_the_points() -> None:
    [one] = explain(Registry([Terse()]), person("HOST"), {}, NOW).raises
    assert (one.points, one.gain, one.total) == (23.5, 23, 65)


def test_a_total_that_is_no_percentage_promises_nothing() -> None:
    class Odd(Terse):
        def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
            return replace(super().score(profile, stats, now), total=7)

    explanation = explain(Registry([Odd()]), person("HOST"), {}, NOW)
    [one] = explanation.raises
    assert (one.points, one.gain, one.total, explanation.arithmetic) == (None, None, None, None)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The strategy of docs/how-to/add-a-strategy.md, with the page's way of explaining itself."""
    [method] = [block for block in blocks(ADD_A_STRATEGY, "python") if block.startswith("    def explain(")]
    text = files(ADD_A_STRATEGY)["caas_worker/strategies/host.py"]
    text = text.replace("import round_half_up", "import Change, Component, round_half_up")
    text = text.replace("import datetime\n", "import datetime, timedelta\n")
    return load("host_in_words", f"{text}\n{method}", tmp_path, monkeypatch)


def test_the_strategy_that_the_docs_write_explains_itself(host: ModuleType) -> None:
    rows = {"workshop_stats": {ME: {"held": 3, "turnout": 0.5, "changes_at": None}}}
    explanation = explain(Registry([host.HostStrategy()]), person("HOST"), rows, NOW)
    assert (explanation.raw_points, explanation.raw_maximum, explanation.total) == (48, 100, 48)
    assert [(one.component, one.gain, one.total) for one in explanation.raises] == [
        ("seats", 30, 78),
        ("workshops", 12, 60),
        ("DBS", 10, 58),
    ]


@pytest.mark.parametrize(
    ("amount", "said"), [(1, "1 raw point"), (1.0001, "1 raw point"), (0.77, "0.77 raw points"), (0, "no raw point")]
)
def test_one_point_is_one(amount: float, said: str) -> None:
    assert count(amount, "raw point") == said


CACHED = {
    "total_score": 71,
    "computed_score": None,
    "calculated_at": NOW - timedelta(hours=2),
    "calculation_version": "tutor-v5.9",
    "source_changed_at": NOW - timedelta(hours=3),
}


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prints the tutor of 71 as a pipe of that width gets it."""

    def print_it(columns: int, cached: dict[str, Any] | None, explanation: Explanation | None = None) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        show(explanation or told("TUTOR", FACTS_OF_71, **TUTOR_OF_71), cached=cached)
        return capsys.readouterr().out.splitlines()

    return print_it


BEGINNING = """\
71 of 100  TUTOR, tutor-v5.9
profile 3f2b8c1e-7d4a-4b0e-9c55-0a6f1d2e3b47, computed at 2026-05-04 12:00 UTC
78.3 of 110 raw points, 71 of 100 after rounding (71.18 before). A raw point is
worth 0.91 points of the total.
The cached score is 71 as well, of 2026-05-04 10:00 UTC.

Where the points come from
performance     24.3 of 30
  rating        14.1 of 15  4.7 of 5 over the reviews.
                            Rule: Average rating ÷ 5, times 15.
  retention     10.2 of 15  68 % of the clients booked again.
                            Rule: Clients with more than one completed paid
                            session ÷ all clients with any, times 15.
qualifications    10 of 30
  degree          10 of 10  The degree is MASTERS.
"""


def test_what_a_person_reads(shown: Any) -> None:
    lines = shown(80, CACHED)
    assert lines[: BEGINNING.count("\n")] == BEGINNING.splitlines()
    assert "+9  → 80  Record the qualification QTS: 10 raw points. (qualifications, QTS)" in lines
    assert "is_agent_referred              true" in lines


def test_the_docs_show_what_it_prints(shown: Any) -> None:
    [block] = blocks(EXPLAIN_A_SCORE, "text")
    *told_lines, ellipsis = block.splitlines()
    assert told_lines == shown(100, CACHED)[: len(told_lines)]
    assert ellipsis == "…"


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_it_fits_any_width(shown: Any, columns: int) -> None:
    lines = shown(columns, CACHED)
    assert max(map(len, lines)) <= min(columns, 120)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("cached", "sentences"),
    [
        (None, [f"No score is cached yet. Nothing is on its way. Compute it: caas-worker score recalculate {ME}"]),
        (
            CACHED | {"total_score": 62},
            [
                "The cached score is 62, of 2026-05-04 10:00 UTC; the last change that it knows is of 2026-05-04 09:00 "
                "UTC.",
                f"Nothing is on its way. Compute it: caas-worker score recalculate {ME}",
            ],
        ),
        (
            CACHED | {"total_score": 0, "computed_score": 71},
            [
                "The published score is held at 0, whatever the rule gives.",
                "The score underneath is 71 as well, of 2026-05-04 10:00 UTC.",
            ],
        ),
        (
            CACHED | {"total_score": 71, "computed_score": 70, "calculation_version": "tutor-v5.8"},
            [
                "The published score is held at 71, whatever the rule gives.",
                "The score underneath was made by tutor-v5.8, this one by tutor-v5.9.",
                "The score underneath is 70, of 2026-05-04 10:00 UTC; the last change that it knows is of 2026-05-04 "
                "09:00 UTC.",
                f"Nothing is on its way. Compute it: caas-worker score recalculate {ME}",
            ],
        ),
    ],
    ids=["none yet", "behind", "held", "held and behind"],
)
def test_the_cached_score_is_compared(shown: Any, cached: dict[str, Any] | None, sentences: list[str]) -> None:
    text = " ".join(shown(120, cached))
    head = text[: text.index("Where the points come from")]
    assert " ".join(head.split()).endswith(" ".join(" ".join(sentences).split()))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            {"place": "changes", "state": "marked", "reasons": ["listings"], "error": None},
            "A computation is on its way: the profile is marked (listings).",
        ),
        (
            {"place": "dead", "state": "set aside", "reasons": ["listings"], "error": "STRATEGY_FAILED"},
            f"It was set aside after STRATEGY_FAILED. Try it again: caas-worker queue retry {ME}",
        ),
    ],
)
def test_whether_a_computation_is_on_its_way_is_told_as_it_is(place: dict[str, Any], said: str) -> None:
    assert way(ME, place) == said
    explanation = told("TUTOR", FACTS_OF_71, **TUTOR_OF_71)
    assert list(standing(explanation, None, place)) == [f"No score is cached yet. {said}"]


def test_what_a_strategy_says_is_no_markup(shown: Any) -> None:
    class Bracketed(Silent):
        def explain(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> list[Component]:
            del profile, stats, now
            return [Component("turnout", "[red]", 36.5, 100, "[/b].", "[bold].", Change("[link]."))]

    lines = shown(80, None, explain(Registry([Bracketed()]), person("HOST"), {}, NOW))
    assert {"[red]", "[/b].", "[bold].", "[link]."} <= set(" ".join(lines).split())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.001, "0"),
        (7.5, "7.5"),
        (14.100000000000001, "14.1"),
        (100, "100"),
        (1200, "1,200"),
        (59.1667, "59.17"),
    ],
)
def test_numbers_have_as_many_digits_as_they_need(value: float, text: str) -> None:
    assert number(value) == text


def test_rates_and_counts() -> None:
    assert [percent(rate) for rate in (0, 0.68, 1 / 3, 1)] == ["0 %", "68 %", "33.3 %", "100 %"]
    assert [count(amount, "year") for amount in (0, 1, 2)] == ["no year", "1 year", "2 years"]
    assert count(2, "more person", "more people") == "2 more people"
