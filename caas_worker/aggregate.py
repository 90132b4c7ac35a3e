"""Batch path of the quality scores: every tutor's cells anew, through the line, and the window metrics of a day.

For cron and backfill. The work goes through the queue like any other, so running workers share it, and nothing that
they publish is overtaken. What fails is tried again; one tutor's failure never stops the rest.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader

from caas_worker import appraisal, queue, rules
from caas_worker.db import Database
from caas_worker.errors import CaasError, SettingsError
from caas_worker.pipeline import Line
from caas_worker.queue import Mark, Standing
from caas_worker.sql import statements

PRIORITY = 50
PAUSE_SECONDS = 0.05
BACKOFF_SECONDS = 1.0
"""Before the second attempt at a tutor: whoever waits for the run should not wait long."""
PATIENCE_SECONDS = 30.0
"""An entry that failed before and is tried again later than that is not waited for."""
CLEANED_AT_ONCE = 10_000
RETENTION_DAYS = 90

Metrics = Mapping[str, Mapping[str, Any]]
"""A tutor's rows by window."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one tutor."""

    profile_id: UUID
    ok: bool
    error: str | None = None
    tier: str | None = None
    """Of the 30-day window of the day."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Metric by window, then name: before and after. Only if asked for."""


@dataclass
class Report:
    """What a run did."""

    day: date
    tutors: int = 0
    successes: int = 0
    failures: int = 0
    rows: int = 0
    """Daily aggregates of these tutors, and window metrics of the day."""
    frozen: int = 0
    """Tutors whose windows of a past day had been published and were left as they are."""
    removed: int = 0
    """Window metrics that were too old."""
    seconds: float = 0
    errors: dict[str, str] = field(default_factory=dict)
    """By profile."""
    results: list[Result] = field(default_factory=list)
    interrupted: bool = False

    @property
    def success_rate(self) -> float:
        """In per cent, 2 decimals; 100 of nobody."""
        return round(self.successes / self.tutors * 100, 2) if self.tutors else 100.0

    @property
    def exit_code(self) -> int:
        """0; 1 when some failed, 130 when it was interrupted."""
        return 130 if self.interrupted else int(self.failures > 0)

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "success_rate": self.success_rate}


