"""What the routes work with: settings, database, desk, keys, limits, counters; the app holds it for its lifetime."""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from anyio import to_thread
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from prometheus_client import CollectorRegistry

from caas_worker import queue, read, rules, worker
from caas_worker.api.keys import Keys
from caas_worker.api.origins import origins
from caas_worker.db import LOOK_SECONDS, Database
from caas_worker.desk import Desk
from caas_worker.errors import DatabaseBusy, DatabaseUnavailable, NotComputed, TooManyRequests
from caas_worker.figures import KeptFigures
from caas_worker.metrics import DatabaseGauges, LineMetrics, RequestMetrics
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from caas_worker.sweep import sweep
from caas_worker.telemetry import Telemetry

PATIENCE_SECONDS = 2.0
"""How long a request waits for a connection of the pool."""
LONGEST_LOOK_SECONDS = PATIENCE_SECONDS + LOOK_SECONDS + 1
"""After which a read by key is answered without the database: a server that hangs says nothing, not even no."""
DRAINS_AT_ONCE = 2
AWAY_SECONDS = 1.0
CLOSING_LOOK_SECONDS = 0.25
API_KEY_HEADER = "X-API-Key"
LAST_BATCH_SECONDS = 2.0
"""How much longer than its time a drain may take for the batch at hand before the caller is answered without it."""

Result = TypeVar("Result")


