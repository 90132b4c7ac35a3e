"""Live traffic of the application: ordinary transactions of its users, one after the other on one connection."""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg

from caas_worker.errors import CaasError, DatabaseUnavailable, MigrationRefused
from caas_worker.marketplace.kinds import KINDS
from caas_worker.marketplace.scene import Cast, Scene
from caas_worker.marketplace.schema import is_sample

APPLICATION_NAME = "sample marketplace"
LONGEST_BACKLOG_SECONDS = 1.0
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Event:
    """One transaction that happened, in a sentence, and a profile whose score it may move (none if rolled back).

    `at` is just before it began: every change that it wrote is newer.
    """

    at: datetime
    text: str
    profile_id: UUID | None
    kind: str


class Traffic:
    """The application's users at work on a sample marketplace that has people.

    `start` lets them act in a background thread, `per_second` times a second on average; `perform` and `post_review`
    act once, at once, in the caller's thread; both may be used together. Without a seed every run differs.

    transactions, errors: how many succeeded and failed; counts: succeeded by kind; latencies: seconds of the newest
    2,000; events: the newest 200. Copy the last two with list() before looping over them. last_error: the newest
    error's text.
    """

    def __init__(self, conninfo: str, *, seed: int | None = None, per_second: float = 10.0) -> None:
        if per_second <= 0:
            raise ValueError("per_second must be above 0")
        self.transactions = 0
        self.errors = 0
        self.last_error: str | None = None
        self.counts: Counter[str] = Counter()
        self.latencies: deque[float] = deque(maxlen=2000)
        self.events: deque[Event] = deque(maxlen=200)
        self._conninfo = conninfo
        self._per_second = per_second
        self._dice = Random(seed)
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._conn: psycopg.Connection[Any] | None = None
        self._cast: Cast | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Connect, learn who there is, and let them act in a background thread until `stop`.

        Raises DatabaseUnavailable if nobody answers, MigrationRefused if the database is not the sample's, CaasError
        if it has nobody. Later errors are counted instead, and a connection that broke is replaced.
        """
        if self._thread is not None:
            return
        with self._turn:
            self._connect()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="sample-traffic", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread after its current transaction, and the connection. Can be started again.

        A transaction that lasts longer than PATIENCE_SECONDS is cancelled.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)
            while self._thread.is_alive():
                if self._conn is not None:
                    self._conn.cancel_safe(timeout=PATIENCE_SECONDS)
                self._thread.join(PATIENCE_SECONDS)
            self._thread = None
        with self._turn:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def post_review(self) -> Event:
        """Let a client review a tutor now; errors as in `perform`."""
        return self.perform("post_review")

    def perform(self, kind: str) -> Event:
        """Carry out one transaction of a kind (a key of KINDS) now.

        If the connection turns out to be broken, tries once more on a new one: should it have broken while a commit
        was being answered, the transaction happens twice. Raises what the second try, or any other error, raised.
        """
        with self._turn:
            try:
                return self._perform(kind)
            except psycopg.OperationalError:
                if self._conn is not None and not self._conn.closed:
                    raise
                return self._perform(kind)

    def percentile(self, share: float) -> float | None:
        """Seconds that this share (0 to 1) of the newest transactions stayed within; None without any."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None

    def _perform(self, kind: str) -> Event:
        try:
            conn, cast = self._connect()
            begun_at, started = datetime.now(UTC), time.perf_counter()
            with conn.transaction(force_rollback=KINDS[kind].rolled_back), conn.cursor() as cursor:
                text, profile_id = KINDS[kind].act(Scene(cursor, cast, self._dice))
            self.latencies.append(time.perf_counter() - started)
        except (psycopg.Error, CaasError) as error:
            self.errors += 1
            self.last_error = str(error)
            raise
        event = Event(begun_at, text, None if KINDS[kind].rolled_back else profile_id, kind)
        self.events.append(event)
        self.counts[kind] += 1
        self.transactions += 1
        return event

    def _connect(self) -> tuple[psycopg.Connection[Any], Cast]:
        if self._conn is not None and self._cast is not None and not self._conn.closed:
            return self._conn, self._cast
        try:
            conn = psycopg.connect(
                self._conninfo,
                autocommit=True,
                prepare_threshold=None,
                application_name=APPLICATION_NAME,
                connect_timeout=5,
            )
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable from error
        try:
            if not is_sample(conn):
                raise MigrationRefused("This database is not the sample marketplace's, so no traffic is sent to it.")
            self._cast = self._cast or Cast.read(conn)
        except BaseException:
            conn.close()
            raise
        self._conn = conn
        return conn, self._cast

    def _run(self) -> None:
        kinds = list(KINDS)
        weights = [kind.weight for kind in KINDS.values()]
        due_at = time.monotonic()
        while not self._stopping.wait(max(0.0, due_at - time.monotonic())):
            try:
                self.perform(self._dice.choices(kinds, weights)[0])
            except (psycopg.Error, CaasError):
                due_at = time.monotonic() + 0.2
            due_at = max(due_at, time.monotonic() - LONGEST_BACKLOG_SECONDS) + self._dice.expovariate(self._per_second)
