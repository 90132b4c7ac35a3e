"""Floor and Pace, with a clock of the test's own."""

import pytest

from caas_worker.floor import LAG_SECONDS, SHARE_OF_TIME, SHORTEST_ROUND_SECONDS, Floor, Pace

pytestmark = pytest.mark.quick


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_floor_begins_at_the_very_beginning(clock: Clock) -> None:
    assert Floor(clock).value == 0


def test_a_floor_follows_what_was_reached_after_the_lag(clock: Clock) -> None:
    floor = Floor(clock)
    floor.reach(10)
    clock.now += LAG_SECONDS / 2
    floor.reach(20)
    assert floor.value == 0
    clock.now += LAG_SECONDS / 2
    assert floor.value == 10
    clock.now += LAG_SECONDS / 2
    assert floor.value == 20


def test_a_floor_that_was_not_asked_for_long_is_where_the_newest_old_search_came(clock: Clock) -> None:
    floor = Floor(clock)
    for number in range(1, 100):
        floor.reach(number)
        clock.now += LAG_SECONDS / 10
    assert floor.value == 90
    clock.now += 100 * LAG_SECONDS
    assert floor.value == 99
    assert floor.value == 99


def test_a_search_that_found_nothing_or_only_what_was_left_behind_does_not_lower_the_floor(clock: Clock) -> None:
    floor = Floor(clock)
    floor.reach(50)
    clock.now += LAG_SECONDS
    assert floor.value == 50
    floor.reach(None)
    floor.reach(7)
    floor.reach(50)
    clock.now += LAG_SECONDS
    assert floor.value == 50


def test_batches_in_any_order_leave_the_highest(clock: Clock) -> None:
    floor = Floor(clock)
    for number in (30, 10, 40, 20):
        floor.reach(number)
    clock.now += LAG_SECONDS
    assert floor.value == 40


def test_a_search_from_the_beginning_that_took_all_it_may_moves_the_floor_back_to_where_it_ended(clock: Clock) -> None:
    floor = Floor(clock)
    floor.reach(50)
    clock.now += LAG_SECONDS
    floor.reach(60)
    floor.restart(20)
    assert floor.value == 20
    clock.now += LAG_SECONDS
    assert floor.value == 20
    floor.reach(30)
    clock.now += LAG_SECONDS
    assert floor.value == 30


def test_a_chore_is_due_at_first(clock: Clock) -> None:
    assert Pace(clock).due()


def test_a_cheap_chore_runs_once_in_the_shortest_round(clock: Clock) -> None:
    pace = Pace(clock)
    pace.spent(0.001)
    assert not pace.due()
    clock.now += SHORTEST_ROUND_SECONDS * 0.99
    assert not pace.due()
    clock.now += SHORTEST_ROUND_SECONDS * 0.01
    assert pace.due()


def test_a_dear_chore_takes_no_more_than_its_share_of_the_time(clock: Clock) -> None:
    pace = Pace(clock)
    spent, begun = 0.0, clock.now
    while clock.now < begun + 1_000:
        if pace.due():
            clock.now += 3.0
            spent += 3.0
            pace.spent(3.0)
        clock.now += 0.5
    assert 0.9 / (SHARE_OF_TIME + 1) < spent / (clock.now - begun) < 1.1 / SHARE_OF_TIME
