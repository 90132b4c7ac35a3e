"""Fold: what waits for further changes, and which cells the marks touch (interfaces, CAAS_DEBOUNCE_SECONDS; design)."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from caas_worker import figures, queue, worker
from caas_worker.db import Database
from caas_worker.model import Claim, Failure, Scored
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.worker import Summary, Worker
from tests.interleaving import Rows, meanwhile, one, until
from tests.people import add_booking, add_client, add_listing, add_tutor, forget_marks, total
from tests.scripted import Scripted, failing
from tests.town import IDS, NAMES, NEW, TOWN, put

MakeLine = Callable[..., Line]
SECONDS = 30
WINDOW = timedelta(seconds=SECONDS)


@pytest.fixture
def patient(make_line: MakeLine) -> Line:
    """A line on which a live change waits half a minute for others."""
    return make_line(debounce_seconds=SECONDS)


@pytest.fixture
def tutor(app: Rows, patient: Line) -> UUID:
    """A tutor of 32 points, of whom nothing is to be done."""
    tutor = add_tutor(app)
    drain(patient)
    pass_time(app, SECONDS)
    drain(patient)
    assert total(app, tutor) == 32
    return tutor


def drain(line: Line) -> Summary:
    return worker.drain(line, batch_size=100)


def pass_time(app: Rows, seconds: float) -> None:
    """What stands in the queue happened so much longer ago."""
    by = timedelta(seconds=seconds)
    app.execute(
        "update caas.recalculation_queue set first_changed_at = first_changed_at - %(by)s, "
        "last_changed_at = last_changed_at - %(by)s, later_changed_at = later_changed_at - %(by)s, "
        "due_at = due_at - %(by)s, later_due_at = later_due_at - %(by)s",
        {"by": by},
    )
    app.execute("update caas.changes set changed_at = changed_at - %s", (by,))


def change(app: Rows, tutor: UUID) -> datetime:
    """A change that moves the tutor's score between 32 and 36; returns when it happened."""
    app.execute("update profiles set available_free_help = not available_free_help where id = %s", (tutor,))
    changed_at: datetime = one(app, "select max(changed_at) from caas.changes")
    return changed_at


def mark(app: Rows, profile_ids: Sequence[UUID], priority: int) -> None:
    app.execute("select caas.enqueue(%s, 'asked', %s)", (list(profile_ids), priority))


def fold(line: Line) -> None:
    line.fold(whole=True)


def entry(app: Rows, columns: str) -> tuple[Any, ...]:
    """Of the only entry."""
    rows = app.execute(f"select {columns} from caas.recalculation_queue").fetchall()
    assert len(rows) == 1
    row: tuple[Any, ...] = rows[0]
    return row


def claim(line: Line) -> Claim:
    taken = line.claimant.claim(10, whole=True)
    assert len(taken.entries) == 1
    return taken


def claimed_change(app: Rows, line: Line, tutor: UUID) -> Claim:
    """A change that waited its time and is claimed."""
    change(app, tutor)
    fold(line)
    pass_time(app, SECONDS)
    line.wake(whole=True)
    return claim(line)


# What waits, and how long


def test_four_sessions_within_half_a_minute_cost_one_computation(app: Rows, patient: Line, tutor: UUID) -> None:
    client = add_client(app)
    listing = add_listing(app, tutor)
    forget_marks(app)
    for _ in range(4):
        add_booking(app, listing, client)
        summary = drain(patient)
        assert (summary.processed, summary.batches, summary.remaining) == (0, 0, 2)
        pass_time(app, 7)
    pass_time(app, 2)
    summary = drain(patient)
    assert (summary.processed, summary.batches, summary.remaining) == (2, 1, 0)
    inputs = one(app, "select score_inputs from caas.scores where profile_id = %s", tutor)
    assert inputs["completed_sessions"] == 4
    assert one(app, "select sessions_completed from caas.tutor_daily_aggregates") == 4


def test_the_first_change_opens_the_window_and_later_ones_do_not_prolong_it(
    app: Rows, patient: Line, tutor: UUID
) -> None:
    first = change(app, tutor)
    fold(patient)
    assert entry(app, "due_at, first_changed_at, token, error") == (first + WINDOW, first, None, None)
    for _ in range(3):
        pass_time(app, 9)
        change(app, tutor)
        fold(patient)
        assert entry(app, "due_at - first_changed_at") == (WINDOW,)
    assert entry(app, "first_changed_at < clock_timestamp() - interval '27 s'") == (True,)
    assert drain(patient).processed == 0
    pass_time(app, 3)
    assert drain(patient).processed == 1


