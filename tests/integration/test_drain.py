"""A drain works until nothing is due, counts what it did, and leaves one bad profile behind alone."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from caas_worker import appraisal, figures, worker
from caas_worker.db import Database
from caas_worker.errors import DatabaseError, NotInstalled
from caas_worker.model import Profile
from caas_worker.pipeline import Line
from caas_worker.quality.model import TutorSums
from tests.people import (
    Rows,
    add_booking,
    add_client,
    add_listing,
    add_review,
    add_tutor,
    forget_marks,
    marks,
    total,
)  # fmt: skip
from tests.scripted import Scripted, failing

Drain = Callable[..., worker.Summary]
MakeLine = Callable[..., Line]


def add_tutors(app: Rows, count: int) -> list[UUID]:
    """Verified tutors, in one statement; their marks are forgotten."""
    rows = app.execute(
        "insert into profiles (roles, identity_verified) select '{TUTOR}', true from generate_series(1, %s) "
        "returning id",
        (count,),
    ).fetchall()
    forget_marks(app)
    return [row[0] for row in rows]


def enqueue(app: Rows, profiles: list[UUID], priority: int = 10) -> int:
    row = app.execute("select caas.enqueue(%s, 'test', %s)", (profiles, priority)).fetchone()
    assert row is not None
    return int(row[0])


def entries(app: Rows) -> list[tuple[Any, ...]]:
    return app.execute("select profile_id, reasons, priority from caas.recalculation_queue").fetchall()


def test_three_reviews_of_one_tutor_are_one_entry(app: Rows, line: Line, drain: Drain) -> None:
    [tutor] = add_tutors(app, 1)
    clients = [add_client(app) for _ in range(3)]
    forget_marks(app)
    for client in clients:
        add_review(app, client, tutor, 5)
    assert len(marks(app)) == 3

    line.fold(whole=True)
    assert (marks(app), entries(app)) == ([], [(tutor, ["profile_reviews"], 10)])
    summary = drain()
    assert (summary.processed, summary.batches, summary.remaining) == (1, 1, 0)


def test_one_batch_of_a_hundred_leaves_the_rest(app: Rows, drain: Drain) -> None:
    assert enqueue(app, add_tutors(app, 250)) == 250
    summary = drain(batch_size=100, max_batches=1)
    assert (summary.processed, summary.remaining, summary.batches) == (100, 150, 1)
    assert (summary.failed, summary.error_types, summary.exit_code) == (0, {}, 0)
    summary = drain(batch_size=100)
    assert (summary.processed, summary.remaining, summary.batches) == (150, 0, 2)


def test_profiles_that_do_not_exist_are_counted_and_hurt_nobody(app: Rows, drain: Drain) -> None:
    enqueue(app, add_tutors(app, 90) + [uuid4() for _ in range(10)])
    summary = drain(batch_size=100, max_batches=1)
    assert (summary.processed, summary.failed, summary.remaining) == (90, 10, 0)
    assert summary.error_types == {"PROFILE_NOT_FOUND": 10}
    assert summary.exit_code == 0
    assert app.execute("select count(*) from caas.scores").fetchone() == (90,)
    assert app.execute("select count(*) from caas.dead_entries").fetchone() == (0,)


def test_a_hundred_profiles_take_a_fraction_of_thirty_seconds(app: Rows, drain: Drain) -> None:
    enqueue(app, add_tutors(app, 100))
    summary = drain()
    assert summary.processed == 100
    assert 0 < summary.duration_ms < 3_000


def test_a_profile_enqueued_twice_is_scored_once(app: Rows, drain: Drain) -> None:
    tutors = add_tutors(app, 2)
    assert enqueue(app, [*tutors, *tutors]) == 2
    assert enqueue(app, tutors, priority=0) == 2
    summary = drain()
    assert (summary.processed, summary.marks_folded) == (2, 4)


def test_a_second_drain_finds_nothing_to_do_and_changes_nothing(app: Rows, drain: Drain) -> None:
    add_tutor(app)
    assert drain().processed == 1
    before = app.execute("select * from caas.scores").fetchall()
    summary = drain()
    assert (summary.processed, summary.batches, summary.marks_folded, summary.remaining) == (0, 0, 0, 0)
    assert app.execute("select * from caas.scores").fetchall() == before


def test_a_deleted_profile_ends_with_its_score_removed(app: Rows, drain: Drain) -> None:
    stays, goes = add_tutors(app, 2)
    enqueue(app, [stays, goes])
    drain()
    app.execute("delete from profiles where id = %s", (goes,))
    summary = drain()
    assert (summary.processed, summary.removed, summary.failed, summary.exit_code) == (0, 1, 0, 0)
    assert summary.error_types == {}
    assert (total(app, stays), total(app, goes)) == (32, None)
    assert app.execute("select count(*) from caas.score_follow").fetchone() == (0,)


def test_a_profile_that_came_and_went_between_two_drains_is_no_error(app: Rows, drain: Drain) -> None:
    app.execute("delete from profiles where id = %s", (add_tutor(app),))
    summary = drain()
    assert (summary.processed, summary.removed, summary.failed, summary.remaining) == (0, 1, 0, 0)


def test_two_drains_at_once_share_the_work(app: Rows, make_line: MakeLine) -> None:
    tutors = add_tutors(app, 40)
    enqueue(app, tutors)
    both_have_a_batch = threading.Barrier(2)

    def meet_once() -> Scripted:
        waited = threading.Event()

        def meet(_: Profile) -> None:
            if not waited.is_set():
                waited.set()
                both_have_a_batch.wait(timeout=20)

        return Scripted(meet)

    lines = [make_line(meet_once()), make_line(meet_once())]
    lines[0].fold(whole=True)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda line: worker.drain(line, batch_size=10), lines)
    assert one.processed >= 10
    assert other.processed >= 10
    assert one.processed + other.processed == 40
    assert (one.lost, other.lost, one.failed, other.failed) == (0, 0, 0, 0)
    assert {total(app, tutor) for tutor in tutors} == {50}


def test_a_failure_makes_the_exit_code_1_and_leaves_the_others_alone(app: Rows, make_line: MakeLine) -> None:
    tutors = add_tutors(app, 10)
    enqueue(app, tutors)
    line = make_line(failing(tutors[3]), backoff_seconds=3_600)
    summary = worker.drain(line, batch_size=100)
    assert (summary.processed, summary.failed, summary.dead) == (9, 1, 0)
    assert summary.error_types == {"STRATEGY_FAILED": 1}
    assert summary.exit_code == 1
    assert total(app, tutors[3]) is None


def test_what_waits_for_its_next_attempt_counts_as_remaining_and_is_not_due(app: Rows, make_line: MakeLine) -> None:
    tutors = add_tutors(app, 3)
    enqueue(app, tutors)
    line = make_line(failing(*tutors), backoff_seconds=3_600)
    assert worker.drain(line, batch_size=100).remaining == 3
    again = worker.drain(line, batch_size=100)
    assert (again.batches, again.failed, again.remaining, again.exit_code) == (0, 0, 3, 0)


def test_what_fails_again_and_again_is_set_aside(app: Rows, make_line: MakeLine) -> None:
    tutors = add_tutors(app, 2)
    enqueue(app, tutors)
    summary = worker.drain(make_line(failing(tutors[0]), max_attempts=3), batch_size=100)
    assert (summary.processed, summary.failed, summary.dead, summary.remaining) == (1, 3, 1, 0)
    assert summary.error_types == {"STRATEGY_FAILED": 3}
    assert summary.exit_code == 1
    dead = app.execute("select profile_id, error, attempts from caas.dead_entries").fetchall()
    assert dead == [(tutors[0], "STRATEGY_FAILED", 3)]


def test_what_another_worker_holds_counts_as_remaining(app: Rows, make_line: MakeLine) -> None:
    enqueue(app, add_tutors(app, 5))
    other = make_line()
    other.fold(whole=True)
    held = other.claimant.claim(2)
    assert len(held.entries) == 2
    summary = worker.drain(make_line(), batch_size=100)
    assert (summary.processed, summary.remaining) == (3, 2)


def test_marks_count_as_remaining_before_they_are_folded(app: Rows, db: Database, line: Line) -> None:
    enqueue(app, add_tutors(app, 3))
    assert figures.remaining(db) == 3
    line.fold(whole=True)
    enqueue(app, [uuid4()])
    assert figures.remaining(db) == 4


def test_marks_of_those_who_wait_hide_no_others(app: Rows, make_line: MakeLine) -> None:
    """Every fold that comes before the first claim meets only the marks of somebody who is not due."""
    waiting, due = add_tutors(app, 2)
    enqueue(app, [waiting])
    line = make_line(failing(waiting), backoff_seconds=3_600, fold_size=1)
    worker.drain(line, batch_size=100)
    for _ in range(2 * worker.FULL_FOLDS_PER_BATCH):
        enqueue(app, [waiting])
    enqueue(app, [due])
    summary = worker.drain(line, batch_size=100)
    assert (summary.processed, summary.remaining) == (1, 1)


def test_no_batch_begins_after_max_seconds(app: Rows, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch) -> None:
    enqueue(app, add_tutors(app, 10))
    seconds = 0

    def take_a_second(_: Profile) -> None:
        nonlocal seconds
        seconds += 1

    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: float(seconds)))
    summary = worker.drain(make_line(Scripted(take_a_second)), batch_size=2, max_seconds=3)
    assert (summary.processed, summary.remaining, summary.duration_ms) == (4, 6, 4_000)


def test_no_second_at_all_does_nothing(app: Rows, drain: Drain) -> None:
    enqueue(app, add_tutors(app, 3))
    summary = drain(max_seconds=0)
    assert (summary.processed, summary.batches, summary.remaining) == (0, 0, 3)


def test_a_drain_that_is_told_to_stop_finishes_its_batch(app: Rows, make_line: MakeLine) -> None:
    enqueue(app, add_tutors(app, 6))
    stop = threading.Event()
    summary = worker.drain(make_line(Scripted(lambda _: stop.set())), batch_size=2, stop=stop)
    assert (summary.processed, summary.remaining) == (2, 4)
    leased = app.execute("select count(*) from caas.recalculation_queue where token is not null").fetchone()
    assert leased == (0,)


def test_manual_marks_come_first_and_backfill_last(app: Rows, make_line: MakeLine) -> None:
    backfill, live, manual = (add_tutors(app, 1) for _ in range(3))
    enqueue(app, backfill, priority=90)
    enqueue(app, live, priority=10)
    enqueue(app, manual, priority=0)
    seen: list[UUID] = []
    worker.drain(make_line(Scripted(lambda profile: seen.append(profile.profile_id))), batch_size=1)
    assert [[profile] for profile in seen] == [manual, live, backfill]


@pytest.mark.parametrize(
    "damage",
    [
        "update profiles set dbs_expiry_date = 'infinity' where id = %s",
        "update profiles set dbs_expiry_date = '-infinity' where id = %s",
        "update profiles set dbs_expiry_date = '20000-01-01' where id = %s",
        "update profiles set dbs_expiry_date = '4000-01-01 BC' where id = %s",
        "update profiles set roles = '{{TUTOR,STAFF},{AGENT,CLIENT}}' where id = %s",
        "update profiles set roles = array[null, 'TUTOR'] where id = %s",
        "update profiles set roles = '{}' where id = %s",
        "insert into role_details (profile_id, role_type, qualifications) "
        "values (%s, 'TUTOR', (repeat('[', 5000) || repeat(']', 5000))::jsonb)",
    ],
)
def test_odd_values_of_one_profile_keep_nobody_else_waiting(app: Rows, drain: Drain, damage: str) -> None:
    tutors = add_tutors(app, 5)
    app.execute(damage, (tutors[2],))
    enqueue(app, tutors)
    summary = drain()
    assert summary.processed + summary.failed >= 5
    assert [total(app, tutor) for tutor in tutors if tutor != tutors[2]] == [32] * 4


def test_statistics_that_fail_leave_the_score_as_it_was(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    line = make_line(backoff_seconds=3_600)
    worker.drain(line, batch_size=10)
    app.execute(
        "create or replace function caas.network_stats(profile_ids uuid[], as_of timestamptz default now()) "
        "returns table (profile_id uuid, referral_count int, connection_count int, is_agent_referred bool) "
        "language plpgsql stable as $$ begin return query select 1 / 0, 0, 0, false; end $$"
    )
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    summary = worker.drain(line, batch_size=10)
    assert (summary.processed, summary.failed, summary.remaining) == (0, 1, 1)
    assert summary.error_types == {"STATISTICS_FAILED": 1}
    assert total(app, tutor) == 32


@pytest.mark.parametrize("others", [0, 4])
def test_cells_that_fail_are_one_profiles_failure(app: Rows, make_line: MakeLine, others: int) -> None:
    guilty, *innocent = tutors = add_tutors(app, 1 + others)
    enqueue(app, tutors)
    app.execute(
        "create function stumble() returns trigger language plpgsql as "
        f"$$ begin if new.profile_id = '{guilty}' then perform 1 / 0; end if; return new; end $$"
    )
    app.execute("create trigger stumble before insert on caas.cell_states for each row execute function stumble()")
    summary = worker.drain(make_line(max_attempts=2), batch_size=10)
    assert (summary.processed, summary.failed, summary.dead) == (others, 2, 1)
    assert summary.error_types == {"CELLS_FAILED": 2}
    assert [total(app, tutor) for tutor in tutors] == [None] + [32] * len(innocent)
    app.execute("drop trigger stumble on caas.cell_states")
    enqueue(app, [guilty])
    assert worker.drain(make_line(), batch_size=10).processed == 1
    assert total(app, guilty) == 32


def test_cells_that_failed_once_are_written_when_they_can_be(app: Rows, make_line: MakeLine) -> None:
    tutor, client = add_tutor(app), add_client(app)
    listing = add_listing(app, tutor)
    add_booking(app, listing, client)
    worker.drain(make_line(), batch_size=10)
    app.execute(
        "create function stumble() returns trigger language plpgsql as $$ begin perform 1 / 0; return new; end $$"
    )
    app.execute("create trigger stumble before insert on caas.pair_cells for each row execute function stumble()")
    add_booking(app, listing, client)
    assert worker.drain(make_line(backoff_seconds=3_600), batch_size=10).error_types == {"CELLS_FAILED": 1}
    app.execute("drop trigger stumble on caas.pair_cells")
    app.execute("update caas.recalculation_queue set due_at = null")
    summary = worker.drain(make_line(), batch_size=10)
    assert (summary.processed, summary.failed) == (1, 0)
    summed = app.execute("select paid, clients, returning_clients from caas.pair_sums where profile_id = %s", (tutor,))
    assert summed.fetchall() == [(2, 1, 1)]


@pytest.mark.parametrize("others", [0, 4])
def test_quality_that_fails_is_one_tutors_failure_and_neither_score_is_written(
    app: Rows, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    guilty, *innocent = tutors = add_tutors(app, 1 + others)
    enqueue(app, tutors)
    appraise = appraisal.appraise

    def stumble(tutor: TutorSums, next_due_at: datetime | None) -> appraisal.Appraised:
        if tutor.profile_id == guilty:
            raise ValueError("no quality for this one")
        return appraise(tutor, next_due_at)

    with monkeypatch.context() as patch:
        patch.setattr(appraisal, "appraise", stumble)
        summary = worker.drain(make_line(backoff_seconds=3_600), batch_size=10)
    assert (summary.processed, summary.failed, summary.remaining) == (others, 1, 1)
    assert summary.error_types == {"QUALITY_FAILED": 1}
    appraised = "select distinct profile_id from caas.tutor_scores"
    assert [total(app, tutor) for tutor in tutors] == [None] + [32] * len(innocent)
    assert {row[0] for row in app.execute(appraised)} == {*innocent}
    app.execute("update caas.recalculation_queue set due_at = null")
    assert worker.drain(make_line(), batch_size=10).processed == 1
    assert total(app, guilty) == 32
    assert {row[0] for row in app.execute(appraised)} == {*tutors}


def test_quality_that_fails_after_a_deadlock_is_one_tutors_failure_too(
    app: Rows, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tutor(app)
    publish, tries = appraisal.publish, iter([DatabaseError("deadlock detected", "40P01")])

    def meet(*arguments: Any, **named: Any) -> None:
        for deadlock in tries:
            raise deadlock
        publish(*arguments, **named)

    def stumble(*_: object) -> appraisal.Appraised:
        raise ValueError("no quality for this one")

    monkeypatch.setattr(appraisal, "publish", meet)
    monkeypatch.setattr(appraisal, "appraise", stumble)
    summary = worker.drain(make_line(backoff_seconds=3_600), batch_size=10)
    assert (summary.processed, summary.error_types) == (0, {"QUALITY_FAILED": 1})


def test_a_missing_table_of_the_application_is_nobodys_own_failure(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    app.execute("drop table student_integration_links cascade")
    line = make_line()
    with pytest.raises(NotInstalled, match=r"caas\.source_student_integration_links"):
        worker.drain(line, batch_size=10)
    line.claimant.release()
    queued = app.execute("select profile_id, attempts, token from caas.recalculation_queue").fetchall()
    assert queued == [(tutor, 0, None)]
