"""The desk: who asks is worked for together, joined where that is enough, and told what became of it."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from caas_worker import queue
from caas_worker.db import Database
from caas_worker.desk import Asking, Desk
from caas_worker.errors import CaasError, DatabaseUnavailable, NotComputed, RulesOutdated
from caas_worker.pipeline import Line
from tests.people import Rows, add_booking, add_client, add_listing, add_tutor, total
from tests.scripted import Scripted, failing

MakeLine = Callable[..., Line]


def settle(desk: Desk, *askings: Asking) -> None:
    deadline = time.monotonic() + 20
    while not all(asking.answered.done() for asking in askings):
        assert time.monotonic() < deadline
        desk.turn()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Counts transactions."""
    transactions: list[int] = []
    begin = Database.transaction

    def count(self: Database, **options: Any) -> Any:
        transactions.append(1)
        return begin(self, **options)

    monkeypatch.setattr(Database, "transaction", count)
    return transactions


def test_round_trips_do_not_grow_with_the_callers(
    app: Rows, db: Database, make_line: MakeLine, counted: list[int]
) -> None:
    spent = []
    for callers in (1, 200):
        tutors = [add_tutor(app) for _ in range(callers)]
        desk = Desk(db, make_line())
        askings = [desk.ask(tutor) for tutor in tutors]
        counted.clear()
        settle(desk, *askings)
        spent.append(len(counted))
        assert all(total(app, tutor) == 32 for tutor in tutors)
    assert spent[1] <= spent[0] + 2


def test_who_asks_before_the_marking_shares_it_and_who_asks_later_does_not(
    app: Rows, db: Database, make_line: MakeLine
) -> None:
    tutor = add_tutor(app)
    desk = Desk(db, make_line())
    first, second = desk.ask(tutor), desk.ask(tutor)
    assert first is second
    meanwhile: list[Asking] = []
    desk = Desk(db, make_line(Scripted(lambda _: meanwhile.extend([desk.ask(tutor), desk.ask(tutor, fresh=False)]))))
    asking = desk.ask(tutor)
    desk.turn()
    fresh, any_will_do = meanwhile[:2]
    assert fresh is not asking
    assert any_will_do is asking
    assert asking.answered.result(0).failure is None
    settle(desk, fresh)
    assert fresh.marked.result(0) != asking.marked.result(0)


