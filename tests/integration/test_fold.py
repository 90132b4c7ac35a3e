"""Fold: marks become entries of the queue (design, The line 2; Settled details)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from caas_worker import queue
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.worker import Summary
from tests.conftest import Connect
from tests.interleaving import Rows, one
from tests.people import (
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_review,
    add_tutor,
    forget_marks,
    total,
)  # fmt: skip

MakeLine = Callable[..., Line]
Drain = Callable[..., Summary]


LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


def mark(app: Rows, profile_ids: list[UUID], reason: str = "asked", priority: int = 10) -> int:
    return int(one(app, "select caas.enqueue(%s, %s, %s)", profile_ids, reason, priority))


def entries(app: Rows, columns: str = "profile_id") -> list[tuple[Any, ...]]:
    return app.execute(f"select {columns} from caas.recalculation_queue order by profile_id").fetchall()


def test_three_reviews_of_one_tutor_make_one_entry(app: Rows, line: Line) -> None:
    tutor, client = add_tutor(app), add_client(app)
    forget_marks(app)
    for rating in (3, 4, 5):
        add_review(app, client, tutor, rating)
    times = app.execute("select min(changed_at), max(changed_at) from caas.changes").fetchone()
    assert line.fold(whole=True).marks == 3
    columns = "profile_id, reasons, priority, first_changed_at, last_changed_at, attempts, token, due_at"
    assert entries(app, columns) == [(tutor, ["profile_reviews"], 10, *(times or ()), 0, None, None)]
    assert one(app, "select count(*) from caas.changes") == 0


def test_marks_of_several_folds_merge_into_the_entry_that_stands(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    seen = []
    for reason, priority in [("c", 90), ("a", 50), ("b", 90), ("a", 90)]:
        mark(app, [tutor], reason, priority)
        changed_at = one(app, "select changed_at from caas.changes")
        line.fold(whole=True)
        columns = "generation, place, reasons, priority, first_changed_at, last_changed_at"
        seen.append((changed_at, *entries(app, columns)[0]))
    assert len({generation for _, generation, *_ in seen}) == 4
    assert [reasons for _, _, _, reasons, *_ in seen] == [["c"], ["a", "c"], ["a", "b", "c"], ["a", "b", "c"]]
    assert [priority for *_, priority, _, _ in seen] == [90, 50, 50, 50]
    assert {first for *_, first, _ in seen} == {seen[0][0]}
    assert [last for *_, last in seen] == [changed_at for changed_at, *_ in seen]
    first, second, third, fourth = (place for _, _, place, *_ in seen)
    assert first < second == third == fourth  # only a better priority moves an entry to another place


def test_an_entry_keeps_at_most_sixteen_reasons(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    for round_ in range(2):
        for number in range(10):
            mark(app, [tutor], f"{round_} {number}")
        line.fold(whole=True)
    assert one(app, "select cardinality(reasons) from caas.recalculation_queue") == 16


def test_a_late_commit_below_the_last_folded_mark_is_still_folded(app: Rows, connect: Connect, line: Line) -> None:
    early, late = uuid4(), uuid4()
    open_transaction = connect(autocommit=False)
    mark(open_transaction, [late])
    mark(app, [early])
    assert line.fold(whole=True).marks == 1
    assert entries(app) == [(early,)]
    open_transaction.commit()
    assert line.fold(whole=True).marks == 1
    assert {*entries(app)} == {(early,), (late,)}


def test_folders_take_different_marks_and_wait_for_none(app: Rows, connect: Connect, line: Line) -> None:
    for _ in range(10):
        mark(app, [uuid4()])
    other = connect(autocommit=False)
    assert other.execute("select marks, entries from caas.fold(4)").fetchone() == (4, 4)
    assert line.fold(whole=True).marks == 6
    other.commit()
    assert line.fold(whole=True).marks == 0
    assert len(entries(app)) == 10


def test_a_fold_takes_no_more_marks_than_its_size(app: Rows, make_line: MakeLine) -> None:
    mark(app, [uuid4() for _ in range(5)])
    line = make_line(fold_size=2)
    assert [line.fold(whole=True).marks for _ in range(4)] == [2, 2, 1, 0]


def test_a_listings_owner_is_looked_up_when_its_mark_is_folded(app: Rows, line: Line) -> None:
    before, after, client = add_tutor(app), add_tutor(app), add_client(app)
    listing = add_listing(app, before)
    add_booking(app, listing, client)
    app.execute("update listings set profile_id = %s", (after,))
    app.execute("delete from caas.changes where listing_id is null")
    line.fold(whole=True)
    assert sorted(entries(app, "profile_id, reasons")) == sorted([(after, ["bookings"]), (client, ["bookings"])])


def test_a_bookings_owner_is_looked_up_when_its_mark_is_folded(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    booking = add_booking(app, add_listing(app, tutor), add_client(app))
    forget_marks(app)
    app.execute("insert into caas.changes (reason, booking_id) values ('transcript', %s)", (booking,))
    line.fold(whole=True)
    assert entries(app, "profile_id, reasons") == [(tutor, ["transcript"])]


def test_a_mark_whose_listing_is_gone_is_taken_without_an_entry(app: Rows, line: Line) -> None:
    app.execute("insert into caas.changes (reason, listing_id) values ('bookings', %s)", (uuid4(),))
    assert line.fold(whole=True).marks == 1
    assert (entries(app), one(app, "select count(*) from caas.changes")) == ([], 0)


def test_a_mark_on_a_leased_entry_waits_apart_from_what_was_claimed(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    mark(app, [tutor], "first", 50)
    line.fold(whole=True)
    line.claimant.claim(1, whole=True)
    claimed = entries(app, "priority, place, reasons, first_changed_at, token, lease_until, claimed_generation")
    mark(app, [tutor], "later", 90)
    changed_at = one(app, "select changed_at from caas.changes")
    line.fold(whole=True)
    mark(app, [tutor], "later still", 10)
    line.fold(whole=True)
    unchanged = entries(app, "priority, place, reasons, first_changed_at, token, lease_until, claimed_generation")
    assert unchanged == claimed
    later = "later_priority, later_reasons, later_changed_at, generation > claimed_generation, last_changed_at > %s"
    row = app.execute(f"select {later} from caas.recalculation_queue", (changed_at,)).fetchone()
    assert row == (10, ["later", "later still"], changed_at, True, True)


def test_a_mark_during_backoff_keeps_the_due_time(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    line.fold(whole=True)
    app.execute("update caas.recalculation_queue set due_at = now() + interval '1 h', attempts = 2, error = 'X'")
    before = entries(app, "due_at, attempts, error")
    mark(app, [tutor], "by hand", 0)
    line.fold(whole=True)
    assert entries(app, "due_at, attempts, error") == before
    assert entries(app, "priority, reasons") == [(0, ["by hand", "profiles"])]
    assert line.claimant.claim(10, whole=True).entries == ()


def test_a_mark_on_a_dead_profile_revives_it_with_no_attempts_counted(app: Rows, line: Line, drain: Drain) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    app.execute(
        "insert into caas.dead_entries (profile_id, error, message, attempts, reasons, first_changed_at, "
        "last_changed_at) values (%s, 'X', 'x', 4, '{old}', now(), now())",
        (tutor,),
    )
    assert drain().processed == 0
    mark(app, [tutor])
    line.fold(whole=True)
    assert entries(app, "profile_id, attempts, losses") == [(tutor, 0, 0)]
    assert one(app, "select count(*) from caas.dead_entries") == 0
    assert drain().processed == 1


@pytest.mark.parametrize(("size", "newcomer"), [(1, LOWEST), (2, HIGHEST), (3, LOWEST), (100, HIGHEST)])
def test_a_mark_of_everyone_reaches_every_profile_and_every_score_in_pieces(
    app: Rows, db: Database, make_line: MakeLine, size: int, newcomer: UUID
) -> None:
    scored = {add_tutor(app) for _ in range(4)} | {add_tutor(app, id=({LOWEST, HIGHEST} - {newcomer}).pop())}
    line = make_line(fold_size=size)
    while line.fold(whole=True).found_any:
        pass
    line.run_batch(100, whole=True)
    app.execute("alter table profiles disable trigger user")
    add_tutor(app, id=newcomer)
    app.execute("delete from profiles where id in (select profile_id from caas.scores order by profile_id limit 3)")
    queue.mark_everyone(db, "rebuilt")
    changed_at = one(app, "select changed_at from caas.changes")
    folds = []
    while (folded := line.fold(whole=True)).found_any:
        folds.append(folded)
    assert max(max(folded.marks, folded.expanded or 0) for folded in folds) <= size
    assert entries(app, "profile_id, reasons, priority, first_changed_at") == [
        (key, ["rebuilt"], 90, changed_at) for key in sorted(scored | {newcomer})
    ]
    assert one(app, "select count(*) from caas.changes") == 0


def test_a_change_is_not_held_up_by_a_mark_of_everyone(app: Rows, db: Database, make_line: MakeLine) -> None:
    for _ in range(10):
        add_tutor(app)
    forget_marks(app)
    line = make_line(fold_size=2)
    queue.mark_everyone(db, "rebuilt")
    line.fold(whole=True)
    urgent = add_tutor(app)
    line.fold(whole=True)
    line.fold(whole=True)
    assert line.claimant.claim(1, whole=True).profile_ids == [urgent]


def test_marks_of_everyone_that_have_not_begun_are_one(app: Rows, db: Database, make_line: MakeLine) -> None:
    for _ in range(5):
        add_tutor(app)
    forget_marks(app)
    queue.mark_everyone(db, "first")
    queue.mark_everyone(db, "second")
    assert one(app, "select count(*) from caas.changes where everyone") == 1
    line = make_line(fold_size=2)
    line.fold(whole=True)
    queue.mark_everyone(db, "third")  # the first has begun: what it passed already is meant again
    assert one(app, "select count(*) from caas.changes where everyone") == 2


def test_a_mark_of_everyone_does_not_begin_before_the_transaction_that_counts_on_it_ends(
    app: Rows, connect: Connect, db: Database, drain: Drain
) -> None:
    tutor = add_tutor(app)
    drain()
    queue.mark_everyone(db, "first")
    release = connect(autocommit=False)
    release.execute("set local session_replication_role = replica; update profiles set available_free_help = true")
    release.execute("select caas.enqueue_everyone('second')")
    drain()
    release.commit()
    drain()
    assert total(app, tutor) == 36


def test_a_truncate_ends_with_every_score_right(app: Rows, drain: Drain) -> None:
    tutor, client = add_tutor(app), add_client(app)
    add_booking(app, add_listing(app, tutor), client, "Completed", type="free_help")
    drain()
    assert total(app, tutor) == 33
    app.execute("truncate bookings cascade")
    drain()
    assert total(app, tutor) == 32
    app.execute("truncate profiles cascade")
    assert drain().removed == 2
    assert one(app, "select count(*) from caas.scores") == 0


def test_enqueue_marks_each_profile_once_and_no_null(app: Rows) -> None:
    one_, two = uuid4(), uuid4()
    assert one(app, "select caas.enqueue(%s, '  asked  ')", [one_, None, two, one_]) == 2
    rows = app.execute("select profile_id, reason, priority from caas.changes").fetchall()
    assert {*rows} == {(one_, "asked", 10), (two, "asked", 10)}
    assert one(app, "select caas.enqueue('{}', 'asked')") == one(app, "select caas.enqueue(null, 'asked')") == 0


@pytest.mark.parametrize("arguments", ["'a word', 7", "'a word', null", "'', 10", "'  ', 10", "null, 10"])
def test_enqueue_refuses_an_unknown_priority_and_a_blank_reason(app: Rows, arguments: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        app.execute(f"select caas.enqueue(array[gen_random_uuid()], {arguments})")
    assert one(app, "select count(*) from caas.changes") == 0


@pytest.mark.parametrize(
    "call", ["caas.enqueue_everyone('rebuilt', 7)", "caas.recalculate(array[gen_random_uuid()], 'asked', 7)"]
)
def test_no_caller_can_leave_a_mark_that_no_fold_can_take(app: Rows, line: Line, call: str) -> None:
    tutor = add_tutor(app)
    with pytest.raises(psycopg.Error):
        app.execute(f"select {call}")
    line.fold(whole=True)
    assert entries(app) == [(tutor,)]


def test_a_recalculation_knows_its_generations_and_folds_nothing_else(app: Rows, db: Database) -> None:
    tutor, other = add_tutor(app), add_profile(app, "CLIENT")
    marks = queue.recalculate(db, [tutor, tutor])
    assert entries(app, "profile_id, generation, priority, reasons") == [
        (tutor, marks[tutor].generation, 0, ["manual"])
    ]
    assert queue.recalculate(db, []) == {}
    assert other not in {key for (key,) in entries(app)}
    age = one(app, "select clock_timestamp() - first_changed_at from caas.recalculation_queue")
    assert timedelta() < age < timedelta(minutes=1)