def aggregate(
    db: Database,
    line: Line,
    *,
    day: date | None = None,
    tutors: Sequence[UUID] | None = None,
    include_inactive: bool = False,
    diff: bool = False,
    batch_size: int = 250,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Aggregate tutors anew and bring the window metrics of a day up to date.

    Args:
        day: today if nothing is said. Metrics of a past day are written where there are none: those that were published
            record what was published.
        tutors: these; otherwise every active one, in the order of ids.
        include_inactive: those whose status is not active as well.
        diff: tell what changed in each tutor's metrics.
        progress: told after each batch how many tutors are done, and of how many.

    Raises:
        SettingsError: the day lies ahead.
        RulesOutdated: other rules are published.
    """
    begun = time.monotonic()
    stop = stop or threading.Event()
    rules.publish(db, line.registry)
    soon = min(line.retries.backoff_seconds, BACKOFF_SECONDS)
    line = replace(line, retries=replace(line.retries, backoff_seconds=soon))
    today, _ = _today(db, line, day)
    if day is not None and day > today:
        raise SettingsError(f"--date {day}: that day lies ahead; today is {today} in {line.registry.quality.zone}.")
    report = Report(day=day or today)
    tutors = None if tutors is None else list(dict.fromkeys(tutors))
    total = _count(db, include_inactive) if tutors is None else len(tutors)
    try:
        for batch in _batches(db, tutors, include_inactive, batch_size):
            if stop.is_set():
                break
            _aggregate(db, line, batch, report, size=batch_size, diff=diff, stop=stop)
            if progress:
                progress(report.tutors, max(total, report.tutors))
    except Exception:
        with contextlib.suppress(CaasError):
            line.claimant.release()
        raise
    report.interrupted = stop.is_set()
    report.seconds = round(time.monotonic() - begun, 3)
    return report


def clean(db: Database, line: Line, retention_days: int = RETENTION_DAYS, archive: Path | None = None) -> int:
    """Remove window metrics whose calculation day is more than so many days ago; returns how many.

    Args:
        archive: what is removed is written there first, one JSON object a line, added to what stands there.

    Raises:
        SettingsError: less than one day, or the archive can't be written.
    """
    if retention_days < 1:
        raise SettingsError(f"--retention-days is 1 or more, not {retention_days}.")
    if archive:
        try_archive(archive)
    today, _ = _today(db, line, None)
    before = date.fromordinal(max(today.toordinal() - retention_days, 1))
    removed = 0
    while True:
        with db.transaction() as connection:
            rows = connection.execute(
                statements("aggregate")["clean"], {"before": before, "size": CLEANED_AT_ONCE}
            ).fetchall()
            if archive and rows:
                _keep_in(archive, [row[0] for row in rows])
        removed += len(rows)
        if len(rows) < CLEANED_AT_ONCE:
            return removed


def try_archive(archive: Path) -> None:
    """Find out, before any work, whether the archive can be written.

    Raises:
        SettingsError: it can't.
    """
    _keep_in(archive, [])


def _keep_in(archive: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """On the disk before the rows are gone from the database, or not at all."""
    begin = None
    try:
        with archive.open("ab") as file:
            begin = file.tell()
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if begin is not None:
            with contextlib.suppress(OSError):
                os.truncate(archive, begin)
        raise SettingsError(f"--archive {archive}: {error.strerror}. Nothing more was removed.") from None


def _today(db: Database, line: Line, day: date | None) -> tuple[date, datetime]:
    with db.transaction() as connection:
        row = connection.execute(
            statements("aggregate")["today"],
            {"now": line.clock(connection), "zone": line.registry.quality.zone, "day": day},
        ).fetchone()
    assert row is not None
    return row


def _count(db: Database, include_inactive: bool) -> int:
    with db.transaction() as connection:
        row = connection.execute(statements("aggregate")["count"], {"include_inactive": include_inactive}).fetchone()
    assert row is not None
    return int(row[0])


def _batches(
    db: Database, tutors: Sequence[UUID] | None, include_inactive: bool, size: int
) -> Iterator[Sequence[UUID]]:
    if tutors is not None:
        yield from (tutors[first : first + size] for first in range(0, len(tutors), size))
        return
    after: UUID | None = None
    while True:
        with db.transaction() as connection:
            rows = connection.execute(
                statements("aggregate")["tutors"],
                {"after": after, "size": size, "include_inactive": include_inactive},
            ).fetchall()
        if rows:
            yield [row[0] for row in rows]
            after = rows[-1][0]
        if len(rows) < size:
            return


def _aggregate(
    db: Database,
    line: Line,
    batch: Sequence[UUID],
    report: Report,
    *,
    size: int,
    diff: bool,
    stop: threading.Event,
) -> None:
    before = _metrics(db, batch, report.day)
    errors = _work(line, batch, size, stop)
    done = [key for key in batch if key not in errors]
    after = _metrics(db, done, report.day)
    today, end = _today(db, line, report.day)
    if report.day < today:  # by now: midnight may come while a run of today's is at work
        _write_past(db, line, [key for key in done if key not in after], report.day, end)
        report.frozen += sum(key in before for key in done)
        after = _metrics(db, done, report.day)
    for key in batch:
        if key in done and key not in after:
            errors[key] = "NO_TUTOR: the profile has no role TUTOR"
        changes = _changes(before.get(key, {}), after.get(key, {})) if diff else {}
        tier = after.get(key, {}).get(appraisal.TIER_WINDOW, {}).get("performance_tier")
        report.results.append(Result(key, key not in errors, errors.get(key), tier, changes))
    report.tutors += len(batch)
    report.failures += len(errors)
    report.successes += len(batch) - len(errors)
    report.errors |= {str(key): error for key, error in errors.items()}
    with db.transaction() as connection:
        row = connection.execute(statements("aggregate")["days"], {"profile_ids": done}).fetchone()
    report.rows += (row[0] if row else 0) + sum(map(len, after.values()))


def _work(line: Line, batch: Sequence[UUID], size: int, stop: threading.Event) -> dict[UUID, str]:
    """Mark them and work until each is published or set aside; returns the errors.

    Args:
        size: of the batches worked: what else is ready and more urgent comes first.
    """
    marks = dict(queue.recalculate(line.db, batch, reason="aggregate", priority=PRIORITY))
    errors: dict[UUID, str] = {}
    open_ids = list(batch)
    while open_ids and not stop.is_set():
        worked = line.run_batch(size, whole=True)
        standings = queue.standings(line.db, open_ids)
        for key in open_ids:
            if error := _error(marks[key], standings[key]):
                errors[key] = error
        left = [key for key in open_ids if key not in errors and _is_open(marks[key], standings[key])]
        # who waits for further changes has waited long enough
        if waiting := [key for key in left if standings[key].is_debounced]:
            marks |= queue.recalculate(line.db, waiting, reason="aggregate")
        if worked is None and left:
            stop.wait(PAUSE_SECONDS)  # other workers have them
        open_ids = left
    return errors | dict.fromkeys(open_ids, "INTERRUPTED: it stays in the queue")


def _is_published(mark: Mark, now: Standing) -> bool:
    return now.generation == mark.generation or (now.calculated_at is not None and now.calculated_at > mark.at)


def _is_open(mark: Mark, now: Standing) -> bool:
    return now.queued and not _is_published(mark, now)


def _error(mark: Mark, now: Standing) -> str | None:
    if _is_published(mark, now):
        return None
    if now.queued:
        later = now.due_at is not None and (now.due_at - datetime.now(UTC)).total_seconds() > PATIENCE_SECONDS
        return f"{now.error}: tried again at {now.due_at:%H:%M:%S %Z}" if later and now.error else None
    return now.error or "PROFILE_NOT_FOUND: there is no such profile"


def _metrics(db: Database, profile_ids: Sequence[UUID], day: date) -> dict[UUID, Metrics]:
    found: dict[UUID, dict[str, Mapping[str, Any]]] = {}
    with db.transaction() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        cursor.adapters.register_loader("numeric", FloatLoader)
        for row in cursor.execute(statements("aggregate")["metrics"], {"profile_ids": list(profile_ids), "day": day}):
            found.setdefault(row.pop("profile_id"), {})[row.pop("time_window")] = row
    return dict(found)


def _write_past(db: Database, line: Line, tutors: Sequence[UUID], day: date, end: datetime) -> None:
    """The windows as they stood at the end of a day."""
    with db.transaction(cells=True) as connection:
        rows = [
            {"profile_id": sums.profile_id, "time_window": window, **asdict(of)}
            for sums, due in appraisal.read(connection, tutors, end, line.registry.quality)
            for window, of in appraisal.appraise(sums, due).metrics.items()
        ]
        connection.execute(statements("aggregate")["keep"], {"rows": json.dumps(rows, default=str), "day": day})


def _changes(before: Metrics, after: Metrics) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for window, row in after.items():
        old = before.get(window, {})
        differing = {
            name: {"before": old.get(name), "after": value} for name, value in row.items() if old.get(name) != value
        }
        if differing:
            changed[window] = differing
    return changed