def test_changes_of_one_fold_wait_from_the_first_of_them_on(app: Rows, patient: Line, tutor: UUID) -> None:
    first = change(app, tutor)
    change(app, tutor)
    fold(patient)
    assert entry(app, "due_at") == (first + WINDOW,)


def test_a_change_that_is_folded_late_has_waited_already(app: Rows, patient: Line, tutor: UUID) -> None:
    change(app, tutor)
    pass_time(app, SECONDS)
    change(app, tutor)
    summary = drain(patient)
    assert (summary.processed, summary.remaining) == (1, 0)


def test_a_recalculation_by_hand_ends_the_waiting_at_once(app: Rows, db: Database, patient: Line, tutor: UUID) -> None:
    change(app, tutor)
    fold(patient)
    queue.recalculate(db, [tutor])
    assert entry(app, "due_at, priority") == (None, 0)
    assert drain(patient).processed == 1
    assert total(app, tutor) == 36


def test_a_mark_by_hand_ends_the_waiting_of_the_marks_it_is_folded_with(app: Rows, patient: Line, tutor: UUID) -> None:
    change(app, tutor)
    mark(app, [tutor], 0)
    assert drain(patient).processed == 1
    change(app, tutor)
    fold(patient)
    mark(app, [tutor], 0)
    assert drain(patient).processed == 1
    assert total(app, tutor) == 32


def test_what_was_set_aside_is_retried_at_once_and_waits_after_a_change(
    app: Rows, db: Database, patient: Line, make_line: MakeLine, tutor: UUID
) -> None:
    app.execute("delete from caas.rules")
    broken = make_line(failing(tutor), max_attempts=1)
    for revive, waits in ((lambda: list(queue.retry(db)), False), (lambda: change(app, tutor), True)):
        mark(app, [tutor], 0)
        assert drain(broken).dead == 1
        revive()
        fold(patient)
        assert entry(app, "due_at is not null, attempts") == (waits, 0)
        pass_time(app, SECONDS)
        assert drain(patient).processed == 1


@pytest.mark.parametrize("priority", [50, 90])
def test_time_and_backfill_wait_for_nothing(app: Rows, patient: Line, tutor: UUID, priority: int) -> None:
    mark(app, [tutor], priority)
    assert drain(patient).processed == 1


def test_a_mark_of_everyone_waits_for_nothing(app: Rows, db: Database, patient: Line, tutor: UUID) -> None:
    queue.mark_everyone(db, "backfill")
    summary = drain(patient)
    assert (summary.processed, summary.remaining) == (1, 0)
    assert total(app, tutor) == 32


@pytest.mark.parametrize("priority", [50, 90])
def test_a_change_keeps_nobody_waiting_who_is_ready(app: Rows, patient: Line, tutor: UUID, priority: int) -> None:
    mark(app, [tutor], priority)
    fold(patient)
    change(app, tutor)
    fold(patient)
    assert entry(app, "due_at, priority") == (None, 10)
    assert drain(patient).processed == 1
    assert total(app, tutor) == 36


@pytest.mark.parametrize("priority", [50, 90])
@pytest.mark.parametrize("at_once", [True, False])
def test_less_urgent_marks_do_not_end_the_waiting_of_a_change(
    app: Rows, patient: Line, tutor: UUID, priority: int, at_once: bool
) -> None:
    first = change(app, tutor)
    if not at_once:
        fold(patient)
    mark(app, [tutor], priority)
    fold(patient)
    assert entry(app, "due_at, priority") == (first + WINDOW, 10)


