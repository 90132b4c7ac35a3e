"""Whoever of ours locks several entries does so in the order of profile_id: no deadlock is ever ours (promise 2)."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from caas_worker.pipeline import Line
from tests.conftest import Connect
from tests.interleaving import Rows, meanwhile, one, until, waiting
from tests.people import add_tutor, forget_marks

MakeLine = Callable[..., Line]

SECONDS = 3.0


@pytest.fixture(autouse=True)
def deadlocks_found_at_once(url: str) -> None:
    """By default the server looks for them after a second."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"alter database {name} set deadlock_timeout = '5ms'".encode())


def test_three_folders_and_three_cachers_in_any_order_never_deadlock(app: Rows, make_line: MakeLine) -> None:
    tutors = [add_tutor(app) for _ in range(60)]
    forget_marks(app)
    end = time.monotonic() + SECONDS

    def fold(seed: int) -> int:
        return sum(_mark_and_fold(make_line(fold_size=50), chance) for chance in _turns(seed))

    def _mark_and_fold(line: Line, chance: random.Random) -> int:
        with line.db.transaction() as connection:
            connection.execute("select caas.enqueue(%s, 'asked')", (chance.sample(tutors, 40),))
        return line.fold(whole=True).marks

    def cache(seed: int) -> int:
        published = 0
        line = make_line()
        for chance in _turns(seed):
            claim = line.claimant.claim(chance.randint(1, 40), whole=True)
            if not claim.entries:
                continue
            if chance.random() < 0.2:
                line.claimant.release()
                continue
            if chance.random() < 0.2:
                _let_lapse(line, claim.profile_ids)
            published += line.publish(claim, line.score(claim)).endings["scored"]
            line.claimant.settle()
        return published

    def _turns(seed: int) -> Iterator[random.Random]:
        chance = random.Random(seed)
        while time.monotonic() < end:
            yield chance

    def _let_lapse(line: Line, profile_ids: list[UUID]) -> None:
        with line.db.transaction() as connection:
            connection.execute(
                "with taken as (select profile_id from caas.recalculation_queue where profile_id = any(%s) "
                "order by profile_id for update skip locked) update caas.recalculation_queue as q "
                "set lease_until = clock_timestamp() from taken "
                "where q.profile_id = taken.profile_id and token is not null",
                (profile_ids,),
            )
        line.claimant.wake(now=True)

    with ThreadPoolExecutor(6) as pool:
        folding = [pool.submit(fold, seed) for seed in range(3)]
        caching = [pool.submit(cache, seed) for seed in range(3, 6)]
        moved = [work.result() for work in (*folding, *caching)]
    assert min(moved) > 0
    assert one(app, "select deadlocks from pg_stat_database where datname = current_database()") == 0


def test_the_trap_two_transactions_that_lock_the_same_entries_in_different_orders_deadlock(
    app: Rows, connect: Connect
) -> None:
    app.execute("create table entries (id int primary key); insert into entries values (1), (2)")

    def lock_in(*orders: tuple[int, int]) -> int:
        deadlocks = 0
        with ExitStack() as stack:
            connections = [connect(autocommit=False) for _ in orders]
            first, second = connections
            take = "select from entries where id = %s for update"
            first.execute(take, (orders[0][0],))

            def other() -> None:
                second.execute(take, (orders[1][0],))
                second.execute(take, (orders[1][1],))
                second.commit()

            waiter = stack.enter_context(meanwhile(lambda: _deadlocked(other)))
            until(lambda: waiting(app), "the second to wait for the first")
            deadlocks += _deadlocked(lambda: first.execute(take, (orders[0][1],)))
            first.rollback()
            deadlocks += waiter.result()
        return deadlocks

    assert lock_in((1, 2), (2, 1)) == 1
    assert lock_in((1, 2), (1, 2)) == 0


def _deadlocked(work: Callable[[], object]) -> bool:
    try:
        work()
    except psycopg.errors.DeadlockDetected:
        return True
    return False