class Service:
    """What the routes work with."""

    desk: Desk
    """While the service works."""

    def __init__(self, settings: Settings, db: Database, strategies: Registry | None = None) -> None:
        """Make a service over an open database.

        Raises:
            SettingsError: a key is too short, or an origin none.
        """
        self.settings = settings
        self.db = db
        self.worker_keys = Keys("CAAS_WORKER_API_KEY", settings.worker_api_key)
        self.api_keys = Keys("CAAS_API_KEY", settings.api_key, f'ApiKey header="{API_KEY_HEADER}"')
        self.origins = origins(settings.cors_origins)
        self.figures = KeptFigures(db)
        self.stop = threading.Event()
        self.counters = CollectorRegistry()
        self.requests = RequestMetrics(self.counters)
        self.counters.register(DatabaseGauges(self.figures))
        self.strategies = strategies or Registry.installed(settings)
        self._line_metrics = LineMetrics(self.counters, self.strategies.names)
        self._limit = RateLimitItemPerMinute(settings.calculations_per_minute)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        # the application may hold its own table; reads of ours need connections meanwhile
        self._patient = asyncio.Semaphore(max(settings.pool_size // 2, 1))
        self._away_until = 0.0
        self._drains = ThreadPoolExecutor(DRAINS_AT_ONCE, thread_name_prefix="drain")
        # drains and the desk may all wait for the application: readers have connections of their own
        self._works = Database(db.conninfo, pool_size=DRAINS_AT_ONCE + 1, statement_timeout=settings.statement_timeout)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Open the desk; at the end finish what is at hand."""
        with self._works:
            self.desk = Desk(self._works, self._line(worker.watched(self._line_metrics)))
            self.desk.open()
            try:
                yield
            finally:
                self.stop.set()
                self._drains.shutdown(cancel_futures=True)
                self.desk.close()

    def admit(self, caller: str) -> None:
        """Count a calculation against the caller's limit.

        Raises:
            TooManyRequests: the limit is reached.
        """
        if not self._limiter.hit(self._limit, caller):
            window = self._limiter.get_window_stats(self._limit, caller)
            raise TooManyRequests(retry_after=max(math.ceil(window.reset_time - time.time()), 1))

    async def read(self, profile_id: UUID) -> dict[str, Any] | None:
        """The cached row, or None."""
        rows = await self.look(read.read_many, [profile_id])
        return rows.get(profile_id)

    async def is_verified(self, profile_id: UUID) -> bool:
        """Whether the identity is verified.

        Raises:
            ProfileNotFound: there is no such profile.
        """
        return await self.look_patiently(read.is_verified, profile_id)

    async def look_patiently(self, read: Callable[..., Result], *wanted: Any) -> Result:
        """A look that may take long, or may have to wait for the application: on some of the connections only.

        Raises:
            DatabaseBusy: those were at work for as long as a statement may take.
        """
        try:
            await asyncio.wait_for(self._patient.acquire(), self.settings.statement_timeout)
        except TimeoutError:
            raise DatabaseBusy from None
        try:
            return await self.look(read, *wanted, longest=LONGEST_LOOK_SECONDS + self.settings.statement_timeout)
        finally:
            self._patient.release()

    async def look(self, read: Callable[..., Result], *wanted: Any, longest: float | None = None) -> Result:
        """A look into the database; when it was away a moment ago, none is tried: threads are for those who get on.

        Raises:
            DatabaseBusy: no connection was free in time; that is this caller's bad luck, and says nothing of others.
            DatabaseUnavailable: it is away, or has not answered in `longest` seconds, or LONGEST_LOOK_SECONDS.
        """
        if time.monotonic() < self._away_until:
            raise DatabaseUnavailable
        try:
            return await within(
                longest or LONGEST_LOOK_SECONDS, partial(read, self.db, *wanted, patience=PATIENCE_SECONDS)
            )
        except DatabaseBusy:
            raise
        except DatabaseUnavailable:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise

    async def mark(self, profile_id: UUID) -> queue.Mark:
        """Put a profile into the queue, ahead of everything else."""
        marks = await self.look_patiently(partial(queue.recalculate, reason="request"), [profile_id])
        return marks[profile_id]

    async def compute_once(self, profile_id: UUID, caller: str) -> None:
        """Have a profile computed that never was; who asks meanwhile joins.

        Raises:
            TooManyRequests: the caller has asked for too many calculations.
            NotComputed: it could not be computed, or not in time.
        """
        if not self.desk.is_asked(profile_id):
            if await self.read(profile_id):
                return  # published since the caller looked
            if not self.desk.is_asked(profile_id):
                self.admit(caller)
        asking = self.desk.ask(profile_id, fresh=False)
        answer = await self.wait(asking.answered, self.settings.cold_read_seconds)
        if answer is None:
            raise NotComputed
        if answer.failure:
            raise NotComputed(f"The score could not be computed: {answer.failure}.")

    async def drain(self, *, batch_size: int, max_batches: int | None, seconds: float) -> tuple[worker.Summary, bool]:
        """Sweep, then drain, for at most so long; what was done by then, and whether that is all of it."""
        begun = time.monotonic()
        seen = worker.watched(self._line_metrics)

        def over() -> bool:
            return self.stop.is_set() or time.monotonic() - begun >= seconds

        def work() -> worker.Summary:
            line = self._line(seen)
            rules.publish(self._works, self.strategies)
            while sweep(self._works, self.settings.sweep_size) == self.settings.sweep_size and not over():
                pass
            return worker.drain(
                line,
                batch_size=batch_size,
                max_batches=max_batches,
                max_seconds=max(seconds - (time.monotonic() - begun), 0),
                stop=self.stop,
                seen=seen,
            )

        future = self._drains.submit(work)
        summary = await self.wait(future, seconds + LAST_BATCH_SECONDS, closing=False)
        if summary is not None:
            return summary, True
        future.cancel()
        return worker.Summary.of(seen, None, time.monotonic() - begun), False

    async def wait(self, future: "Future[Result]", seconds: float, *, closing: bool = True) -> Result | None:
        """The result of a future of another thread; the future itself goes on.

        Args:
            closing: end early when the service closes.

        Returns:
            None when the time is over, or the service closes.

        Raises:
            what the future ended with.
        """
        waiting = asyncio.wrap_future(future)
        # nobody may be waiting any more when it fails
        waiting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        end = time.monotonic() + seconds
        while not waiting.done() and (left := end - time.monotonic()) > 0 and not (closing and self.stop.is_set()):
            await asyncio.wait({waiting}, timeout=min(left, CLOSING_LOOK_SECONDS))
        return waiting.result() if waiting.done() else None

    def _line(self, telemetry: Telemetry) -> Line:
        return worker.line(self._works, self.settings, self.strategies, telemetry)


async def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What a call returns in a thread, which is left to itself when the time is over.

    Raises:
        DatabaseUnavailable: the time is over.
    """
    try:
        async with asyncio.timeout(seconds):
            return await to_thread.run_sync(work, abandon_on_cancel=True)
    except TimeoutError:
        raise DatabaseUnavailable from None
