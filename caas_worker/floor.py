"""Where a search of marks or of the queue begins, so that dead rows at the head are not walked each time.

An application transaction left open for long keeps every mark and entry that was ever taken in the index: nobody may
remove them while it could still see them. A search from the head walks them all, more each minute. So a worker
remembers how far it came and begins there.

What could be left behind below the floor: a mark whose transaction committed late, an entry that somebody held locked
just then. Hence two rules. The floor follows a few seconds late, which covers all but long transactions; and the
search goes back to the very beginning as soon as that costs at most a twentieth of the time, at the latest when a
drain wants to know that nothing is left. A search from the beginning that found more than it may take goes on from
there, however far the floor had come. Held by tests/integration/test_horizon.py and tests/unit/test_floor.py.
"""

import time
from collections import deque
from collections.abc import Callable

LAG_SECONDS = 2.0
SHORTEST_ROUND_SECONDS = 1.0
SHARE_OF_TIME = 20


class Pace:
    """Paces a chore whose cost may grow: at most once a second, and at most a twentieth of the time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0

    def due(self) -> bool:
        """Whether the chore may run now."""
        return self._clock() >= self._next

    def spent(self, seconds: float) -> None:
        """The chore ran and took this long."""
        self._next = self._clock() + max(SHORTEST_ROUND_SECONDS, seconds * SHARE_OF_TIME)


class Floor:
    """The floor of one growing number, such as the id of a mark or the position of an entry."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reached: deque[tuple[float, int]] = deque()
        self._value = 0

    @property
    def value(self) -> int:
        """The number to begin at."""
        oldest_allowed = self._clock() - LAG_SECONDS
        while self._reached and self._reached[0][0] <= oldest_allowed:
            self._value = self._reached.popleft()[1]
        return self._value

    def restart(self, number: int) -> None:
        """A search from the beginning could take no more after this number: the next one goes on there."""
        self._reached.clear()
        self._value = number

    def reach(self, number: int | None) -> None:
        """A search came as far as this number; None: it found nothing."""
        if number is not None and number > (self._reached[-1][1] if self._reached else self._value):
            self._reached.append((self._clock(), number))
