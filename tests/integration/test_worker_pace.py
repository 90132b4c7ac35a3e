"""A running worker's pace: it rests while it keeps up, so that the application has the processor (promise 2)."""

from collections.abc import Callable
from threading import Event

import pytest

from caas_worker import worker
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.worker import SHORTEST_PAUSE_SECONDS, Turn, Worker
from tests.interleaving import Rows
from tests.people import add_tutor, total

FULL, SOME, NOTHING = Turn(found_any=True, is_full=True), Turn(found_any=True, is_full=False), Turn(False, False)


@pytest.mark.parametrize(
    ("turn", "worked", "last_pause", "pause"),
    [
        (FULL, 0.2, 0.0, 0.0),
        (SOME, 0.02, 0.0, 0.18),
        (SOME, 0.0001, 0.3, SHORTEST_PAUSE_SECONDS),
        (SOME, 0.1, 0.0, 0.5),
        (SOME, 0.2, 0.0, 0.6),
        (SOME, 2.0, 0.0, 1.0),
        (NOTHING, 0.001, 0.0, 2 * SHORTEST_PAUSE_SECONDS),
        (NOTHING, 0.001, 0.2, 0.4),
        (NOTHING, 0.001, 0.4, 0.5),
    ],
)
def test_a_worker_rests_in_proportion_to_its_work_and_not_at_all_with_a_backlog(
    line: Line, turn: Turn, worked: float, last_pause: float, pause: float
) -> None:
    settings = Settings(busy_share=0.1, poll_interval=0.5)
    assert Worker(line, settings, Event()).pause(turn, worked, last_pause) == pytest.approx(pause)


def test_a_backlog_is_worked_off_without_a_rest(app: Rows, make_line: Callable[..., Line]) -> None:
    class Rests(Event):
        """Counts the rests; the second ends the worker."""

        taken = 0

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout
            self.taken += 1
            if self.taken == 2:
                self.set()
            return super().wait(0)

    tutors = [add_tutor(app) for _ in range(40)]
    rests = Rests()
    worker.Worker(make_line(), Settings(run_batch_size=2), rests).run()
    assert all(total(app, tutor) == 32 for tutor in tutors)
