"""A recruit whose worker is killed each time is set aside; its agent is scored from its rows, not from old cells."""

from collections.abc import Callable
from datetime import timedelta

from caas_worker import audit, worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from tests.interleaving import one
from tests.people import (
    LONG_AGO,
    Rows,
    add_client,
    add_listing,
    add_profile,
    add_session,
    add_tutor,
    connect_people,
)

DAY = timedelta(days=1)
TEAM = "select score_inputs ->> 'team_sessions' from caas.scores where profile_id = %s"


def test_cells_of_a_recruit_whose_worker_is_killed_each_time_are_not_used(
    app: Rows, db: Database, make_line: Callable[..., Line]
) -> None:
    agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    listing = add_listing(app, tutor)
    add_session(app, listing, add_client(app), LONG_AGO)
    worker.drain(make_line(), batch_size=100)
    assert one(app, TEAM, agent) == "1"
    for days in range(1, 4):
        add_session(app, listing, add_client(app), LONG_AGO + days * DAY)
    doomed = make_line(max_attempts=1)
    while doomed.fold(whole=True).found_any:
        pass
    others = "update caas.recalculation_queue set due_at = clock_timestamp() + interval '1 h' where profile_id <> %s"
    app.execute(others, (tutor,))
    for losses in range(2):
        assert [entry.losses for entry in doomed.claimant.claim(1, whole=True).entries] == [losses]
        app.execute("update caas.recalculation_queue set lease_until = clock_timestamp() where token is not null")
        doomed.claimant.settle()
        doomed.claimant.wake(now=True)
    assert one(app, "select error from caas.dead_entries where profile_id = %s", tutor) == "LEASE_LOST"
    app.execute("update caas.recalculation_queue set due_at = null")
    assert worker.drain(make_line(), batch_size=100).remaining == 0
    assert one(app, TEAM, agent) == "4"
    report = audit.audit(db, make_line(), [[agent]])
    assert (report.checked, report.same) == (1, 1)
