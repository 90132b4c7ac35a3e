"""What becomes of a recruit reaches the agent, and goes round for ever nowhere (scoring 1.4)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from caas_worker import worker
from caas_worker.model import Profile, Score, Stats
from caas_worker.pipeline import Line
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from tests.people import Rows, add_booking, add_client, add_listing, add_profile, add_review, add_tutor, total
from tests.spec.conftest import Published
from tests.spec.rows import recruit, refer


def another_total(app: Rows, tutor: UUID) -> None:
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))


def another_review(app: Rows, tutor: UUID) -> None:
    add_review(app, add_client(app), tutor, 3)


def another_booking(app: Rows, tutor: UUID) -> None:
    add_booking(app, add_listing(app, tutor), add_client(app))


def a_listing_that_moves_away(app: Rows, tutor: UUID) -> None:
    app.execute("update listings set profile_id = %s where profile_id = %s", (add_tutor(app), tutor))


def no_tutor_any_more(app: Rows, tutor: UUID) -> None:
    app.execute("update profiles set roles = '{CLIENT}' where id = %s", (tutor,))


def a_tutor_again(app: Rows, client: UUID) -> None:
    app.execute("update profiles set roles = '{TUTOR}' where id = %s", (client,))


def no_identity(app: Rows, tutor: UUID) -> None:
    app.execute("update profiles set identity_verified = false where id = %s", (tutor,))


def gone(app: Rows, tutor: UUID) -> None:
    app.execute("delete from profiles where id = %s", (tutor,))


CHANGES: list[tuple[str, Callable[[Rows, UUID], None], dict[str, Any]]] = [
    ("TUTOR", another_total, {"recruits": 2, "team_score": 34.5}),
    ("TUTOR", another_review, {"team_rating": 4, "team_score": 31}),
    ("TUTOR", another_booking, {"team_sessions": 2}),
    ("TUTOR", a_listing_that_moves_away, {"team_sessions": 0, "team_score": 39}),
    ("TUTOR", no_tutor_any_more, {"recruits": 1, "team_score": 39, "team_rating": 0, "team_sessions": 0}),
    ("CLIENT", a_tutor_again, {"recruits": 2, "team_score": 32, "team_rating": 5, "team_sessions": 1}),
    ("TUTOR", no_identity, {"recruits": 2, "team_score": 19.5}),
    ("TUTOR", gone, {"recruits": 1, "team_score": 39, "team_rating": 0}),
]


@pytest.mark.parametrize(("role", "change", "after"), CHANGES, ids=[change.__name__ for _, change, _ in CHANGES])
def test_what_becomes_of_a_recruit_reaches_the_agent(
    app: Rows, published: Published, role: str, change: Callable[[Rows, UUID], None], after: dict[str, Any]
) -> None:
    agent, recruited = add_profile(app, "AGENT"), add_profile(app, role)
    refer(app, agent, recruited)
    recruit(app, agent, "1 TUTOR")
    add_review(app, add_client(app), recruited, 5)
    add_booking(app, add_listing(app, recruited), add_client(app))
    before = published(agent)
    change(app, recruited)
    changed = published(agent)
    assert {name: changed["score_inputs"][name] for name in after} == after
    assert {name: before["score_inputs"][name] for name in after} != after
    app.execute("select caas.enqueue(array[%s], 'test')", (agent,))
    assert published(agent)["score_inputs"] == changed["score_inputs"]


class NoOneStars(TutorStrategy):
    """The tutor rule, which fails at a mean rating of 1."""

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        if stats["performance_stats"]["avg_rating"] == 1:
            raise ValueError("one star")
        return super().score(profile, stats, now)


def test_a_recruit_that_is_set_aside_reaches_the_agent(app: Rows, make_line: Callable[..., Line]) -> None:
    line = make_line(NoOneStars(), ClientStrategy(), AgentStrategy())
    agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
    refer(app, agent, tutor)
    worker.drain(line, batch_size=100)
    add_review(app, add_client(app), tutor, 1)
    assert worker.drain(line, batch_size=100).dead == 1
    known = app.execute("select score_inputs from caas.scores where profile_id = %s", (agent,)).fetchone()
    assert known is not None
    assert (known[0]["team_rating"], known[0]["team_score"], total(app, tutor)) == (1, 39, 39)


def test_a_recruit_that_never_had_a_score_reaches_the_agent_by_its_role(
    app: Rows, make_line: Callable[..., Line]
) -> None:
    line = make_line(NoOneStars(), ClientStrategy(), AgentStrategy())
    agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
    refer(app, agent, tutor)
    add_review(app, add_client(app), tutor, 1)
    recruits = "select score_inputs -> 'recruits', score_inputs -> 'team_score' from caas.scores where profile_id = %s"
    assert worker.drain(line, batch_size=100).dead == 1
    assert app.execute(recruits, (agent,)).fetchone() == (1, None)
    no_tutor_any_more(app, tutor)
    assert worker.drain(line, batch_size=100).failed == 0
    assert app.execute(recruits, (agent,)).fetchone() == (0, None)


@pytest.mark.parametrize("roles", [("TUTOR", "AGENT"), ("AGENT",)], ids=" ".join)
def test_two_who_recruited_each_other_come_to_rest(app: Rows, drain: Callable[..., Any], roles: tuple[str]) -> None:
    one, other = add_profile(app, *roles), add_profile(app, *roles)
    refer(app, one, other)
    refer(app, other, one)
    for _ in range(2):
        summary = drain(max_batches=10)
        assert (summary.remaining, summary.batches < 10) == (0, True)
        totals = (43, 43) if "TUTOR" in roles else (5, 5)
        assert (total(app, one), total(app, other)) == totals
        app.execute("update profiles set bio = 'Hello' where id = %s", (one,))
