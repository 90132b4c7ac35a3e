"""Cache: what a batch leaves behind, whoever else works and whatever one profile's row does to it (promises 3 to 5)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from caas_worker import queue
from caas_worker.db import Database
from caas_worker.errors import DatabaseError, NotInstalled
from caas_worker.model import Claim, Profile, Score, Stats
from caas_worker.pipeline import Line
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.worker import Summary
from tests.interleaving import Rows, one
from tests.people import add_profile, add_review, add_tutor, forget_marks, total

MakeLine = Callable[..., Line]
Drain = Callable[..., Summary]


def claim(line: Line) -> Claim:
    """Fold and claim all there is."""
    while line.fold(whole=True).found_any:
        pass
    line.claimant.wake(now=True)
    return line.claimant.claim(1_000, whole=True)


def let_leases_lapse(app: Rows) -> None:
    app.execute("update caas.recalculation_queue set lease_until = clock_timestamp() - interval '1 s'")


def entry(app: Rows, profile_id: UUID, columns: str) -> Any:
    return app.execute(
        f"select {columns} from caas.recalculation_queue where profile_id = %s", (profile_id,)
    ).fetchone()


class Peculiar(TutorStrategy):
    """The tutor rule, but what it returns for some profiles is altered."""

    def __init__(self, alter: Callable[[Score], Score], *whose: UUID) -> None:
        self._alter = alter
        self._whose = whose

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        score = super().score(profile, stats, now)
        return self._alter(score) if profile.profile_id in self._whose else score


def refuse(_: Score) -> Score:
    raise ZeroDivisionError("no such rule")


def test_a_worker_that_lost_its_lease_writes_nothing_over_the_newer_score(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    slow, quick = make_line(), make_line()
    held = claim(slow)
    old = slow.score(held)
    let_leases_lapse(app)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    taken = claim(quick)
    assert taken.profile_ids == [tutor]
    assert quick.publish(taken, quick.score(taken)).endings == {"scored": 1}
    newer = app.execute("select * from caas.scores").fetchall()
    assert slow.publish(held, old).endings == {"lost": 1}
    assert app.execute("select * from caas.scores").fetchall() == newer
    assert total(app, tutor) == 36


def test_a_worker_that_lost_its_lease_leaves_the_new_holders_entry_alone(app: Rows, make_line: MakeLine) -> None:
    kept, failed, gone = add_tutor(app), add_tutor(app), uuid4()
    app.execute("select caas.enqueue(%s, 'asked')", ([gone],))
    slow, quick = make_line(Peculiar(refuse, failed), max_attempts=1), make_line()
    held = claim(slow)
    let_leases_lapse(app)
    taken = claim(quick)
    before = app.execute("select * from caas.recalculation_queue").fetchall()
    assert slow.publish(held, slow.score(held)).endings == {"lost": 3}
    assert app.execute("select * from caas.recalculation_queue").fetchall() == before
    assert one(app, "select count(*) from caas.dead_entries") == 0
    slow.claimant.release()
    assert quick.publish(taken, quick.score(taken)).endings == {"scored": 2, "not_found": 1}
    assert total(app, kept) == total(app, failed) == 32


def test_a_lease_that_ran_out_but_was_taken_by_nobody_still_publishes(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    held = claim(line)
    let_leases_lapse(app)
    assert line.publish(held, line.score(held)).endings == {"scored": 1}
    assert total(app, tutor) == 32


def test_an_entry_marked_again_meanwhile_is_released_with_what_came_after_the_claim(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    app.execute("select caas.enqueue(%s, 'by hand', 0)", ([tutor],))
    held = claim(line)
    scored = line.score(held)
    app.execute("update profiles set bio = 'Hello'")
    line.fold(whole=True)
    app.execute("select caas.enqueue(%s, 'later', 50)", ([tutor],))
    line.fold(whole=True)
    marked_at, generation = (
        app.execute("select later_changed_at, generation from caas.recalculation_queue").fetchone() or ()
    )
    line.publish(held, scored)
    assert one(app, "select generation from caas.scores") == held.entries[0].generation
    columns = "priority, reasons, first_changed_at, generation, attempts, token, later_reasons"
    assert entry(app, tutor, columns) == (10, ["later", "profiles"], marked_at, generation, 0, None, None)
    [again] = claim(line).entries
    assert again.generation == generation
    assert again.first_changed_at == marked_at > held.entries[0].last_changed_at


def test_the_row_keeps_the_generation_that_a_caller_waits_for_and_the_newest_change(
    app: Rows, db: Database, line: Line, drain: Drain
) -> None:
    tutor = add_tutor(app)
    add_review(app, add_profile(app, "CLIENT"), tutor, 5)
    newest = one(app, "select max(changed_at) from caas.changes where profile_id = %s", tutor)
    line.fold(whole=True)
    marks = queue.recalculate(db, [tutor])
    asked_at = one(app, "select last_changed_at from caas.recalculation_queue where profile_id = %s", tutor)
    drain()
    row = app.execute(
        "select generation, source_changed_at, calculated_at from caas.scores where profile_id = %s", (tutor,)
    )
    generation, source_changed_at, calculated_at = row.fetchone() or ()
    assert generation == marks[tutor].generation
    assert newest < source_changed_at == asked_at < calculated_at


def test_a_deleted_profile_ends_removed_and_one_that_never_was_not_found(app: Rows, line: Line, drain: Drain) -> None:
    scored, fleeting, unknown = add_tutor(app), add_tutor(app), uuid4()
    app.execute("delete from profiles where id = %s", (fleeting,))
    drain()
    app.execute("delete from profiles where id = %s", (scored,))
    app.execute("select caas.enqueue(%s, 'asked')", ([unknown],))
    summary = drain()
    assert (summary.removed, summary.error_types, summary.exit_code) == (1, {"PROFILE_NOT_FOUND": 1}, 0)
    tables = ("caas.scores", "caas.recalculation_queue", "caas.changes", "caas.dead_entries", "caas.score_follow")
    assert [one(app, f"select count(*) from {table}") for table in tables] == [0, 0, 0, 0, 0]
    app.execute("select caas.enqueue(%s, 'asked')", ([scored],))
    held = claim(line)
    assert line.publish(held, line.score(held)).endings == {"not_found": 1}


def test_a_profile_gone_before_its_first_score_ends_removed(app: Rows, drain: Drain) -> None:
    add_tutor(app)
    app.execute("delete from profiles")
    assert drain().removed == 1


def test_failures_wait_twice_as_long_each_time_and_not_all_equally_long(app: Rows, make_line: MakeLine) -> None:
    tutors = [add_tutor(app) for _ in range(40)]
    line = make_line(Peculiar(refuse, *tutors), backoff_seconds=100, max_attempts=9)
    for attempt in range(3):
        held = claim(line)
        assert {entry.attempts for entry in held.entries} == {attempt}
        begun = one(app, "select clock_timestamp()")
        assert line.publish(held, line.score(held)).endings == {"failed": 40}
        pauses = [
            (due_at - begun) / timedelta(seconds=100 * 2**attempt)
            for (due_at,) in app.execute("select due_at from caas.recalculation_queue").fetchall()
        ]
        assert 0.5 <= min(pauses) < 0.75
        assert 1.25 < max(pauses) < 1.6
        assert claim(line).entries == ()
        app.execute("update caas.recalculation_queue set due_at = clock_timestamp()")


def test_after_its_last_attempt_a_profile_is_set_aside_with_its_reason_and_the_others_go_through(
    app: Rows, make_line: MakeLine
) -> None:
    bad, *good = [add_tutor(app) for _ in range(5)]
    line = make_line(Peculiar(refuse, bad), max_attempts=3)
    endings = []
    for _ in range(3):
        held = claim(line)
        batch = line.publish(held, line.score(held))
        assert batch.errors == {"STRATEGY_FAILED": 1}
        endings.append({**batch.endings})
    assert endings == [{"scored": 4, "failed": 1}, {"failed": 1}, {"dead": 1}]
    assert {total(app, tutor) for tutor in good} == {32}
    assert total(app, bad) is None
    dead = app.execute("select profile_id, error, message, detail, attempts, reasons from caas.dead_entries").fetchall()
    [(profile_id, error, message, detail, attempts, reasons)] = dead
    assert (profile_id, error, attempts, reasons) == (bad, "STRATEGY_FAILED", 3, ["profiles"])
    assert message == "ZeroDivisionError: no such rule"
    assert "in refuse" in detail
    assert one(app, "select count(*) from caas.recalculation_queue") == 0


def test_a_last_failure_that_was_marked_again_meanwhile_is_tried_again(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    line = make_line(Peculiar(refuse, tutor), max_attempts=1)
    held = claim(line)
    app.execute("update profiles set bio = 'Hello'")
    line.fold(whole=True)
    assert line.publish(held, line.score(held)).endings == {"failed": 1}
    columns = "attempts, error, reasons, later_reasons, due_at is not null"
    assert entry(app, tutor, columns) == (1, "STRATEGY_FAILED", ["profiles"], None, True)
    held = claim(line)
    assert line.publish(held, line.score(held)).endings == {"dead": 1}


def test_success_forgets_earlier_failures_and_losses(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    line.fold(whole=True)
    app.execute("update caas.recalculation_queue set attempts = 3, losses = 1, error = 'STRATEGY_FAILED'")
    held = claim(line)
    app.execute("update profiles set bio = 'Hello'")
    line.fold(whole=True)
    line.publish(held, line.score(held))
    assert entry(app, tutor, "attempts, losses, error") == (0, 0, None)


ODD: dict[str, tuple[Callable[[Score], Score], str]] = {
    "an exception": (refuse, "STRATEGY_FAILED"),
    "no score": (lambda _: None, "STRATEGY_FAILED"),  # type: ignore[arg-type, return-value]
    "above 100": (lambda score: replace(score, total=101), "STRATEGY_FAILED"),
    "below 0": (lambda score: replace(score, total=-1), "STRATEGY_FAILED"),
    "NaN": (lambda score: replace(score, total=math.nan), "STRATEGY_FAILED"),
    "NaN within": (lambda score: replace(score, breakdown={"network": math.nan}), "STRATEGY_FAILED"),
    "no JSON": (lambda score: replace(score, inputs={"roles": {1}}), "STRATEGY_FAILED"),
    "NUL": (lambda score: replace(score, inputs={"bio": "a\0b"}), "STRATEGY_FAILED"),
    "half a character": (lambda score: replace(score, inputs={"bio": "\ud83d"}), "CACHE_REFUSED"),
    "a fraction": (lambda score: replace(score, total=57.5), "CACHE_REFUSED"),
    "an unknown reason": (lambda score: replace(score, reason="a whim"), "CACHE_REFUSED"),
    "no version": (lambda score: replace(score, version=None), "CACHE_REFUSED"),
}


@pytest.mark.parametrize("oddity", ODD)
def test_what_the_cache_cannot_keep_hurts_its_own_profile_only(app: Rows, make_line: MakeLine, oddity: str) -> None:
    alter, code = ODD[oddity]
    tutors = [add_tutor(app) for _ in range(5)]
    line = make_line(Peculiar(alter, tutors[1]), max_attempts=1)
    held = claim(line)
    batch = line.publish(held, line.score(held))
    assert (batch.endings, batch.errors) == ({"scored": 4, "dead": 1}, {code: 1})
    assert [total(app, tutor) for tutor in tutors] == [32, None, 32, 32, 32]
    assert one(app, "select profile_id from caas.dead_entries where error = %s", code) == tutors[1]


def test_text_that_only_looks_like_a_nul_is_kept(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    line = make_line(Peculiar(lambda score: replace(score, inputs={"bio": r"\u0000"}), tutor))
    held = claim(line)
    assert line.publish(held, line.score(held)).endings == {"scored": 1}


def replace_statistics(app: Rows, body: str) -> None:
    """A caas.performance_stats of the test's own, with the shipped one as sound_stats."""
    app.execute("alter function caas.performance_stats(uuid[], timestamptz) rename to sound_stats")
    result = one(app, "select pg_get_function_result('caas.sound_stats'::regproc)")
    app.execute(
        f"create function caas.performance_stats(ids uuid[], as_of timestamptz) returns {result} language plpgsql "
        f"as $$ begin {body} end $$".encode()
    )


