"""The cascade from a recruit to its agent against changes at the same moment, step by step (scoring 1.4, promise 1)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from caas_worker import worker
from caas_worker.pipeline import Line
from caas_worker.worker import Summary
from tests.interleaving import Pause, Rows
from tests.people import add_profile, add_tutor, connect_people

MakeLine = Callable[..., Line]
Drain = Callable[..., Summary]


def team(app: Rows, agent: UUID, what: str) -> Any:
    row = app.execute("select score_inputs -> %s from caas.scores where profile_id = %s", (what, agent)).fetchone()
    return row[0] if row else None


def test_who_becomes_an_agent_while_a_recruit_is_being_published_hears_of_it(
    app: Rows, make_line: MakeLine, drain: Drain
) -> None:
    """The publishing transaction has looked for agents and found none, and commits after the new agent was computed."""
    agent, tutor = add_profile(app, "STAFF"), add_tutor(app)
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    drain()
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    slow, quick = make_line(), make_line()
    slow.fold(whole=True)
    claim = slow.claimant.claim(10, whole=True)
    scored = slow.score(claim)
    pause = Pause(app, "caas.recalculation_queue")  # reached by the delete of the entry, after the cascade
    with pause.during(lambda: slow.publish(claim, scored)):
        app.execute("update profiles set roles = '{AGENT}' where id = %s", (agent,))
        quick.fold(whole=True)
        worker.drain(quick, batch_size=10)
        assert team(app, agent, "team_score") == 39
    drain()
    assert team(app, agent, "team_score") == 44


def test_who_was_a_tutor_only_between_two_computations_is_no_recruit_any_more(app: Rows, drain: Drain) -> None:
    agent, client = add_profile(app, "AGENT"), add_profile(app, "CLIENT")
    connect_people(app, agent, client, "AGENT_REFERRAL")
    drain()
    app.execute("update profiles set roles = '{TUTOR}' where id = %s", (client,))
    app.execute("delete from caas.changes")
    app.execute("select caas.enqueue(%s, 'asked')", ([agent],))
    drain()
    assert team(app, agent, "recruits") == 1
    app.execute("update profiles set roles = '{CLIENT}' where id = %s", (client,))
    drain()
    assert team(app, agent, "recruits") == 0
