"""Every agent case of cases/credibility.json, from the application's writes to the cached score."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.people import Rows, add_profile, add_tutor, total
from tests.spec.cases import CASES
from tests.spec.conftest import Published
from tests.spec.rows import refer

OF_ONE_RECRUIT = "one recruit: a new verified tutor (39, being agent-referred), recruited today"

STORIES: dict[str, Callable[[Rows], tuple[UUID, ...]]] = {
    "verified agent, no recruits": lambda app: (add_profile(app, "AGENT"),),
    OF_ONE_RECRUIT: lambda app: agent_and_recruit(app),
}


def agent_and_recruit(app: Rows) -> tuple[UUID, UUID]:
    agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
    refer(app, agent, tutor)
    return agent, tutor


@pytest.mark.parametrize("case", CASES["agent_totals"], ids=lambda case: case["story"])
def test_story_ends_with_its_total(app: Rows, published: Published, case: dict[str, Any]) -> None:
    agent, *recruits = STORIES[case["story"]](app)
    score = published(agent)
    assert score["total_score"] == case["total"]
    assert (score["role_type"], score["calculation_version"]) == ("AGENT", "agent-v1.0")
    assert [published(tutor)["total_score"] for tutor in recruits] == [39] * len(recruits)


def test_the_cascade_brings_the_recruits_new_total_to_the_agent(
    app: Rows, published: Published, drain: Callable[..., Any]
) -> None:
    agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
    assert (published(agent)["total_score"], published(tutor)["total_score"]) == (5, 32)

    refer(app, agent, tutor)
    drain(max_batches=1)
    # one batch has both, and the agent's share of it still saw the recruit's 32
    assert (total(app, agent), total(app, tutor)) == (19, 39)
    assert app.execute("select reason, agent_id from caas.changes").fetchall() == [("recruits", agent)]

    assert (published(agent)["total_score"], published(tutor)["total_score"]) == (22, 39)