def test_statistics_that_fail_for_one_profile_are_never_zeros(app: Rows, make_line: MakeLine, drain: Drain) -> None:
    tutors = [add_tutor(app) for _ in range(9)]
    drain()
    app.execute("update profiles set available_free_help = true")
    unlucky = add_tutor(app)
    replace_statistics(
        app,
        f"if array['{tutors[4]}', '{unlucky}']::uuid[] && ids then perform 1 / 0; end if; "
        "return query select * from caas.sound_stats(ids, as_of);",
    )
    line = make_line(max_attempts=1)
    held = claim(line)
    batch = line.publish(held, line.score(held))
    assert (batch.endings, batch.errors) == ({"scored": 8, "dead": 2}, {"STATISTICS_FAILED": 2})
    assert [total(app, tutor) for tutor in tutors] == [36, 36, 36, 36, 32, 36, 36, 36, 36]
    assert total(app, unlucky) is None


def test_statistics_without_a_row_for_a_profile_are_never_zeros(app: Rows, make_line: MakeLine) -> None:
    lost, kept = add_tutor(app), add_tutor(app)
    replace_statistics(app, f"return query select * from caas.sound_stats(array_remove(ids, '{lost}'), as_of);")
    line = make_line(max_attempts=1)
    held = claim(line)
    assert line.publish(held, line.score(held)).endings == {"scored": 1, "dead": 1}
    assert (total(app, lost), total(app, kept)) == (None, 32)


