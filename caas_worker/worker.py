"""Workers: `drain` works until nothing is due; `run` goes on until it is told to stop."""

import contextlib
import logging
import os
import socket
import threading
import time
from dataclasses import dataclass, replace
from uuid import uuid4

from caas_worker import __version__, rules, sentry
from caas_worker.cache import Retries
from caas_worker.claim import Claimant
from caas_worker.db import Database
from caas_worker.errors import CaasError, DatabaseUnavailable, RulesOutdated, impersonal
from caas_worker.figures import remaining
from caas_worker.floor import Pace
from caas_worker.fold import Folder
from caas_worker.follow import Follower, applies
from caas_worker.logs import Journal
from caas_worker.pipeline import Line
from caas_worker.sentry import Reporter
from caas_worker.settings import Settings
from caas_worker.sql import statements
from caas_worker.strategies import Registry
from caas_worker.sweep import sweep
from caas_worker.telemetry import Telemetry, Watcher

SHORTEST_PAUSE_SECONDS = 0.01
LONGEST_OUTAGE_PAUSE_SECONDS = 5.0
LONG_REST = 3
LONGEST_REST_SECONDS = 1.0
"""A rest is no longer than the poll interval, or after a long turn so many times as long as that, up to this."""
FULL_FOLDS_PER_BATCH = 10
"""How many full folds a drain puts before its next batch: marks first merge, but may never cease."""

log = logging.getLogger(__name__)


def watched(*watchers: Watcher) -> Telemetry:
    """Telemetry that tells the log, Sentry and these watchers."""
    return Telemetry((Journal(), Reporter(), *watchers))


def line(
    db: Database, settings: Settings, registry: Registry | None = None, telemetry: Telemetry | None = None
) -> Line:
    """The line of one worker; without `telemetry`, the log and Sentry are told of what it does."""
    return Line(
        db=db,
        registry=registry or Registry.installed(settings),
        folder=Folder(db, settings.fold_size, debounce_seconds=settings.debounce_seconds),
        claimant=Claimant(db, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts),
        retries=Retries(settings.max_attempts, settings.backoff_seconds),
        follower=Follower(db, is_on=settings.follow_profiles and applies(db)),
        telemetry=telemetry or watched(),
        recipient=settings.admin_email if settings.smtp_url else None,
    )


@dataclass(frozen=True)
class Summary:
    """What a drain did. `failed` counts attempts that failed and profiles that were not found."""

    processed: int
    failed: int
    removed: int
    dead: int
    lost: int
    error_types: dict[str, int]
    remaining: int | None
    """Entries and marks that are left; None where nobody counted."""
    batches: int
    marks_folded: int
    duration_ms: int

    @classmethod
    def of(cls, seen: Telemetry, remaining: int | None, seconds: float) -> "Summary":
        """What a line's telemetry saw."""
        ends = seen.endings
        return cls(
            processed=ends["scored"],
            failed=ends["failed"] + ends["dead"] + ends["not_found"],
            removed=ends["removed"],
            dead=ends["dead"],
            lost=ends["lost"],
            error_types=dict(seen.errors),
            remaining=remaining,
            batches=seen.batches,
            marks_folded=seen.marks,
            duration_ms=round(seconds * 1000),
        )

    @property
    def exit_code(self) -> int:
        """1 when some failed; a profile that does not exist is the caller's business and leaves it 0."""
        return int(self.failed > self.error_types.get("PROFILE_NOT_FOUND", 0))


