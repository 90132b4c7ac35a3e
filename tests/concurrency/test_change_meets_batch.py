"""A change against a batch that is under way, step by step: none is lost, and no older score wins (promises 1 and 3).

A tutor without any session has 32 points, and 36 when offering free help.
"""

from collections.abc import Callable
from uuid import UUID

import pytest

from caas_worker.db import Database
from caas_worker.errors import CaasError
from caas_worker.model import Claim
from caas_worker.pipeline import Line
from caas_worker.worker import Summary
from tests.conftest import Connect
from tests.interleaving import Pause, Rows, meanwhile, one, until, waiting
from tests.people import add_booking, add_client, add_listing, add_tutor, forget_marks, total

MakeLine = Callable[..., Line]
Drain = Callable[..., Summary]


def fold_and_claim(line: Line) -> Claim:
    line.fold(whole=True)
    return line.claimant.claim(100, whole=True)


def offer_help(app: Rows, tutor: UUID) -> None:
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))


def left(app: Rows) -> tuple[int, int]:
    """Marks and entries."""
    return one(app, "select count(*) from caas.changes"), one(app, "select count(*) from caas.recalculation_queue")


def test_a_change_that_is_uncommitted_while_its_profile_is_claimed_is_found_when_it_commits(
    app: Rows, connect: Connect, line: Line, drain: Drain
) -> None:
    tutor = add_tutor(app)
    application = connect(autocommit=False)
    offer_help(application, tutor)
    app.execute("select caas.enqueue(%s, 'asked')", ([tutor],))  # a mark with a higher id than the open one's
    claim = fold_and_claim(line)
    line.publish(claim, line.score(claim))
    assert (total(app, tutor), left(app)) == (32, (0, 0))
    application.commit()
    drain()
    assert (total(app, tutor), left(app)) == (36, (0, 0))


def test_a_change_committed_between_claim_and_stats_is_in_the_score_and_computed_again(
    app: Rows, line: Line, drain: Drain
) -> None:
    tutor = add_tutor(app)
    claim = fold_and_claim(line)
    offer_help(app, tutor)
    line.publish(claim, line.score(claim))
    assert (total(app, tutor), left(app)) == (36, (1, 0))
    assert drain().processed == 1
    assert (total(app, tutor), left(app)) == (36, (0, 0))


def test_a_change_committed_between_stats_and_cache_and_folded_after_it_is_computed_again(
    app: Rows, line: Line, drain: Drain
) -> None:
    tutor = add_tutor(app)
    claim = fold_and_claim(line)
    scored = line.score(claim)
    offer_help(app, tutor)
    line.publish(claim, scored)
    assert (total(app, tutor), left(app)) == (32, (1, 0))
    drain()
    assert (total(app, tutor), left(app)) == (36, (0, 0))


def test_a_change_folded_between_stats_and_cache_keeps_the_entry(app: Rows, line: Line, drain: Drain) -> None:
    tutor = add_tutor(app)
    claim = fold_and_claim(line)
    scored = line.score(claim)
    offer_help(app, tutor)
    line.fold(whole=True)
    line.publish(claim, scored)
    assert (total(app, tutor), left(app)) == (32, (0, 1))
    drain()
    assert (total(app, tutor), left(app)) == (36, (0, 0))


def test_a_fold_that_meets_a_publishing_batch_waits_and_makes_a_new_entry(
    app: Rows, line: Line, make_line: MakeLine, drain: Drain
) -> None:
    tutor = add_tutor(app)
    claim = fold_and_claim(line)
    scored = line.score(claim)
    offer_help(app, tutor)
    pause = Pause(app, "caas.scores")
    with (
        pause.during(lambda: line.publish(claim, scored)),
        meanwhile(lambda: make_line().fold(whole=True), finally_=pause.resume),
    ):
        until(lambda: waiting(app) == 2, "the fold to wait for the entry")
    assert (total(app, tutor), left(app)) == (32, (0, 1))
    drain()
    assert (total(app, tutor), left(app)) == (36, (0, 0))


def test_a_batch_that_meets_an_uncommitted_fold_waits_and_leaves_its_entry(
    app: Rows, connect: Connect, line: Line, drain: Drain
) -> None:
    tutor = add_tutor(app)
    claim = fold_and_claim(line)
    scored = line.score(claim)
    offer_help(app, tutor)
    folder = connect(autocommit=False)
    folder.execute("select caas.fold(100)")
    with meanwhile(lambda: line.publish(claim, scored), finally_=folder.commit):
        until(lambda: waiting(app), "the batch to wait for the fold")
    assert (total(app, tutor), left(app)) == (32, (0, 1))
    drain()
    assert total(app, tutor) == 36


