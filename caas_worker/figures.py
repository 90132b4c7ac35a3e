"""Figures: the queue, the cache and the workers at a glance, at a cost that does not grow with the backlog."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caas_worker.db import Database
from caas_worker.errors import CaasError, DatabaseUnavailable
from caas_worker.sql import statements

KEPT_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
"""How long a probe waits for a connection, or for the look of another: it wants to know soon."""
PROBE_SHARE = 0.15
"""How much of the statement timeout a probe's look may take."""

PRIORITIES = {0: "manual", 10: "live", 50: "time", 90: "backfill"}
TIER = "tier "
COUNTED = 100_000
COUNTED_SCORES = 10_000
"""Up to here figures are exact; beyond, the planner's estimate takes their place, so that asking never costs more."""


def status(db: Database, *, patience: float | None = None) -> dict[str, Any]:
    """The queue at a glance.

    Args:
        patience: how many seconds to wait for a free connection; None: as long as ever.

    Returns:
        marks, ready, waiting, in_flight, dead, due (by time and not marked yet), scores, workers and holds: how many;
        depth: entries by word of priority; tiers: tutors by tier of the 30-day window, of at most COUNTED;
        oldest_seconds: age of the oldest change of priority manual or live that is not in the cache; stalest_seconds:
        of any, dead entries and due times included; both 0 with none.
    """
    with db.transaction(patience=patience, share_of_timeout=PROBE_SHARE if patience else 1) as connection:
        rows = connection.execute(
            statements("figures")["figures"], {"most": COUNTED, "most_scores": COUNTED_SCORES}
        ).fetchall()
        estimates: dict[str, int] = {}
        if any(number >= min(COUNTED, COUNTED_SCORES) for _, _, number, _ in rows):
            estimates = dict(connection.execute(statements("figures")["estimates"]).fetchall())
    return _figures(rows, estimates)


def _figures(rows: Sequence[tuple[Any, ...]], estimates: Mapping[str, int]) -> dict[str, Any]:
    counts = dict.fromkeys(("marks", "ready", "waiting", "in_flight", "dead", "due", "scores"), 0)
    counts |= {"workers": 0, "holds": 0}
    depth = dict.fromkeys(PRIORITIES.values(), 0)
    oldest = stalest = 0.0
    tiers: dict[str, int] = {}
    for state, priority, number, age in rows:
        if state.startswith(TIER):
            tiers[state.removeprefix(TIER)] = number
            continue
        counts[state] += number
        if state in ("ready", "waiting", "in_flight"):
            depth[PRIORITIES[priority]] += number
        stalest = max(stalest, age or 0)
        if priority is not None and priority < 50:
            oldest = max(oldest, age or 0)
    for state, table, most in (
        ("marks", "changes", COUNTED),
        ("dead", "dead_entries", COUNTED),
        ("scores", "scores", COUNTED_SCORES),
    ):
        if counts[state] >= most:
            counts[state] = max(counts[state], estimates.get(table, 0))
    if max(depth.values()) >= COUNTED:
        unseen = max(estimates.get("recalculation_queue", 0) - sum(depth.values()), 0)
        depth[max(depth, key=lambda word: depth[word])] += unseen
        counts["ready"] += unseen
    return {**counts, "depth": depth, "oldest_seconds": oldest, "stalest_seconds": stalest, "tiers": tiers}


def remaining(db: Database) -> int:
    """Entries and marks that are left, whatever they wait for."""
    now = status(db)
    return sum(int(now[state]) for state in ("marks", "ready", "waiting", "in_flight"))


@dataclass(frozen=True, slots=True)
class Written:
    """Marks made and scores written since the database's statistics began."""

    marks: int
    scores: int


def written(db: Database) -> Written:
    """How many marks and scores were written so far, whoever wrote them; a second or so behind."""
    with db.transaction() as connection:
        row = connection.execute(statements("figures")["written"]).fetchone()
    assert row is not None
    return Written(*row)


class KeptFigures:
    """The figures for probes: asked for at most once a second however many look, and given up soon."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._kept: dict[str, Any] = {}
        self._failure: CaasError | None = None
        self._until = 0.0

    def __call__(self) -> Mapping[str, Any]:
        """The figures of `status`, at most a second old.

        Raises:
            CaasError: the database did not answer, at most a second ago.
        """
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise DatabaseUnavailable("The database has not answered yet.")
        try:
            if time.monotonic() >= self._until:
                try:
                    self._kept, self._failure = status(self._db, patience=PATIENCE_SECONDS), None
                except CaasError as error:
                    self._failure = error
                self._until = time.monotonic() + KEPT_SECONDS
            if self._failure:
                raise self._failure
            return self._kept
        finally:
            self._lock.release()