def drain(
    line: Line,
    *,
    batch_size: int,
    max_batches: int | None = None,
    max_seconds: float | None = None,
    stop: threading.Event | None = None,
    seen: Telemetry | None = None,
) -> Summary:
    """Fold and work until nothing is due, or one of the limits is reached.

    Entries in backoff and other workers' leases are not due; they count as remaining. Two drains share the work.

    Args:
        seen: what this drain does is counted in here, for who wants to look on.
    """
    begun = time.monotonic()
    seen = seen or Telemetry(line.telemetry.watchers)
    line = replace(line, telemetry=seen)
    stop = stop or threading.Event()

    def over() -> bool:
        return stop.is_set() or (max_seconds is not None and time.monotonic() - begun >= max_seconds)

    whole = True
    try:
        while not over() and (max_batches is None or seen.batches < max_batches):
            folded = line.fold(whole=whole)
            for _ in range(FULL_FOLDS_PER_BATCH):
                if not folded.is_full or over():
                    break
                folded = line.fold()
            batch = line.run_batch(batch_size, whole=whole)
            if batch is None and whole and not line.fold(whole=True).found_any:
                break
            whole = batch is None
    except Exception:
        with contextlib.suppress(CaasError):
            line.claimant.release()
        raise
    line.follower.follow(None)
    return Summary.of(seen, remaining(line.db), time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a worker met in one turn: anything at all, and as much as it can take at once."""

    found_any: bool
    is_full: bool


class Worker:
    """A long-lived worker: rests while it keeps up, looks less often while idle, says that it lives.

    It waits out a database that is away.
    """

    def __init__(self, line: Line, settings: Settings, stop: threading.Event) -> None:
        self.worker_id = uuid4()
        self._line = line
        self._settings = settings
        self._stop = stop
        self._left_over = Pace()
        self._sweep = Pace()
        self._has_published = False
        self._next_beat = 0.0

    def run(self) -> None:
        """Work until `stop` is set; the batch at hand is finished first."""
        pause = SHORTEST_PAUSE_SECONDS
        outage = 0.0
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                turn = self._turn()
                if outage:
                    log.info("the database is back")
                outage = 0.0
            except CaasError as error:
                outage = self._wait_out(error, outage)
                continue
            except Exception as error:
                log.exception("an error that nobody foresaw; the batch is given back")
                sentry.report(error)
                outage = self._wait_out(error, outage)
                continue
            pause = self.pause(turn, time.monotonic() - begun, pause)
            if pause:
                self._stop.wait(pause)
        self._leave()

    def pause(self, turn: Turn, worked: float, last_pause: float) -> float:
        """How long to rest after a turn, in seconds: not at all with a backlog.

        Else changes of the same profiles come together meanwhile, and cost one computation. A worker that takes up each
        change as it comes computes a hot profile dozens of times a second, with the processor that the application's
        own writes need.
        """
        if turn.is_full:
            return 0
        if turn.found_any:
            rest = max(worked * (1 / self._settings.busy_share - 1), SHORTEST_PAUSE_SECONDS)
            # not a tenth of a long turn: the longer the rest, the longer the next turn, without an end
            longest = min(worked * LONG_REST, LONGEST_REST_SECONDS)
            return min(rest, max(self._settings.poll_interval, longest))
        return min(max(last_pause, SHORTEST_PAUSE_SECONDS) * 2, self._settings.poll_interval)

    def _turn(self) -> Turn:
        self._beat()
        if not self._has_published:
            if published := rules.publish(self._line.db, self._line.registry):
                log.info("published %s; everyone is marked", ", ".join(published))
            self._has_published = True
        if self._sweep.due():
            begun = time.monotonic()
            sweep(self._line.db, self._settings.sweep_size)
            self._sweep.spent(time.monotonic() - begun)
        folded = self._line.fold()
        batch = self._line.run_batch(self._settings.run_batch_size)
        if self._line.follower.is_on and self._left_over.due():
            begun = time.monotonic()
            self._line.follower.follow(None)
            self._left_over.spent(time.monotonic() - begun)
        size = batch.size if batch else 0
        return Turn(
            found_any=folded.found_any or batch is not None,
            is_full=folded.is_full or size >= self._settings.run_batch_size,
        )

    def _wait_out(self, error: Exception, outage: float) -> float:
        outage = min(max(outage * 2, 0.1), LONGEST_OUTAGE_PAUSE_SECONDS)
        log.error("%s; trying again in %.1f s", impersonal(error), outage)
        self._stop.wait(outage)
        if isinstance(error, DatabaseUnavailable):
            self._line.db.forget_connections()
        if isinstance(error, RulesOutdated):
            self._has_published = False
        return outage

    def _beat(self) -> None:
        if time.monotonic() < self._next_beat:
            return
        with self._line.db.transaction() as connection:
            connection.execute(
                statements("worker")["beat"],
                {
                    "worker_id": self.worker_id,
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "version": __version__,
                    "profiles": self._line.telemetry.endings["scored"],
                },
            )
        with self._line.db.transaction() as connection:
            connection.execute(statements("worker")["forget"])
        self._next_beat = time.monotonic() + self._settings.heartbeat_seconds

    def _leave(self) -> None:
        try:
            self._line.claimant.release()
            with self._line.db.transaction() as connection:
                connection.execute(statements("worker")["leave"], {"worker_id": self.worker_id})
        except CaasError as error:
            log.warning("left without a word to the database: %s", impersonal(error))