def test_a_fold_that_is_undone_leaves_its_marks(app: Rows, connect: Connect, drain: Drain) -> None:
    tutor = add_tutor(app)
    folder = connect(autocommit=False)
    folder.execute("select caas.fold(100)")
    summary = drain()
    assert (summary.processed, summary.remaining) == (0, 1)
    folder.rollback()
    assert drain().processed == 1
    assert total(app, tutor) == 32


def test_a_batch_cannot_be_taken_over_between_its_check_and_its_write(
    app: Rows, make_line: MakeLine, drain: Drain
) -> None:
    """Two workers, one profile: what the slow one computed long ago must not overwrite what the quick one knows."""
    tutor = add_tutor(app)
    slow, quick = make_line(), make_line()
    claim = fold_and_claim(slow)
    scored = slow.score(claim)
    app.execute("update caas.recalculation_queue set lease_until = clock_timestamp() - interval '1 s'")
    offer_help(app, tutor)
    pause = Pause(app, "caas.scores")
    with pause.during(lambda: slow.publish(claim, scored)) as publishing:
        quick.claimant.wake(now=True)
        stolen = quick.claimant.claim(100, whole=True)
        if stolen.entries:
            with meanwhile(lambda: quick.publish(stolen, quick.score(stolen)), finally_=pause.resume) as other:
                until(lambda: other.done() or waiting(app) > 1, "the other worker to publish or to wait")
    assert stolen.entries == ()
    assert publishing.result().endings == {"scored": 1}
    drain()
    assert (total(app, tutor), left(app)) == (36, (0, 0))


def test_a_listing_that_moves_under_an_open_booking_is_scored_for_its_owner_as_of_the_fold(
    app: Rows, connect: Connect, drain: Drain
) -> None:
    before, after, client = add_tutor(app), add_tutor(app), add_client(app)
    listing = add_listing(app, before)
    drain()
    application = connect(autocommit=False)
    add_booking(application, listing, client)
    app.execute("update listings set profile_id = %s", (after,))
    drain()
    application.commit()
    drain()
    assert sessions(app) == {before: 0, after: 1}
    application.execute("update listings set profile_id = %s", (before,))
    add_booking(app, listing, client)
    drain()
    assert sessions(app) == {before: 0, after: 2}
    application.commit()
    drain()
    assert sessions(app) == {before: 2, after: 0}


def test_a_worker_that_stands_still_in_the_middle_of_its_transaction_does_not_hold_the_others_up(
    app: Rows, pooled_url: str, line: Line, drain: Drain
) -> None:
    """As when its host is suspended or the network is cut: the server does not hear that it is gone."""
    tutor = add_tutor(app)
    line.fold(whole=True)
    app.execute("set lock_timeout = '3s'")
    with (  # noqa: PT012
        Database(pooled_url, statement_timeout=0.2) as db,
        pytest.raises(CaasError, match="idle"),
        db.transaction() as standing_still,
    ):
        standing_still.execute("select from caas.recalculation_queue for update")
        app.execute("select from caas.recalculation_queue for update")
        standing_still.execute("select")
    drain()
    assert total(app, tutor) == 32


def sessions(app: Rows) -> dict[UUID, int]:
    """Completed sessions that the tutors' scores count."""
    return dict(
        app.execute(
            "select profile_id, (score_inputs ->> 'completed_sessions')::int from caas.scores where role_type = 'TUTOR'"
        ).fetchall()
    )


def test_two_drains_share_the_work_and_each_profile_is_published_once(app: Rows, make_line: MakeLine) -> None:
    tutors = [add_tutor(app) for _ in range(60)]
    forget_marks(app)
    app.execute("select caas.enqueue(%s, 'asked')", (tutors,))
    app.execute("create table published (profile_id uuid)")
    app.execute(
        "create function note() returns trigger language plpgsql as "
        "$$ begin insert into public.published values (new.profile_id); return null; end $$"
    )
    app.execute("create trigger noting after insert or update on caas.scores for each row execute function note()")
    one_worker, another = make_line(), make_line()
    with meanwhile(lambda: [one_worker.fold().found_any or one_worker.run_batch(3) for _ in range(40)]):
        for _ in range(40):
            another.fold()
            another.run_batch(3)
    assert (
        one(app, "select count(*) from published") == one(app, "select count(distinct profile_id) from published") == 60
    )