EVERYONES = {
    "forbidden": "42501",
    "disk full": "53100",
    "out of memory": "53200",
    "deadlock": "40P01",
    "not serialisable": "40001",
    "lock timeout": "55P03",
    "read-only": "25006",
}


@pytest.mark.parametrize("cause", EVERYONES)
def test_an_error_that_is_no_profiles_fault_counts_against_nobody(app: Rows, make_line: MakeLine, cause: str) -> None:
    tutors = [add_tutor(app) for _ in range(4)]
    replace_statistics(app, f"raise exception 'broken on purpose' using errcode = '{EVERYONES[cause]}';")
    line = make_line(max_attempts=1)
    line.fold(whole=True)
    with pytest.raises(DatabaseError, match="broken on purpose"):
        line.run_batch(100, whole=True)
    line.claimant.release()
    assert one(app, "select count(*) from caas.dead_entries") == 0
    states = app.execute("select token, attempts, losses, due_at, reasons from caas.recalculation_queue").fetchall()
    assert states == [(None, 0, 0, None, ["profiles"])] * len(tutors)


def test_a_missing_function_counts_against_nobody_and_says_what_to_do(app: Rows, drain: Drain) -> None:
    tutor = add_tutor(app)
    app.execute("alter function caas.network_stats rename to elsewhere")
    with pytest.raises(NotInstalled, match="migrate up"):
        drain()
    app.execute("alter function caas.elsewhere rename to network_stats")
    assert drain().processed == 1
    assert total(app, tutor) == 32


def test_a_released_batch_keeps_what_was_marked_meanwhile(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    app.execute("select caas.enqueue(%s, 'asked', 90)", ([tutor],))
    claim(line)
    app.execute("update profiles set bio = 'Hello'")
    line.fold(whole=True)
    line.claimant.release()
    assert entry(app, tutor, "token, priority, reasons, later_reasons") == (None, 10, ["asked", "profiles"], None)
