"""What a worker counts and tells: batches, endings, freshness, and the seconds that each step of the line took.

Watchers are told of every batch: the metrics, the log, the error reports. The names of steps and endings are a
contract: docs/how-to/watch.md.
"""

import contextlib
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from caas_worker.model import Failure

RECENT = 2_000
NO_STRATEGY = "none"
"""Stands for the strategy of profiles without a supported role, without readable facts, or without a profile."""
LEASE_LOST = "LEASE_LOST"
"""The error of an entry whose worker fell: an attempt, but the next one begins at once."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed attempt at one profile."""

    failure: Failure
    strategy: str
    attempt: int
    ending: str
    """failed: it will be tried again; dead: it was set aside."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How one batch ended."""

    token: UUID
    size: int
    endings: Mapping[str, int]
    """scored, removed, not_found, failed, dead, lost: how many of each."""
    errors: Mapping[str, int]
    """By error code."""
    freshness_seconds: tuple[float, ...]
    """From the earliest change that waited to its score in the cache, per published profile."""
    by_strategy: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How many ended how, by name of the strategy and ending."""
    failed: Sequence[Failed] = ()


class Watcher:
    """Is told what a line did; takes notice of nothing unless it says otherwise."""

    def step(self, name: str, seconds: float) -> None:
        """One step of the line took so long."""

    def folded(self, marks: int) -> None:
        """So many marks were folded."""

    def lapsed(self, lost: int, dead: int) -> None:
        """So many leases lapsed; so many entries were set aside for it."""

    def batch(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        """A batch ended, `seconds` after the one before, by step."""


class Telemetry:
    """Counters of one worker, kept since its start."""

    def __init__(self, watchers: Sequence[Watcher] = ()) -> None:
        self.watchers = watchers
        self.batches = 0
        self.marks = 0
        self.endings: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.step_seconds: defaultdict[str, float] = defaultdict(float)
        self.freshness_seconds: deque[float] = deque(maxlen=RECENT)
        self._since_last_batch: defaultdict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the line."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - begun
            self.step_seconds[name] += seconds
            self._since_last_batch[name] += seconds
            for watcher in self.watchers:
                watcher.step(name, seconds)

    def folded(self, marks: int) -> None:
        """Count folded marks."""
        self.marks += marks
        for watcher in self.watchers:
            watcher.folded(marks)

    def lapsed(self, lost: int, dead: int) -> None:
        """Count leases that lapsed, and entries set aside because theirs did."""
        if lost:
            self.errors[LEASE_LOST] += lost
        if dead:
            self.endings["dead"] += dead
        if lost or dead:
            for watcher in self.watchers:
                watcher.lapsed(lost, dead)

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.batches += 1
        self.endings.update(batch.endings)
        self.errors.update(batch.errors)
        self.freshness_seconds.extend(batch.freshness_seconds)
        seconds = dict(self._since_last_batch)
        self._since_last_batch.clear()
        for watcher in self.watchers:
            watcher.batch(batch, seconds)
