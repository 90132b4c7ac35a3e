"""Which strategy scores a profile: precedence, the identity gate, and what it is asked to read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import permutations
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caas_worker.errors import SettingsError
from caas_worker.model import Profile, Score, Stats
from caas_worker.settings import Settings
from caas_worker.strategies import UNSUPPORTED_VERSION, Registry
from caas_worker.strategies.tutor import TutorStrategy

pytestmark = pytest.mark.quick

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)


class Fake:
    """A strategy that scores everybody alike and keeps what it was given."""

    name: ClassVar[str]
    role: ClassVar[str]
    precedence: ClassVar[int]
    version: ClassVar[str]
    statistics: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.given: list[tuple[Profile, Mapping[str, Stats], datetime]] = []

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        self.given.append((profile, stats, now))
        return Score(role_type=self.role, version=self.version, total=50)


class FakeTutor(Fake):
    name = "tutor"
    role = "TUTOR"
    precedence = 10
    version = "tutor-v0"
    statistics: ClassVar[tuple[str, ...]] = ("taught", "known")


class FakeClient(Fake):
    name = "client"
    role = "CLIENT"
    precedence = 20
    version = "client-v0"
    statistics: ClassVar[tuple[str, ...]] = ("booked",)


class FakeAgent(Fake):
    name = "agent"
    role = "AGENT"
    precedence = 30
    version = "agent-v0"


def person(*roles: str, verified: bool = True) -> Profile:
    return Profile(profile_id=ME, roles=frozenset(roles), identity_verified=verified)


def everything(known: int = 0) -> dict[str, dict[UUID, dict[str, Any]]]:
    return {function: {ME: {"of": "me"}, OTHER: {"of": known}} for function in ("taught", "known", "booked")}


def in_words(kinds: tuple[type[Fake], ...]) -> str:
    return " ".join(kind.name for kind in kinds)


@pytest.mark.parametrize("registered", [*permutations([FakeTutor, FakeClient, FakeAgent])], ids=in_words)
@pytest.mark.parametrize(
    ("roles", "scored"),
    [
        (["TUTOR"], "TUTOR"),
        (["CLIENT"], "CLIENT"),
        (["AGENT"], "AGENT"),
        (["CLIENT", "TUTOR"], "TUTOR"),
        (["AGENT", "TUTOR"], "TUTOR"),
        (["AGENT", "CLIENT"], "CLIENT"),
        (["AGENT", "CLIENT", "TUTOR", "STAFF"], "TUTOR"),
        (["AGENT", "STAFF"], "AGENT"),
        (["STAFF"], None),
        ([], None),
    ],
    ids=str,
)
def test_tutor_comes_before_client_before_agent_in_whatever_order_they_are_registered(
    registered: tuple[type[Fake], ...], roles: list[str], scored: str | None
) -> None:
    registry = Registry([kind() for kind in registered])
    assert registry.score(person(*roles), everything(), NOW).role_type == scored


@settings(deadline=None)
@given(st.sets(st.sampled_from(["TUTOR", "CLIENT", "AGENT", "STAFF"])), st.sets(st.sampled_from([0, 1, 2])))
def test_first_supported_role_is_scored(roles: set[str], registered: set[int]) -> None:
    strategies = [[FakeTutor, FakeClient, FakeAgent][number] for number in sorted(registered)]
    supported = [strategy.role for strategy in strategies if strategy.role in roles]
    score = Registry([kind() for kind in strategies]).score(person(*roles), everything(), NOW)
    assert score.role_type == (supported[0] if supported else None)


def test_a_role_without_a_strategy_falls_to_the_next_one() -> None:
    registry = Registry([FakeAgent(), FakeTutor()])
    assert registry.score(person("CLIENT", "AGENT"), everything(), NOW).role_type == "AGENT"


@pytest.mark.parametrize("verified", [True, False])
def test_without_a_supported_role_the_total_is_0_whatever_the_gate_says(verified: bool) -> None:
    score = Registry([FakeTutor()]).score(person("CLIENT", verified=verified), {}, NOW)
    assert (score.total, score.reason, score.gate_failed) == (0, "unsupported_role", False)
    assert (score.role_type, score.version, score.breakdown) == (None, UNSUPPORTED_VERSION, {})


@pytest.mark.parametrize("strategy", [FakeTutor(), FakeClient(), FakeAgent()], ids=lambda one: one.name)
def test_the_identity_gate_stands_before_every_rule(strategy: Fake) -> None:
    score = Registry([strategy]).score(person(strategy.role, verified=False), {}, NOW)
    assert (score.total, score.reason, score.gate_failed, score.breakdown) == (0, "unverified", True, {})
    assert (score.role_type, score.version) == (strategy.role, strategy.version)
    assert strategy.given == []


def test_statistics_are_read_only_for_those_who_get_points() -> None:
    registry = Registry([FakeTutor(), FakeClient()])
    assert registry.needs(person("TUTOR")) == ("taught", "known")
    assert registry.needs(person("CLIENT")) == ("booked",)
    assert registry.needs(person("CLIENT", "TUTOR")) == ("taught", "known")
    assert registry.needs(person("TUTOR", verified=False)) == ()
    assert registry.needs(person("STAFF")) == ()


def test_a_strategy_gets_the_profiles_own_statistics_and_the_batchs_time() -> None:
    strategy = FakeTutor()
    profile = person("TUTOR")
    Registry([strategy]).score(profile, everything(known=7), NOW)
    assert strategy.given == [(profile, {"taught": {"of": "me"}, "known": {"of": "me"}}, NOW)]


def test_missing_statistics_are_an_error_and_never_zeros() -> None:
    registry = Registry([FakeTutor()])
    with pytest.raises(KeyError):
        registry.score(person("TUTOR"), {"taught": {ME: {}}}, NOW)
    with pytest.raises(KeyError):
        registry.score(person("TUTOR"), {"taught": {OTHER: {}}, "known": {OTHER: {}}}, NOW)


def test_two_strategies_for_one_role_are_refused() -> None:
    with pytest.raises(SettingsError, match="TUTOR"):
        Registry([FakeTutor(), TutorStrategy()])


def test_installed_strategies_include_the_tutor_rule() -> None:
    strategy = Registry.installed(Settings()).route(person("TUTOR"))
    assert isinstance(strategy, TutorStrategy)
