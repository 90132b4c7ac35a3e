"""Sweep: time alone changes scores, and then marks them, once (design, promise 6; scoring 1.5, time)."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from uuid import UUID

import pytest

from caas_worker import worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.stats import Clock
from caas_worker.sweep import due, sweep
from caas_worker.worker import Summary
from tests.interleaving import Rows, one, until
from tests.people import add_booking, add_client, add_listing, add_tutor, marks, total

Drain = Callable[..., Summary]

EXPIRY = datetime(2040, 5, 1, 12, tzinfo=UTC)


def add_checked_tutor(app: Rows, expiry: datetime = EXPIRY) -> UUID:
    """A tutor with 36 points while the check is valid, and 32 from its expiry on."""
    return add_tutor(app, dbs_verified=True, dbs_expiry_date=expiry)


def at(now: datetime) -> Clock:
    """A clock that stands."""
    return lambda _: now


def forget_the_days_turn(app: Rows) -> None:
    """Tutors fall due at midnight, too: not where a test is about another time."""
    app.execute("update caas.cell_states set next_due_at = null")


def test_nobody_is_marked_before_the_time_has_come_and_everybody_once_after(
    app: Rows, db: Database, drain: Drain
) -> None:
    tutor = add_checked_tutor(app)
    drain()
    forget_the_days_turn(app)
    assert sweep(db, 10, EXPIRY - timedelta(microseconds=1)) == 0
    assert [sweep(db, 10, EXPIRY) for _ in range(3)] == [1, 0, 0]
    assert marks(app) == [("time", tutor, None, False, False)]
    assert one(app, "select priority from caas.changes") == 50


def test_the_score_changes_with_the_time_and_says_when_it_did(app: Rows, db: Database, line: Line) -> None:
    tutor = add_checked_tutor(app)
    later = replace(line, clock=lambda _: EXPIRY)
    worker.drain(line, batch_size=10)
    assert total(app, tutor) == 36
    forget_the_days_turn(app)
    sweep(db, 10, EXPIRY)
    worker.drain(later, batch_size=10)
    assert total(app, tutor) == 32
    known = app.execute("select source_changed_at, next_due_at, swept from caas.scores").fetchone()
    assert known == (EXPIRY, None, False)


def test_a_tutor_falls_due_when_the_day_turns_and_a_session_begins(app: Rows, db: Database, line: Line) -> None:
    tutor = add_tutor(app)
    add_tutor(app, status="inactive")
    add_client(app)
    begins = EXPIRY.replace(hour=18)
    add_booking(app, add_listing(app, tutor), None, scheduled_start=begins)
    midnight = EXPIRY.replace(hour=0) + timedelta(days=1)
    clocks = [EXPIRY, begins, midnight]
    for now, then in zip(clocks, [begins, midnight, midnight + timedelta(days=1)], strict=True):
        worker.drain(replace(line, clock=at(now)), batch_size=10)
        assert one(app, "select next_due_at from caas.cell_states where profile_id = %s", tutor) == then
        assert sweep(db, 10, then - timedelta(microseconds=1)) == 0
        assert [sweep(db, 10, then) for _ in range(2)] == [1, 0]
        rows = app.execute("select reason, priority, changed_at, profile_id from caas.changes").fetchall()
        assert rows == [("time", 50, then, tutor)]


def test_whoever_falls_due_twice_is_marked_once(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_checked_tutor(app)
    drain()
    turn = one(app, "select next_due_at from caas.cell_states")
    assert [sweep(db, 10, EXPIRY) for _ in range(2)] == [1, 0]
    rows = app.execute("select reason, changed_at, profile_id from caas.changes").fetchall()
    assert rows == [("time", turn, tutor)]


def test_a_sweep_counts_and_limits_profiles_whatever_fell_due_of_them(app: Rows, db: Database, drain: Drain) -> None:
    early, late = add_tutor(app), add_checked_tutor(app)
    drain()
    app.execute("update caas.cell_states set next_due_at = now() - interval '1 hour' where profile_id = %s", (early,))
    app.execute("update caas.cell_states set next_due_at = null where profile_id = %s", (late,))
    app.execute("update caas.scores set next_due_at = now() - interval '1 minute' where profile_id = %s", (late,))
    assert due(db) == 2
    assert [sweep(db, 1) for _ in range(3)] == [1, 1, 0]
    assert [profile_id for _, profile_id, *_ in marks(app)] == [early, late]
    app.execute("update caas.scores set swept = false; update caas.cell_states set swept = false")
    assert (due(db), sweep(db, 10), due(db)) == (2, 2, 0)


def test_a_score_that_falls_due_again_is_marked_again(app: Rows, db: Database, line: Line) -> None:
    tutor = add_checked_tutor(app)
    worker.drain(line, batch_size=10)
    sweep(db, 10, EXPIRY)
    app.execute("update profiles set dbs_expiry_date = %s where id = %s", (EXPIRY + timedelta(days=1), tutor))
    worker.drain(replace(line, clock=lambda _: EXPIRY), batch_size=10)
    assert [sweep(db, 10, EXPIRY + timedelta(days=days)) for days in (0, 1)] == [0, 1]


def test_the_longest_due_come_first_and_a_sweep_takes_no_more_than_its_share(
    app: Rows, db: Database, drain: Drain
) -> None:
    tutors = [add_checked_tutor(app, EXPIRY + timedelta(hours=hour)) for hour in (3, 1, 2)]
    drain()
    forget_the_days_turn(app)
    after = EXPIRY + timedelta(days=1)
    assert [sweep(db, 1, after) for _ in range(4)] == [1, 1, 1, 0]
    assert [profile_id for _, profile_id, *_ in marks(app)] == [tutors[1], tutors[2], tutors[0]]


def test_a_dead_entry_is_revived_by_time_once(app: Rows, db: Database, make_line: Callable[..., Line]) -> None:
    tutor = add_checked_tutor(app)
    line = make_line(max_attempts=1)
    worker.drain(line, batch_size=10)
    app.execute("update role_details set qualifications = '{}'; drop function caas.link_stats")
    app.execute(
        "create function caas.link_stats(profile_ids uuid[], as_of timestamptz default now()) returns table "
        "(profile_id uuid, google_calendar_synced bool, google_classroom_synced bool) language plpgsql stable as "
        "$$ begin raise exception 'broken'; end $$"
    )
    sweep(db, 10, EXPIRY)
    assert worker.drain(line, batch_size=10).dead == 1
    assert sweep(db, 10, EXPIRY) == 0
    assert (total(app, tutor), one(app, "select count(*) from caas.dead_entries")) == (36, 1)


def test_a_row_that_is_being_published_is_not_waited_for(app: Rows, db: Database, drain: Drain, line: Line) -> None:
    add_checked_tutor(app)
    drain()
    with line.db.transaction() as publishing:
        publishing.execute("select from caas.scores for update")
        publishing.execute("select from caas.cell_states for update")
        assert sweep(db, 10, EXPIRY) == 0
    assert sweep(db, 10, EXPIRY) == 1


def test_a_running_worker_sweeps_by_itself(app: Rows, db: Database, line: Line) -> None:
    tutor = add_checked_tutor(app, datetime.now(UTC) + timedelta(seconds=1))
    stop = Event()
    thread = Thread(target=worker.Worker(line, Settings(), stop).run)
    thread.start()
    try:
        until(lambda: total(app, tutor) == 36, "the first score")
        begun = time.monotonic()
        until(lambda: total(app, tutor) == 32, "the score after the expiry")
        assert time.monotonic() - begun < 10
    finally:
        stop.set()
        thread.join(20)
    assert due(db) == 0


@pytest.mark.parametrize("waiting", [0, 3])
def test_due_counts_what_a_sweep_would_mark(app: Rows, db: Database, drain: Drain, waiting: int) -> None:
    for _ in range(waiting):
        add_checked_tutor(app)
    drain()
    app.execute("update caas.scores set next_due_at = clock_timestamp() - interval '1 s'")
    assert due(db) == waiting
    assert sweep(db, 10) == waiting
    assert due(db) == 0