def test_a_failure_is_told_and_the_queue_goes_on(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor, well = add_tutor(app), add_tutor(app)
    desk = Desk(db, make_line(failing(tutor), backoff_seconds=60))
    ill, fine = desk.ask(tutor), desk.ask(well)
    settle(desk, ill, fine)
    assert str(ill.answered.result(0).failure).startswith("failed with STRATEGY_FAILED; tried again at ")
    assert fine.answered.result(0).failure is None
    again = desk.ask(tutor)
    settle(desk, again)
    assert str(again.answered.result(0).failure).startswith("waits after STRATEGY_FAILED")


def test_a_worker_that_fell_is_no_failure_of_the_score_that_it_held(
    app: Rows, db: Database, make_line: MakeLine
) -> None:
    tutor, fallen = add_tutor(app), make_line()
    desk = Desk(db, make_line())
    asking = desk.look_after(tutor, queue.recalculate(db, [tutor])[tutor])
    fallen.claimant.claim(1)
    desk.turn()
    app.execute("update caas.recalculation_queue set lease_until = now()")
    next_line = make_line()
    next_line.wake()
    next_line.claimant.claim(1)
    assert queue.standings(db, [tutor])[tutor].error == "LEASE_LOST"
    desk.turn()
    assert not asking.answered.done()
    next_line.claimant.release()
    settle(desk, asking)
    assert asking.answered.result(0).failure is None


def test_a_profile_that_was_set_aside_is_told(app: Rows, db: Database, make_line: MakeLine) -> None:
    desk = Desk(db, make_line(failing(tutor := add_tutor(app)), max_attempts=1))
    asking = desk.ask(tutor)
    settle(desk, asking)
    assert asking.answered.result(0).failure == "set aside after STRATEGY_FAILED"


def test_an_unknown_profile_ends_too(db: Database, make_line: MakeLine) -> None:
    desk = Desk(db, make_line())
    asking = desk.ask(uuid4())
    settle(desk, asking)
    assert asking.answered.result(0).failure is None


def test_another_workers_result_is_taken(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    desk, other = Desk(db, make_line()), make_line()
    asking = desk.ask(tutor)
    queue.recalculate(db, [tutor])
    claim = other.claimant.claim(10)
    for _ in range(3):
        desk.turn()
    assert asking.marked.done()
    assert not asking.answered.done()
    other.publish(claim, other.score(claim))
    settle(desk, asking)  # marked again since the claim: by now the desk's own turn
    assert asking.answered.result(0).failure is None


def test_a_profile_that_changes_all_the_time_is_answered_all_the_same(
    app: Rows, db: Database, make_line: MakeLine
) -> None:
    tutor = add_tutor(app)
    marked = Scripted(lambda _: app.execute("select caas.recalculate(array[%s::uuid], 'test')", (tutor,)))
    desk = Desk(db, make_line(marked))
    asking = desk.ask(tutor)
    settle(desk, asking)
    assert asking.answered.result(0).failure is None


def test_nobody_is_looked_after_for_ever(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    queue.recalculate(db, [tutor])
    make_line().claimant.claim(10)
    desk = Desk(db, make_line(), patience_seconds=0)
    asking = desk.ask(tutor)
    settle(desk, asking)
    assert asking.answered.result(0).failure == "still in the queue"
    assert desk.is_idle


def test_other_rules_are_told_to_who_asks(app: Rows, db: Database, make_line: MakeLine) -> None:
    desk = Desk(db, make_line())
    app.execute("insert into caas.rules (role_type, version) values ('TUTOR', 'tutor-v99')")
    asking = desk.ask(add_tutor(app))
    with pytest.raises(RulesOutdated):
        desk.turn()
    for future in (asking.marked, asking.answered):
        with pytest.raises(RulesOutdated):
            future.result(0)
    app.execute("delete from caas.rules")
    asking = desk.ask(add_tutor(app))
    settle(desk, asking)


def test_while_the_database_is_away_new_callers_are_told_and_old_ones_wait(
    app: Rows, db: Database, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(db, make_line())
    tutor = add_tutor(app)
    queue.recalculate(db, [tutor])
    make_line(lease_seconds=1).claimant.claim(10)
    old = desk.ask(tutor)
    desk.turn()
    new = desk.ask(add_tutor(app))

    def away(*_: object, **__: object) -> Any:
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(Database, "transaction", away)
        with pytest.raises(DatabaseUnavailable):
            desk.turn()
    with pytest.raises(DatabaseUnavailable):
        new.answered.result(0)
    assert not old.answered.done()
    settle(desk, old)
    assert total(app, tutor) == 32


def test_a_desk_that_closes_tells_who_waits(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    queue.recalculate(db, [tutor])
    make_line().claimant.claim(10)
    desk = Desk(db, make_line())
    desk.open()
    asking = desk.ask(tutor)
    asking.marked.result(20)
    desk.close()
    with pytest.raises(NotComputed):
        asking.answered.result(0)


def test_many_threads_ask_at_once(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutors = [add_tutor(app) for _ in range(10)]
    desk = Desk(db, make_line())
    desk.open()
    failures: list[CaasError | None] = []

    def ask(number: int) -> None:
        for turn in range(5):
            asking = desk.ask(tutors[(number + turn) % 10], fresh=bool(number % 2))
            failures.append(asking.answered.exception(30))  # type: ignore[arg-type]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.close()
    assert failures == [None] * 100
    assert {total(app, tutor) for tutor in tutors} == {32}


def test_what_fails_after_the_marking_while_the_database_is_away_is_waited_for_on(
    app: Rows, db: Database, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(db, make_line())
    askings = [desk.ask(add_tutor(app)) for _ in range(3)]

    def away(*_: object, **__: object) -> Any:
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(queue, "standings", away)
        with pytest.raises(DatabaseUnavailable):
            desk.turn()
    assert all(asking.marked.done() and not asking.answered.done() for asking in askings)
    settle(desk, *askings)
    assert [asking.answered.result(0).failure for asking in askings] == [None] * 3


def test_an_error_that_nobody_foresaw_leaves_nobody_waiting(
    app: Rows, db: Database, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, tutor = Desk(db, make_line()), add_tutor(app)
    asking = desk.ask(tutor, fresh=False)

    def fail(*_: object, **__: object) -> Any:
        raise ValueError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr(queue, "recalculate", fail)
        with pytest.raises(ValueError, match="unforeseen"):
            desk.turn()
    with pytest.raises(NotComputed):
        asking.answered.result(0)
    again = desk.ask(tutor, fresh=False)
    assert again is not asking
    settle(desk, again)
    assert total(app, tutor) == 32


def test_a_joined_entry_whose_worker_fell_is_taken_ahead_of_a_backlog(
    app: Rows, db: Database, make_line: MakeLine
) -> None:
    tutor = add_tutor(app)
    fallen = make_line(lease_seconds=1)
    app.execute("select caas.recalculate(array[%s::uuid], 'test', 90)", (tutor,))
    fallen.claimant.claim(1)
    others = [add_tutor(app) for _ in range(200)]
    app.execute("select caas.recalculate(%s, 'test', 90)", (others,))
    line = make_line()
    desk = Desk(db, line)
    asking = desk.ask(tutor, fresh=False)
    settle(desk, asking)
    assert total(app, tutor) == 32
    assert line.telemetry.batches < 10


def test_an_entry_taken_out_of_the_queue_is_no_fresh_score(
    app: Rows, db: Database, make_line: MakeLine, drain: Any
) -> None:
    tutor = add_tutor(app)
    drain()
    desk = Desk(db, make_line())
    mark = queue.recalculate(db, [tutor])[tutor]
    asking = desk.look_after(tutor, mark)
    app.execute("delete from caas.recalculation_queue")
    settle(desk, asking)
    assert asking.answered.result(0).failure == "taken out of the queue"


def test_who_asks_while_the_desk_looks_is_not_judged_by_that_look(
    app: Rows, db: Database, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor = add_tutor(app)
    desk = Desk(db, make_line())
    first = desk.ask(tutor)
    late: list[Asking] = []
    looking = queue.standings

    def ask_meanwhile(*arguments: Any) -> Any:
        standings = looking(*arguments)
        if not standings[tutor].queued and not late:
            late.append(desk.look_after(tutor, queue.recalculate(db, [tutor])[tutor]))
        return standings

    monkeypatch.setattr(queue, "standings", ask_meanwhile)
    settle(desk, first)
    settle(desk, *late)
    assert late[0].answered.result(0).failure is None
    assert total(app, tutor) == 32
    assert app.execute("select generation from caas.scores").fetchone() == (late[0].marked.result(0),)


def test_a_score_from_cells_that_were_read_before_the_asking_is_no_fresh_score(
    app: Rows, db: Database, make_line: MakeLine
) -> None:
    tutor = add_tutor(app)
    other = make_line()
    other.fold(whole=True)
    claim = other.claimant.claim(10, whole=True)
    desk, score = Desk(db, make_line()), Line.compute

    def book_meanwhile(line: Line, ids: Any, **options: Any) -> Any:
        add_booking(app, add_listing(app, tutor), add_client(app), type="free_help")
        marks.append(queue.recalculate(db, [tutor])[tutor])
        return score(line, ids, **options)

    marks: list[queue.Mark] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Line, "compute", book_meanwhile)
        scored = other.score(claim)
    asking = desk.look_after(tutor, marks[0])
    other.publish(claim, scored)
    assert total(app, tutor) == 32
    settle(desk, asking)
    assert total(app, tutor) == 33


def test_a_cold_read_does_not_wait_for_further_changes(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    line = make_line(debounce_seconds=3600)
    line.fold(whole=True)
    assert queue.standings(db, [tutor])[tutor].is_debounced
    desk = Desk(db, line)
    asking = desk.ask(tutor, fresh=False)
    settle(desk, asking)
    assert asking.answered.result(0).failure is None
    assert total(app, tutor) == 32