def test_without_a_debounce_nothing_waits(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    fold(line)
    assert entry(app, "due_at") == (None,)
    taken = claim(line)
    change(app, tutor)
    fold(line)
    assert entry(app, "due_at, later_due_at") == (None, None)
    line.publish(taken, line.score(taken))
    assert entry(app, "due_at") == (None,)
    assert drain(line).remaining == 0
    assert total(app, tutor) == 36


def test_a_drain_counts_who_waits_as_remaining_and_does_not_wait_for_them(
    app: Rows, db: Database, patient: Line, tutor: UUID
) -> None:
    other = add_tutor(app)
    change(app, tutor)
    begun = time.monotonic()
    summary = drain(patient)
    assert time.monotonic() - begun < SECONDS / 3
    assert (summary.processed, summary.failed, summary.remaining, summary.exit_code) == (0, 0, 2, 0)
    mark(app, [other], 0)
    summary = drain(patient)
    assert (summary.processed, summary.remaining) == (1, 1)
    assert figures.remaining(db) == 1


def test_the_queue_shows_who_waits(app: Rows, db: Database, patient: Line, tutor: UUID) -> None:
    change(app, tutor)
    fold(patient)
    status = figures.status(db)
    assert (status["waiting"], status["ready"], status["depth"]["live"]) == (1, 0, 1)
    assert 0 < status["oldest_seconds"] < SECONDS
    place = queue.place(db, tutor)
    assert place is not None
    assert (place["state"], place["error"], place["due_at"]) == ("waiting", None, entry(app, "due_at")[0])
    pass_time(app, SECONDS)
    patient.wake(whole=True)
    assert figures.status(db)["waiting"] == 0


def test_another_setting_after_a_restart_is_harmless(
    app: Rows, patient: Line, make_line: MakeLine, tutor: UUID
) -> None:
    first = change(app, tutor)
    fold(patient)
    for seconds in (0, 3_600, 10):
        change(app, tutor)
        line = make_line(debounce_seconds=seconds)
        assert drain(line).processed == 0
        assert entry(app, "due_at") == (first + WINDOW,)
    pass_time(app, SECONDS)
    assert drain(make_line()).processed == 1
    assert total(app, tutor) == 32  # after four changes


def test_a_worker_computes_what_waited_once_its_time_is_over(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    computed: list[UUID] = []
    line = make_line(Scripted(lambda profile: computed.append(profile.profile_id)), debounce_seconds=0.5)
    stop = threading.Event()
    hand = Worker(line, Settings(poll_interval=0.01, busy_share=1), stop)
    with meanwhile(hand.run, finally_=stop.set):
        for _ in range(5):
            change(app, tutor)
        until(lambda: total(app, tutor) is not None and figures.remaining(db) == 0, "the score")
    delay = "select calculated_at - source_changed_at from caas.scores"
    assert one(app, delay) > timedelta(seconds=0.4)
    assert computed == [tutor]


# What comes during a claim


def test_a_change_during_a_claim_opens_another_window_after_the_publication(
    app: Rows, patient: Line, tutor: UUID
) -> None:
    taken = claimed_change(app, patient, tutor)
    computed = patient.score(taken)
    first = change(app, tutor)
    fold(patient)
    change(app, tutor)
    fold(patient)
    assert entry(app, "due_at, later_due_at, later_changed_at") == (None, first + WINDOW, first)
    patient.publish(taken, computed)
    assert total(app, tutor) == 36
    columns = "due_at, first_changed_at, priority, reasons, token, error, attempts, later_due_at, later_changed_at"
    assert entry(app, columns) == (first + WINDOW, first, 10, ["profiles"], None, None, 0, None, None)
    assert drain(patient).remaining == 1
    pass_time(app, SECONDS)
    assert drain(patient).processed == 1


def test_a_window_that_is_over_before_the_publication_is_not_waited_for(app: Rows, patient: Line, tutor: UUID) -> None:
    taken = claimed_change(app, patient, tutor)
    change(app, tutor)
    fold(patient)
    pass_time(app, SECONDS)
    patient.publish(taken, patient.score(taken))
    assert entry(app, "due_at, later_due_at") == (None, None)
    assert drain(patient).processed == 1


@pytest.mark.parametrize("during", ["change first", "hand first"])
def test_a_recalculation_by_hand_during_a_claim_is_not_kept_waiting(
    app: Rows, db: Database, patient: Line, tutor: UUID, during: str
) -> None:
    taken = claimed_change(app, patient, tutor)
    computed = patient.score(taken)
    if during == "hand first":
        queue.recalculate(db, [tutor])
    change(app, tutor)
    fold(patient)
    if during == "change first":
        queue.recalculate(db, [tutor])
    patient.publish(taken, computed)
    assert entry(app, "due_at, priority") == (None, 0)
    assert drain(patient).processed == 1
    assert total(app, tutor) == 32


@pytest.mark.parametrize("first", ["time", "change"])
def test_time_does_not_end_the_window_of_a_change_during_a_claim(
    app: Rows, patient: Line, tutor: UUID, first: str
) -> None:
    taken = claimed_change(app, patient, tutor)
    if first == "time":
        mark(app, [tutor], 50)
        fold(patient)
        assert entry(app, "later_due_at") == (None,)
    changed_at = change(app, tutor)
    fold(patient)
    if first == "change":
        mark(app, [tutor], 50)
        fold(patient)
    assert entry(app, "later_due_at") == (changed_at + WINDOW,)
    patient.publish(taken, patient.score(taken))
    assert entry(app, "due_at, priority") == (changed_at + WINDOW, 10)


def test_time_during_a_claim_waits_for_nothing(app: Rows, patient: Line, tutor: UUID) -> None:
    taken = claimed_change(app, patient, tutor)
    mark(app, [tutor], 50)
    fold(patient)
    patient.publish(taken, patient.score(taken))
    assert entry(app, "due_at, priority") == (None, 50)


def test_who_fails_waits_for_its_next_attempt_and_loses_nothing(app: Rows, make_line: MakeLine, tutor: UUID) -> None:
    line = make_line(debounce_seconds=SECONDS, backoff_seconds=600)
    taken = claimed_change(app, line, tutor)
    before = entry(app, "first_changed_at")
    change(app, tutor)
    fold(line)
    line.publish(taken, Scored({}, frozenset(), {tutor: Failure("TRIED", "it failed")}))
    columns = "first_changed_at, later_changed_at, later_due_at, later_reasons, later_priority, attempts, error"
    assert entry(app, columns) == (*before, None, None, None, None, 1, "TRIED")
    assert 300 <= entry(app, "extract(epoch from due_at - clock_timestamp()) + 1")[0] <= 901
    due_at = entry(app, "due_at")
    change(app, tutor)
    fold(line)
    assert entry(app, "due_at") == due_at
    pass_time(app, 901)
    assert drain(line).processed == 1
    assert total(app, tutor) == 36


def test_who_is_given_back_is_ready_at_once_and_loses_nothing(app: Rows, patient: Line, tutor: UUID) -> None:
    claimed_change(app, patient, tutor)
    before = entry(app, "first_changed_at")
    change(app, tutor)
    fold(patient)
    patient.claimant.release()
    assert entry(app, "first_changed_at, due_at, later_due_at, later_changed_at") == (*before, None, None, None)
    assert drain(patient).processed == 1
    assert total(app, tutor) == 32


def test_who_is_lost_with_its_lease_is_ready_at_once_and_loses_nothing(
    app: Rows, patient: Line, make_line: MakeLine, tutor: UUID
) -> None:
    claimed_change(app, make_line(debounce_seconds=SECONDS), tutor)
    before = entry(app, "first_changed_at")
    change(app, tutor)
    fold(patient)
    app.execute("update caas.recalculation_queue set lease_until = clock_timestamp() - interval '1 s'")
    patient.wake(whole=True)
    columns = "first_changed_at, due_at, later_due_at, later_changed_at, error"
    assert entry(app, columns) == (*before, None, None, None, "LEASE_LOST")
    change(app, tutor)
    fold(patient)
    assert entry(app, "due_at") == (None,)
    assert drain(patient).processed == 1
    assert total(app, tutor) == 36


# The cells that marks touch

Cell = tuple[str, str, str | None, str | None]
FIFTH, SIXTH, NINTH = "2026-01-05", "2026-01-06", "2026-01-09"
ANAS_LESSON: set[Cell] = {("ana", "day", FIFTH, None), ("ana", "pair", None, "cleo")}


def everything(*names: str) -> set[Cell]:
    return {(name, cell, None, None) for name in names for cell in ("days", "pairs")}


@pytest.fixture
def town(app: Rows) -> None:
    """The small town of tests/town.py: Ana taught Cleo on the fifth; nothing is marked."""
    put(app, TOWN)


def touched(app: Rows) -> list[Cell]:
    rows = app.execute("select profile_id::text, cell, day::text, other_id::text from caas.touched_cells").fetchall()
    return [(NAMES.get(who, who), cell, day, other and NAMES.get(other, other)) for who, cell, day, other in rows]


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize(
    ("statement", "cells"),
    [
        ("update bookings set status = 'Completed' where listing_id = %(maths)s", ANAS_LESSON),
        (
            "update bookings set scheduled_start = '2026-01-09 10:00Z' where listing_id = %(maths)s",
            {*ANAS_LESSON, ("ana", "day", NINTH, None)},
        ),
        (
            "update bookings set scheduled_start = '2026-01-05 23:30-05:00' where listing_id = %(maths)s",
            {*ANAS_LESSON, ("ana", "day", SIXTH, None)},
        ),
        (
            "update bookings set scheduled_start = 'infinity' where listing_id = %(maths)s",
            ANAS_LESSON,
        ),
        (
            "update bookings set client_id = %(dan)s where listing_id = %(maths)s",
            {*ANAS_LESSON, ("ana", "pair", None, "dan")},
        ),
        (
            "update bookings set client_id = null where listing_id = %(maths)s",
            {*ANAS_LESSON, ("ana", "pair", None, None)},
        ),
        (
            "update bookings set listing_id = %(music)s where listing_id = %(maths)s",
            {*ANAS_LESSON, ("ben", "day", FIFTH, None), ("ben", "pair", None, "cleo")},
        ),
        (
            "insert into bookings (listing_id, client_id, scheduled_start, scheduled_end) "
            "values (%(music)s, %(dan)s, '-infinity', 'infinity')",
            {("ben", "pair", None, "dan")},
        ),
        ("update bookings set recording_url = recording_url", set()),
        ("update bookings set status = 'Completed' where listing_id is null", set()),
        ("delete from bookings where listing_id = %(maths)s", ANAS_LESSON),
        ("update profile_reviews set rating = 1", ANAS_LESSON),
        ("update profile_reviews set reviewer_id = %(dan)s", {*ANAS_LESSON, ("ana", "pair", None, "dan")}),
        ("update profile_reviews set reviewer_id = null", {*ANAS_LESSON, ("ana", "pair", None, None)}),
        (
            "update profile_reviews set reviewee_id = %(ben)s",
            {*ANAS_LESSON, ("ben", "day", FIFTH, None), ("ben", "pair", None, "cleo")},
        ),
        ("update profile_reviews set booking_id = %(trial)s", {*ANAS_LESSON, ("ana", "day", SIXTH, None)}),
        ("update profile_reviews set booking_id = null", ANAS_LESSON),
        (
            "insert into profile_reviews (reviewer_id, reviewee_id, rating) values (%(dan)s, %(ben)s, 5)",
            {("ben", "pair", None, "dan")},
        ),
        ("delete from profile_reviews", ANAS_LESSON),
        ("update reschedules set initiator = 'student'", ANAS_LESSON),
        ("update reschedules set booking_id = %(trial)s", ANAS_LESSON),
        ("delete from reschedules", ANAS_LESSON),
        ("update session_transcripts set turns = '[]'", ANAS_LESSON),
        ("delete from session_transcripts", ANAS_LESSON),
        (
            "insert into platform_events (profile_id, event_type, occurred_at) values "
            "(%(ana)s, 'login', '2026-01-09 23:59:59Z'), (%(dan)s, 'message_response', '2026-01-06 00:00Z'), "
            "(%(ben)s, 'page_view', '2026-01-06Z'), (%(cleo)s, 'login', null), (%(eve)s, 'login', 'infinity')",
            {("ana", "day", NINTH, None), ("dan", "day", SIXTH, None)},
        ),
        (
            "update platform_events set occurred_at = '2026-01-09Z' where profile_id = %(ana)s",
            {("ana", "day", FIFTH, None), ("ana", "day", NINTH, None)},
        ),
        (
            "update platform_events set profile_id = %(ben)s where profile_id = %(ana)s",
            {("ana", "day", FIFTH, None), ("ben", "day", FIFTH, None)},
        ),
        ("update listings set profile_id = %(ben)s where id = %(maths)s", everything("ana", "ben")),
        ("update listings set title = 'Sums'", set()),
        ("insert into listings (profile_id) values (%(ana)s)", set()),
        ("update profiles set available_free_help = true", set()),
        ("update profiles set roles = '{CLIENT}' where id = %(ana)s", set()),
        ("update role_details set degree_level = 'PHD'", set()),
        ("update profile_graph set status = 'BLOCKED'", set()),
        ("update profile_graph set source_profile_id = %(eve)s, relationship_type = 'AGENT_REFERRAL'", set()),
        ("update student_integration_links set is_active = false", set()),
        ("select caas.enqueue(array[%(ana)s, %(cleo)s]::uuid[], 'asked', 10)", everything("ana", "cleo")),
        ("select caas.enqueue(array[%(ana)s, %(new)s]::uuid[], 'asked', 90)", everything("ana", "new")),
        ("select caas.recalculate(array[%(ana)s]::uuid[], 'manual')", everything("ana")),
        ("select caas.enqueue_everyone('rebuilt')", everything("ana", "ben", "cleo", "dan", "eve")),
        ("truncate session_transcripts", everything("ana", "ben", "cleo", "dan", "eve")),
    ],
)  # fmt: skip
def test_what_a_mark_touches(app: Rows, line: Line, statement: str, cells: set[Cell]) -> None:
    app.execute(statement.encode(), IDS | {"new": NEW})
    while line.fold(whole=True).found_any:
        pass
    seen = touched(app)
    assert (len(seen), {*seen}) == (len(cells), cells)


@pytest.mark.usefixtures("town")
def test_a_deleted_listing_touches_every_cell_of_its_owner(app: Rows, line: Line) -> None:
    put(app, "delete from listings where id = %(maths)s")
    fold(line)
    assert {*touched(app)} == {*everything("ana")} | ({*touched(app)} & {*ANAS_LESSON})


@pytest.mark.usefixtures("town")
def test_what_fell_due_touches_no_cell(app: Rows, db: Database, line: Line) -> None:
    drain(line)
    app.execute("insert into caas.changes (reason, priority, profile_id) select 'time', 50, id from profiles")
    fold(line)
    assert touched(app) == []
    assert drain(line).processed == 5
    assert figures.remaining(db) == 0


@pytest.mark.usefixtures("town")
def test_a_cell_that_is_touched_often_in_one_fold_is_noted_once(app: Rows, line: Line) -> None:
    for number in range(5):
        put(app, f"update bookings set session_number = {number} where listing_id = %(maths)s")
        put(app, f"update profile_reviews set rating = {number % 5 + 1}")
    put(app, "select caas.enqueue(array[%(ana)s]::uuid[], 'asked')")
    put(app, "select caas.enqueue(array[%(ana)s]::uuid[], 'again', 90)")
    fold(line)
    assert sorted(map(str, touched(app))) == sorted(map(str, ANAS_LESSON | everything("ana")))


@pytest.mark.usefixtures("town")
def test_cells_wait_in_whatever_becomes_of_the_entry(app: Rows, make_line: MakeLine) -> None:
    ana = UUID(IDS["ana"])
    line = make_line(failing(ana), max_attempts=1)
    put(app, "update profiles set identity_verified = true")
    drain(line)
    put(app, "update bookings set status = 'Completed' where listing_id = %(maths)s")
    assert drain(line).dead == 1
    assert {*touched(app)} == ANAS_LESSON
    app.execute("delete from caas.rules")
    well = make_line()
    mark(app, [ana], 50)
    assert drain(well).failed == 0
    assert touched(app) == []
    assert one(app, "select sessions_completed from caas.tutor_daily_aggregates where profile_id = %s", ana) == 1


@pytest.mark.usefixtures("town")
def test_after_a_drain_no_cell_is_left_to_be_written(app: Rows, db: Database, line: Line) -> None:
    queue.mark_everyone(db, "begin")
    drain(line)
    assert touched(app) == []
    for statement in (
        "update bookings set status = 'Completed', session_number = 1",
        "update profile_reviews set reviewer_id = %(dan)s",
        "insert into platform_events (profile_id, event_type, occurred_at) values (%(dan)s, 'login', '2026-01-07Z')",
        "insert into profile_reviews (reviewer_id, reviewee_id, rating) values (%(ana)s, %(cleo)s, 5)",
        "update listings set profile_id = %(ben)s where id = %(maths)s",
        "update profiles set roles = '{CLIENT}' where id = %(ana)s",
    ):
        put(app, statement)
    mark(app, [uuid4()], 10)
    put(app, "delete from profiles where id = %(cleo)s")
    assert drain(line).remaining == 0
    assert touched(app) == []


@pytest.mark.parametrize("start", ["294276-12-31 23:00Z", "4713-01-01 10:00Z BC", "9999-12-31 23:59Z"])
def test_a_day_at_the_end_of_the_calendar_keeps_nobody_from_being_scored(app: Rows, line: Line, start: str) -> None:
    tutor, client = add_tutor(app), add_client(app)
    drain(line)
    app.execute(
        "insert into bookings (listing_id, client_id, status, scheduled_start, scheduled_end) "
        f"values (%s, %s, 'Completed', '{start}', '{start}')",
        (add_listing(app, tutor), client),
    )
    summary = drain(line)
    assert (summary.failed, summary.error_types) == (0, {})
    assert touched(app) == []
