"""What happens on the stage: traffic, workers, and for each event of the application the score that followed."""

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from caas_worker import worker
from caas_worker.db import Database
from caas_worker.figures import status
from caas_worker.marketplace.traffic import Event, Traffic
from caas_worker.pipeline import Line
from caas_worker.settings import Settings

SHOWN_EVENTS = 12
UNTOUCHED_SECONDS = 3


@dataclass
class Moved:
    """An event and what became of the score of whom it concerned."""

    event: Event
    before: int | None
    after: int | None = None
    tier: str | None = None
    """Of a tutor with sessions in the last 30 days, published with the score."""
    seconds: float | None = None

    @property
    def is_idle(self) -> bool:
        """No score followed: the write changed nothing that a rule reads."""
        age = (datetime.now(UTC) - self.event.at).total_seconds()
        return self.seconds is None and age > UNTOUCHED_SECONDS


@dataclass(frozen=True, slots=True)
class Figures:
    """The show at one moment."""

    seconds: float
    transactions: int
    transactions_per_second: float
    errors: int
    marks: int
    queued: int
    in_flight: int
    dead: int
    scored: int
    scored_per_second: float
    freshness_p50: float | None
    freshness_p99: float | None
    tiers: dict[str, int]
    """Tutors by performance tier."""


@dataclass
class Show:
    """Runs traffic and workers in this process and watches the cache."""

    conninfo: str
    settings: Settings
    workers: int
    per_second: float
    moved: deque[Moved] = field(default_factory=lambda: deque(maxlen=SHOWN_EVENTS))

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._databases = [Database(self.conninfo) for _ in range(self.workers + 1)]
        self._lines: list[Line] = []
        self._threads: list[threading.Thread] = []
        self._traffic = Traffic(self.conninfo, seed=None, per_second=self.per_second)
        self._begun = time.monotonic()
        self._last = (self._begun, 0, 0)
        self._rates = (0.0, 0.0)
        self._seen: datetime = datetime.now(UTC)
        self._totals: dict[UUID, int] = {}

    def __enter__(self) -> "Show":
        for database in self._databases:
            database.__enter__()
        self._watch_db = self._databases[0]
        with self._watch_db.transaction() as connection:
            self._totals = dict(connection.execute("select profile_id, total_score from caas.scores").fetchall())
        for database in self._databases[1:]:
            line = worker.line(database, self.settings)
            self._lines.append(line)
            thread = threading.Thread(
                target=worker.Worker(line, self.settings, self._stop).run, name="worker", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        self._traffic.start()
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._traffic.stop()
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for database in self._databases:
            database.__exit__()

    def look(self) -> Figures:
        """Match new events with the scores that followed, and take the figures."""
        self._match()
        figures = status(self._watch_db)
        fresh = sorted(seconds for line in self._lines for seconds in list(line.telemetry.freshness_seconds))
        scored = sum(line.telemetry.endings["scored"] for line in self._lines)
        now = time.monotonic()
        then, transactions, scored_then = self._last
        if now - then >= 1:
            self._rates = (
                (self._traffic.transactions - transactions) / (now - then),
                (scored - scored_then) / (now - then),
            )
            self._last = (now, self._traffic.transactions, scored)
        return Figures(
            seconds=now - self._begun,
            transactions=self._traffic.transactions,
            transactions_per_second=self._rates[0],
            errors=self._traffic.errors,
            marks=figures["marks"],
            queued=figures["ready"] + figures["waiting"],
            in_flight=figures["in_flight"],
            dead=figures["dead"],
            scored=scored,
            scored_per_second=self._rates[1],
            freshness_p50=statistics.median(fresh) if fresh else None,
            freshness_p99=fresh[min(len(fresh) - 1, int(len(fresh) * 0.99))] if fresh else None,
            tiers=figures["tiers"],
        )

    def post_review(self) -> None:
        """A review at once, so that there is something to see."""
        self._traffic.post_review()

    def _match(self) -> None:
        for event in list(self._traffic.events):
            if event.at > self._seen and event.profile_id is not None:
                self.moved.append(Moved(event, self._totals.get(event.profile_id)))
                self._seen = event.at
        waiting = [moved for moved in self.moved if moved.seconds is None and not moved.is_idle]
        if not waiting:
            return
        with self._watch_db.transaction() as connection:
            rows = connection.execute(
                "select s.profile_id, s.total_score, s.source_changed_at, clock_timestamp(), c.performance_tier"
                " from caas.scores as s left join caas.cell_states as c on c.profile_id = s.profile_id"
                " where s.profile_id = any(%s)",
                ([moved.event.profile_id for moved in waiting],),
            ).fetchall()
        found = {profile_id: rest for profile_id, *rest in rows}
        for moved in waiting:
            key = moved.event.profile_id
            if key is not None and key in found and found[key][1] >= moved.event.at:
                total, _, now, moved.tier = found[key]
                moved.after, moved.seconds = total, (now - moved.event.at).total_seconds()
                self._totals[key] = total
