"""Quality tables after a worker that came late, and after a computation that failed: nothing is lost or left over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from caas_worker import appraisal, worker
from caas_worker.pipeline import Line
from tests.people import Rows, add_booking, add_client, add_listing, add_transcript, add_tutor
from tests.proof.tables import PUBLISHED

MakeLine = Callable[..., Line]


def add_first_session(app: Rows) -> tuple[UUID, UUID]:
    """A tutor's first session with a client, and what was said; returns both ids."""
    tutor, at = add_tutor(app), datetime.now(UTC) - timedelta(days=3)
    booking = add_booking(
        app,
        add_listing(app, tutor),
        add_client(app),
        scheduled_start=at,
        actual_start=at,
        actual_end=at + timedelta(hours=1),
    )
    add_transcript(app, booking, "goal", "confusion")
    return tutor, booking


def judged(app: Rows) -> int:
    row = app.execute("select count(*) from caas.session_scores where score_type = 'fsrs'").fetchone()
    return int(row[0]) if row else 0


def quality_tables(app: Rows) -> dict[str, list[tuple[Any, ...]]]:
    return {table: app.execute(f"select * from {table}".encode()).fetchall() for table in PUBLISHED}


def lapse(app: Rows) -> None:
    app.execute("update caas.recalculation_queue set lease_until = now() - interval '1 hour'")


def test_a_first_session_is_judged_with_the_attempt_after_a_failed_one(
    app: Rows, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, booking = add_first_session(app)
    worker.drain(make_line(), batch_size=10)
    assert judged(app) == 1
    before = quality_tables(app)
    app.execute("update bookings set tech_issue = true where id = %s", (booking,))

    def fail(*_: Any) -> None:
        raise ValueError("not this time")

    with monkeypatch.context() as broken:
        broken.setattr(appraisal, "appraise", fail)
        assert worker.drain(make_line(backoff_seconds=3600), batch_size=10).error_types == {"QUALITY_FAILED": 1}
    assert quality_tables(app) == before  # cells and session scores tell of no other moment than windows and tiers
    app.execute("update caas.recalculation_queue set due_at = null")
    assert worker.drain(make_line(), batch_size=10).processed == 1
    assert judged(app) == 1
    assert app.execute("select count(*) from caas.touched_cells").fetchone() == (0,)


def test_a_late_worker_forgets_nobody_who_is_a_tutor_again(app: Rows, make_line: MakeLine) -> None:
    tutor, _ = add_first_session(app)
    late, other = make_line(), make_line()
    worker.drain(other, batch_size=10)
    app.execute("update profiles set roles = '{CLIENT}' where id = %s", (tutor,))
    late.fold(whole=True)
    claim = late.claimant.claim(10, whole=True)
    scored = late.score(claim)
    lapse(app)
    app.execute("update profiles set roles = '{TUTOR}' where id = %s", (tutor,))
    worker.drain(other, batch_size=10)
    assert late.publish(claim, scored).endings == {"lost": 1}
    assert app.execute("select count(*) from caas.tutor_scores").fetchone() == (3,)
    assert judged(app) == 1


@pytest.mark.parametrize("has_begun", [False, True], ids=["claimed", "its cells written"])
def test_a_worker_that_lost_its_lease_writes_nothing_while_another_has_it(
    app: Rows, make_line: MakeLine, has_begun: bool
) -> None:
    _, booking = add_first_session(app)
    late, other = make_line(), make_line()
    worker.drain(other, batch_size=10)
    app.execute("update bookings set tech_issue = true where id = %s", (booking,))
    late.fold(whole=True)
    claim = late.claimant.claim(10, whole=True)
    lapse(app)
    other.wake(whole=True)
    overtaking = other.claimant.claim(10, whole=True)
    assert {*overtaking.profile_ids} == {*claim.profile_ids}
    if has_begun:
        other.score(overtaking)
    queries = [f"select xmin::text, * from {table}" for table in (*PUBLISHED, "caas.pair_cells", "caas.touched_cells")]
    before = [app.execute(query.encode()).fetchall() for query in queries]
    scored = late.score(claim)
    assert late.publish(claim, scored).endings == {"lost": len(claim.profile_ids)}
    assert [app.execute(query.encode()).fetchall() for query in queries] == before


def test_a_late_worker_takes_no_first_session_from_who_is_about_to_judge_it(app: Rows, make_line: MakeLine) -> None:
    _, booking = add_first_session(app)
    late, other = make_line(), make_line()
    worker.drain(other, batch_size=10)
    app.execute("delete from caas.session_scores where score_type = 'fsrs'")
    app.execute("update bookings set tech_issue = true where id = %s", (booking,))
    late.fold(whole=True)
    claim = late.claimant.claim(10, whole=True)
    scored = late.score(claim)
    lapse(app)
    other.wake(whole=True)
    overtaking = next(claim for _ in range(2) if (claim := other.claimant.claim(10, whole=True)).entries)
    rescored = other.score(overtaking)
    late.publish(claim, scored)
    other.publish(overtaking, rescored)
    assert judged(app) == 1
