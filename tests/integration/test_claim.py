"""Claim: a batch is leased to one worker; leases that lapse, entries that wait, and what a claim costs."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from caas_worker import floor
from caas_worker.pipeline import Line
from caas_worker.worker import Summary
from tests.conftest import Connect
from tests.interleaving import Rows, blocks, one
from tests.people import add_tutor, forget_marks

MakeLine = Callable[..., Line]
Drain = Callable[..., Summary]

CLAIM = "select count(*) from caas.claim(%s, gen_random_uuid(), '1 min')"


def queued(app: Rows, line: Line, *priorities: int) -> list[UUID]:
    """An entry of each priority, in this order."""
    profile_ids = [uuid4() for _ in priorities]
    for profile_id, priority in zip(profile_ids, priorities, strict=True):
        app.execute("select caas.enqueue(%s, 'asked', %s)", ([profile_id], priority))
        line.fold(whole=True)
    return profile_ids


def claim(line: Line, size: int = 100) -> list[UUID]:
    """Claim, and forget that it was this line that did, as if its process had ended."""
    profile_ids = line.claimant.claim(size, whole=True).profile_ids
    line.claimant.settle()
    return profile_ids


def lose(app: Rows, line: Line) -> None:
    """All leases lapse and are taken away."""
    app.execute(
        "update caas.recalculation_queue set lease_until = clock_timestamp() - interval '1 s' where token is not null"
    )
    line.claimant.wake(now=True)


def entries(app: Rows, columns: str) -> list[tuple[Any, ...]]:
    return app.execute(f"select {columns} from caas.recalculation_queue order by place").fetchall()


def test_the_most_urgent_come_first_and_the_oldest_of_them(app: Rows, line: Line) -> None:
    a, b, c, d, e, f, g, h = queued(app, line, 90, 10, 50, 0, 10, 90, 0, 50)
    app.execute("select caas.enqueue(%s, 'urgent', 10)", ([f],))
    line.fold(whole=True)
    assert [{*claim(line, 2)} for _ in range(5)] == [{d, g}, {b, e}, {f, c}, {h, a}, set()]


def test_a_claim_leases_the_entries_under_one_token_and_counts_no_attempt(app: Rows, line: Line) -> None:
    profile_ids = queued(app, line, 10, 10, 10)
    claimed = line.claimant.claim(2, whole=True)
    assert {*claimed.profile_ids} == {*profile_ids[:2]}
    seconds = "round(extract(epoch from lease_until - now()))"
    rows = entries(app, f"token, claimed_generation = generation, claimed_alone, attempts, {seconds}")
    assert rows[:2] == [(claimed.token, True, False, 0, rows[0][4])] * 2
    assert 50 <= rows[0][4] <= 60
    assert rows[2][0] is None


def test_an_entry_that_somebody_locks_holds_no_other_up(app: Rows, connect: Connect, line: Line) -> None:
    first, *others = queued(app, line, 10, 10, 10)
    holder = connect(autocommit=False)
    holder.execute("select from caas.recalculation_queue where profile_id = %s for update", (first,))
    assert {*claim(line)} == {*others}
    holder.rollback()
    assert claim(line) == [first]


def test_two_claimants_never_share_an_entry(app: Rows, connect: Connect, line: Line) -> None:
    profile_ids = queued(app, line, *[10] * 6)
    other = connect(autocommit=False)
    theirs = {
        key for (key,) in other.execute("select profile_id from caas.claim(4, gen_random_uuid(), '1 min')").fetchall()
    }
    ours = {*claim(line)}
    other.commit()
    assert len(theirs) == 4
    assert theirs | ours == {*profile_ids}
    assert not theirs & ours
    assert claim(line) == []


def test_a_lapsed_lease_is_ready_again_with_what_was_marked_meanwhile(app: Rows, line: Line) -> None:
    [profile_id, _] = queued(app, line, 90, 90)
    claim(line)
    app.execute("select caas.enqueue(%s, 'meanwhile', 10)", ([profile_id],))
    line.fold(whole=True)
    assert claim(line) == []
    before = one(app, "select max(place) from caas.recalculation_queue")
    lose(app, line)
    columns = "profile_id, token, lease_until, priority, reasons, later_reasons, losses, attempts, error"
    row = entries(app, f"{columns}, place > {before}")
    assert (profile_id, None, None, 10, ["asked", "meanwhile"], None, 1, 0, "LEASE_LOST", True) in row
    assert len(claim(line)) == 2


def test_a_lease_that_runs_is_left_alone(app: Rows, line: Line) -> None:
    queued(app, line, 10)
    claim(line)
    assert line.claimant.wake(now=True).lost == 0
    assert one(app, "select count(token) from caas.recalculation_queue") == 1


def test_an_entry_lost_twice_is_claimed_alone_and_holds_nobody_up(app: Rows, line: Line) -> None:
    [suspect, companion] = queued(app, line, 90, 90)
    app.execute("update caas.recalculation_queue set losses = 1 where profile_id = %s", (suspect,))
    assert {*claim(line)} == {suspect, companion}
    lose(app, line)
    [urgent] = queued(app, line, 0)
    assert sorted([claim(line), sorted(claim(line))], key=len) == [[suspect], sorted([urgent, companion])]


def test_many_suspects_take_turns_with_the_others(app: Rows, line: Line) -> None:
    suspects = queued(app, line, 0, 0, 0)
    app.execute("update caas.recalculation_queue set losses = 2")
    others = queued(app, line, 10, 90)
    assert sorted([claim(line), sorted(claim(line))], key=len) == [suspects[:1], sorted(others)]
    assert [claim(line), claim(line)] == [[suspect] for suspect in suspects[1:]]


def test_only_losses_alone_count_toward_death(app: Rows, make_line: MakeLine) -> None:
    line = make_line(max_attempts=2)
    queued(app, line, 10, 10)
    for _ in range(2):
        assert len(claim(line)) == 2
        lose(app, line)
    assert entries(app, "losses, attempts") == [(2, 0), (2, 0)]
    assert len({*claim(line)} | {*claim(line)}) == 2
    lose(app, line)
    assert entries(app, "losses, attempts") == [(3, 1), (3, 1)]
    [culprit], [innocent] = claim(line), claim(line)
    app.execute(
        "select caas.give_back(token, array[profile_id]) from caas.recalculation_queue where profile_id = %s",
        (innocent,),
    )
    lose(app, line)
    assert entries(app, "profile_id, attempts") == [(innocent, 1)]
    dead = app.execute("select profile_id, error, attempts, reasons from caas.dead_entries").fetchall()
    assert dead == [(culprit, "LEASE_LOST", 2, ["asked"])]


def test_losses_in_company_kill_nobody_however_often_the_profile_failed_before(app: Rows, make_line: MakeLine) -> None:
    line = make_line(max_attempts=2)
    queued(app, line, 10, 10)
    app.execute("update caas.recalculation_queue set attempts = 2")  # failed last while it was marked again
    for _ in range(2):
        assert len(claim(line)) == 2
        lose(app, line)
    assert one(app, "select count(*) from caas.dead_entries") == 0


def test_an_entry_whose_generation_moved_on_is_never_set_aside_for_its_losses(app: Rows, make_line: MakeLine) -> None:
    line = make_line(max_attempts=1)
    [profile_id] = queued(app, line, 10)
    for _ in range(5):
        assert claim(line) == [profile_id]
        app.execute("select caas.enqueue(%s, 'again')", ([profile_id],))
        line.fold(whole=True)
        lose(app, line)
    assert one(app, "select count(*) from caas.dead_entries") == 0
    assert claim(line) == [profile_id]
    lose(app, line)
    assert one(app, "select profile_id from caas.dead_entries") == profile_id


def test_an_entry_in_backoff_is_not_ready_until_it_is_due(app: Rows, line: Line) -> None:
    early, late = queued(app, line, 0, 0)
    [other] = queued(app, line, 90)
    app.execute("update caas.recalculation_queue set due_at = clock_timestamp() + interval '1 h' where priority = 0")
    assert line.claimant.wake(now=True).promoted == 0
    assert claim(line) == [other]
    app.execute("update caas.recalculation_queue set due_at = clock_timestamp() where profile_id = %s", (early,))
    assert claim(line) == []
    assert line.claimant.wake(now=True).promoted == 1
    assert claim(line) == [early]
    assert one(app, "select due_at is not null from caas.recalculation_queue where profile_id = %s", late)


def test_waiting_entries_are_not_in_the_index_of_ready_ones(app: Rows) -> None:
    definitions = app.execute(
        "select pg_get_expr(indpred, indrelid) from pg_index where indrelid = 'caas.recalculation_queue'::regclass "
        "and pg_get_indexdef(indexrelid) like '%(priority, place)%'"
    ).fetchall()
    assert definitions
    assert all("due_at IS NULL" in predicate and "token IS NULL" in predicate for (predicate,) in definitions)


def test_a_batch_given_back_is_ready_at_once_and_no_attempt_is_counted(app: Rows, line: Line) -> None:
    profile_ids = queued(app, line, 10, 10)
    app.execute("update caas.recalculation_queue set attempts = 1, losses = 1")
    line.claimant.claim(100, whole=True)
    line.claimant.release()
    assert entries(app, "token, lease_until, attempts, losses") == [(None, None, 1, 1)] * 2
    assert {*claim(line)} == {*profile_ids}


def test_the_next_claim_gives_back_what_an_error_kept_from_being_published(app: Rows, line: Line) -> None:
    [first, second] = queued(app, line, 0, 10)
    assert line.claimant.claim(1, whole=True).profile_ids == [first]
    assert {*line.claimant.claim(2, whole=True).profile_ids} == {first, second}


def test_a_release_touches_nothing_that_another_claim_holds(app: Rows, line: Line, make_line: MakeLine) -> None:
    queued(app, line, 10)
    line.claimant.claim(1, whole=True)
    lose(app, line)
    other = make_line().claimant.claim(1, whole=True)
    line.claimant.release()
    assert entries(app, "token, losses") == [(other.token, 1)]


def test_a_suspect_does_not_make_the_claimant_step_over_the_others(
    app: Rows, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "LAG_SECONDS", 0.0)
    line = make_line()
    others = queued(app, line, 10, 10)
    [suspect] = queued(app, line, 10)
    app.execute("update caas.recalculation_queue set losses = 2 where profile_id = %s", (suspect,))
    assert line.claimant.claim(100).profile_ids == [suspect]
    line.claimant.settle()
    assert {*line.claimant.claim(100).profile_ids} == {*others}


def test_a_drain_leaves_backoff_and_others_leases_and_counts_them(app: Rows, line: Line, drain: Drain) -> None:
    tutors = [add_tutor(app) for _ in range(3)]
    line.fold(whole=True)
    app.execute(
        "update caas.recalculation_queue set due_at = now() + interval '1 h' where profile_id = %s", (tutors[0],)
    )
    app.execute(
        "update caas.recalculation_queue set token = gen_random_uuid(), lease_until = now() + interval '1 h' "
        "where profile_id = %s",
        (tutors[1],),
    )
    summary = drain()
    assert (summary.processed, summary.remaining) == (1, 2)


def fill(app: Rows, count: int, **columns: str) -> None:
    """Entries of random profiles, older than all that follow."""
    app.execute(
        "insert into caas.recalculation_queue (profile_id, generation, priority, place, reasons, first_changed_at, "
        f"last_changed_at {''.join(f', {column}' for column in columns)}) "
        "select gen_random_uuid(), nextval('caas.generation'), 10, nextval('caas.generation'), '{asked}', now(), now() "
        f"{''.join(f', {value}' for value in columns.values())} from generate_series(1, {count})"
    )


ROUNDS = 6


def average(costs: list[int]) -> float:
    """Of all but the first, which warms up."""
    return sum(costs[1:]) / (len(costs) - 1)


def cost_of_claims(app: Rows) -> float:
    """Pages that a claim of 100 entries touches."""
    return average([blocks(app, CLAIM, 100) for _ in range(ROUNDS)])


def cost_of_wakes(app: Rows) -> float:
    """Pages that a wake of 100 entries touches whose pause is over, and of 100 whose lease lapsed."""
    fill(app, ROUNDS * 100, due_at="now()")
    fill(app, ROUNDS * 100, token="gen_random_uuid()", lease_until="now()", claimed_generation="0")
    costs = [blocks(app, "select * from caas.wake(100, 4)") for _ in range(ROUNDS)]
    assert one(app, "select count(*) from caas.recalculation_queue where losses = 1") == ROUNDS * 100
    return average(costs)


def test_a_claim_and_a_wake_cost_the_same_whatever_the_backlog_and_whatever_waits(app: Rows) -> None:
    forget_marks(app)
    fill(app, 1_000)
    claim_of_few = cost_of_claims(app)
    wake_of_few = cost_of_wakes(app)
    app.execute("truncate caas.recalculation_queue")
    fill(app, 1_000_000, due_at="now() + interval '1 d'")
    fill(app, 1_000_000)
    app.execute("vacuum analyze caas.recalculation_queue")
    assert cost_of_claims(app) < 2 * claim_of_few
    assert cost_of_wakes(app) < 2 * wake_of_few
