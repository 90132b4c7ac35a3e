"""What a worker counts: batches, endings, freshness, and the seconds that each step of the line took."""

import contextlib
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

RECENT = 2_000


@dataclass(frozen=True, slots=True)
class Batch:
    """How one batch ended."""

    size: int
    endings: Mapping[str, int]
    """scored, removed, not_found, failed, dead, lost: how many of each."""
    errors: Mapping[str, int]
    """By error code."""
    freshness_seconds: tuple[float, ...]
    """From the earliest change that waited to its score in the cache, per published profile."""


class Telemetry:
    """Counters of one worker, kept since its start."""

    def __init__(self) -> None:
        self.batches = 0
        self.marks = 0
        self.endings: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.step_seconds: defaultdict[str, float] = defaultdict(float)
        self.freshness_seconds: deque[float] = deque(maxlen=RECENT)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the line."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.step_seconds[name] += time.perf_counter() - begun

    def lapsed(self, lost: int, dead: int) -> None:
        """Count leases that lapsed, and entries set aside because theirs did."""
        if lost:
            self.errors["LEASE_LOST"] += lost
        if dead:
            self.endings["dead"] += dead

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.batches += 1
        self.endings.update(batch.endings)
        self.errors.update(batch.errors)
        self.freshness_seconds.extend(batch.freshness_seconds)
