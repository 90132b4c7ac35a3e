"""The horizon: while an application transaction stays open, nothing that was taken can be removed (design, Speed)."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from caas_worker import floor, worker
from caas_worker.db import Database
from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.worker import Summary
from tests.conftest import Connect
from tests.interleaving import Rows, one, until

MakeLine = Callable[..., worker.Line]

BATCH = 1_000
ROUNDS = 30

WALKED = """
    select sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint
    from pg_index
    where indrelid in ('caas.changes'::regclass, 'caas.recalculation_queue'::regclass)
"""


class Measured(Database):
    """Counts the index entries of marks and queue, dead ones included, that its transactions walk."""

    walked = 0

    @contextlib.contextmanager
    def transaction(self, **how: Any) -> Iterator[Connection[TupleRow]]:
        with super().transaction(**how) as connection:
            before = one(connection, WALKED)
            yield connection
            self.walked += one(connection, WALKED) - before

    def walked_since(self) -> int:
        """The entries since the last call."""
        walked, self.walked = self.walked, 0
        return walked


@pytest.fixture
def floors_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lag, and without the regular search from the beginning."""
    monkeypatch.setattr(floor, "LAG_SECONDS", 0.0)
    monkeypatch.setattr(floor.Pace, "due", lambda _: False)


def left(app: Rows) -> tuple[int, int]:
    """Marks and entries."""
    return one(app, "select count(*) from caas.changes"), one(app, "select count(*) from caas.recalculation_queue")


def enqueue(app: Rows, count: int) -> None:
    app.execute("select caas.enqueue(array(select gen_random_uuid() from generate_series(1, %s)), 'asked')", (count,))


@pytest.mark.usefixtures("floors_follow_at_once")
def test_an_open_transaction_does_not_make_fold_and_claim_dearer(app: Rows, connect: Connect, pooled_url: str) -> None:
    application = connect(autocommit=False)
    application.execute("set transaction isolation level repeatable read")
    application.execute("create temp table something ()")
    with Measured(pooled_url) as db:
        line = worker.line(db, Settings(fold_size=BATCH), Registry([TutorStrategy()]))

        def take(*, whole: bool) -> int:
            enqueue(app, BATCH)
            db.walked_since()
            assert line.fold(whole=whole).marks == BATCH
            claim = line.claimant.claim(BATCH, whole=whole)
            walked = db.walked_since()
            assert len(claim.entries) == BATCH
            line.publish(claim, line.score(claim))
            line.claimant.settle()
            return walked

        walked = [take(whole=False) for _ in range(ROUNDS)]
        assert left(app) == (0, 0)
        assert max(walked[-5:]) < 1.2 * max(walked[1:6])
        # the trap: a search from the beginning walks every mark and every entry that was ever taken
        assert take(whole=True) > 2 * ROUNDS * BATCH
        assert take(whole=False) < 1.2 * walked[-1]


@pytest.mark.usefixtures("floors_follow_at_once")
def test_a_mark_committed_below_the_floor_is_found_by_a_whole_search(
    app: Rows, connect: Connect, line: worker.Line
) -> None:
    late = connect(autocommit=False)
    enqueue(late, 1)
    for _ in range(3):
        enqueue(app, 1)
        assert line.fold().marks == 1
    late.commit()
    assert line.fold().marks == 0
    assert line.fold(whole=True).marks == 1


@pytest.mark.usefixtures("floors_follow_at_once")
def test_many_marks_committed_below_the_floor_are_folded_without_a_pause_after_each_piece(
    app: Rows, connect: Connect, make_line: MakeLine
) -> None:
    line = make_line(fold_size=2)
    late = connect(autocommit=False)
    enqueue(late, 5)
    enqueue(app, 1)
    assert line.fold().marks == 1
    late.commit()
    assert [line.fold(whole=True).marks, line.fold().marks, line.fold().marks] == [2, 2, 1]


def test_a_mark_committed_below_the_floor_is_found_soon_by_a_worker(
    app: Rows, connect: Connect, line: worker.Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "LAG_SECONDS", 0.0)
    late = connect(autocommit=False)
    enqueue(late, 1)
    enqueue(app, 1)
    assert line.fold().marks == 1
    late.commit()
    until(lambda: line.fold().found_any, "the search from the beginning")


def test_a_mark_committed_below_the_floor_is_found_by_a_drain(
    app: Rows, connect: Connect, drain: Callable[..., Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "LAG_SECONDS", 0.0)
    late = connect(autocommit=False)
    enqueue(late, 1)
    enqueue(app, 1)
    assert drain().marks_folded == 1
    late.commit()
    summary = drain()
    assert (summary.marks_folded, summary.remaining) == (1, 0)


@pytest.mark.usefixtures("floors_follow_at_once")
def test_an_entry_left_locked_below_the_floor_is_found_by_a_whole_search(
    app: Rows, connect: Connect, line: worker.Line
) -> None:
    first, second = uuid4(), uuid4()
    for profile_id in (first, second):
        app.execute("select caas.enqueue(%s, 'asked')", ([profile_id],))
        line.fold()
    holder = connect(autocommit=False)
    holder.execute("select from caas.recalculation_queue where profile_id = %s for update", (first,))
    assert line.claimant.claim(10).profile_ids == [second]
    line.claimant.settle()
    holder.rollback()
    assert line.claimant.claim(10).profile_ids == []
    assert line.claimant.claim(10, whole=True).profile_ids == [first]


@pytest.mark.usefixtures("floors_follow_at_once")
def test_whatever_becomes_ready_again_does_so_above_the_floor(app: Rows, line: worker.Line) -> None:
    def claimed() -> int:
        return len(line.claimant.claim(10).entries)

    enqueue(app, 2)
    line.fold()
    assert claimed() == 2
    line.claimant.release()  # given back
    assert claimed() == 2
    line.claimant.settle()
    app.execute("update caas.recalculation_queue set lease_until = now() - interval '1 s'")
    line.claimant.wake(now=True)  # lapsed
    assert claimed() == 2
    line.claimant.settle()
    app.execute("update caas.recalculation_queue set token = null, lease_until = null, due_at = now()")
    line.claimant.wake(now=True)  # promoted
    claim = line.claimant.claim(10)
    assert len(claim.entries) == 2
    app.execute("select caas.enqueue(%s, 'again')", (claim.profile_ids,))
    line.fold()
    line.publish(claim, line.score(claim))  # marked again meanwhile
    line.claimant.settle()
    assert claimed() == 2


@pytest.mark.usefixtures("floors_follow_at_once")
def test_an_entry_that_becomes_more_urgent_does_so_above_the_floor_of_its_new_priority(
    app: Rows, line: worker.Line
) -> None:
    slow = uuid4()
    app.execute("select caas.enqueue(%s, 'asked', 90)", ([slow],))
    line.fold()
    enqueue(app, 1)
    line.fold()
    assert slow not in line.claimant.claim(1).profile_ids
    line.claimant.settle()
    app.execute("select caas.enqueue(%s, 'asked', 10)", ([slow],))
    line.fold()
    assert line.claimant.claim(1).profile_ids == [slow]
