"""Audit: does the cache say what a recomputation says? Nothing is written, unless repair is asked for.

Scores move while they are looked at, so a difference counts only when nothing explains it. A batch of cached rows is
read, computed anew, and for those that differ looked up once more, in one statement and so at one moment:

- The row's generation is another than before, so that a score was published meanwhile: the profile is `moving` and is
  looked at again, ROUNDS times.
- `pending`: its entry stands in the queue, or one of the marks means it, or this is true of a recruit of it, whose
  publication will mark it. Marks are resolved to profiles as fold does it, and no more than MOST_MARKS of them: with
  more waiting, whatever differs is pending.
- It was set aside: `dead`. Its time has come and is not swept yet: `due`.
- None of these. Then no change that the computation saw is missing in the cache for a good reason. Had one been
  committed before the computation, its mark or entry would stand yet, or the generation would have moved; what is
  committed later, the computation has not seen, and is `pending`.

Of tutors, today's quality figures are compared as well, and those that the cells give: all with the rows' own.

(Held by tests/integration/test_audit.py.)
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow, dict_row

from caas_worker import appraisal, queue
from caas_worker.db import Database
from caas_worker.errors import RulesOutdated
from caas_worker.model import Score
from caas_worker.pipeline import Line
from caas_worker.sql import statements

ROUNDS = 5
MOST_MARKS = 10_000
MOST_DIFFERENCES = 1_000
PAGES_PER_PROFILE = 2
FEWEST_PAGES = 20
"""Pages read for a sample: some more than profiles wanted, so that few of them come from one page."""

Row = Mapping[str, Any]
Progress = Callable[[int], None]
"""Is told how many profiles are done."""


@dataclass
class Report:
    """What an audit found. Each profile checked stands in exactly one of the counts from same to moving."""

    checked: int = 0
    same: int = 0
    different: int = 0
    missing: int = 0
    """Profiles without a cached row."""
    orphans: int = 0
    """Cached rows without a profile."""
    pending: int = 0
    """They differ, and a change of theirs is on its way."""
    due: int = 0
    """They differ, and their time has come."""
    dead: int = 0
    """They differ or cannot be computed, and were set aside."""
    failed: int = 0
    """They could not be computed, and the queue does not know it."""
    moving: int = 0
    """They were published anew each time that they were looked at."""
    not_followed: int = 0
    """profiles.caas_score is not the cached total. Counted besides."""
    repaired: int = 0
    """Marked, to be computed again."""
    differences: list[dict[str, Any]] = field(default_factory=list)
    """The first MOST_DIFFERENCES: profile_id, kind, and for each field that differs its cached and its fresh value."""

    @property
    def exit_code(self) -> int:
        """1 when the cache differs, and when it could not be told."""
        return int(bool(self.different or self.missing or self.orphans or self.failed))


def everyone(db: Database, size: int) -> Iterator[Sequence[UUID]]:
    """Every profile and every cached score, in batches, in the order of their ids."""
    after: UUID | None = None
    while True:
        with db.transaction() as connection:
            connection.execute(statements("audit")["unfiltered"])
            rows = connection.execute(statements("audit")["everyone"], {"after": after, "most": size}).fetchall()
        if not rows:
            return
        batch = [row[0] for row in rows]
        yield batch
        after = batch[-1]


def sample(db: Database, count: int, size: int) -> Iterator[Sequence[UUID]]:
    """So many random profiles, in batches, and those orphans that as many pages of the cache show.

    As many pages are read as profiles are wanted, about, however large the tables are. Every profile is as likely to
    be drawn; two of one page are more likely to come together than two of different pages. Tables with many empty
    pages give fewer.
    """
    queries = statements("audit")
    drawn: set[UUID] = set()
    pages = PAGES_PER_PROFILE * count + FEWEST_PAGES
    with db.transaction() as connection:
        connection.execute(queries["unfiltered"])
        for relation, query in (("public.profiles", queries["sample"]), ("caas.scores", queries["sample_orphans"])):
            row = connection.execute(queries["share"], {"relation": relation, "pages": pages}).fetchone()
            assert row is not None
            drawn.update(row[0] for row in connection.execute(query, {"share": row[0], "most": count}))
    ids = sorted(drawn)
    yield from (ids[start : start + size] for start in range(0, len(ids), size))


def audit(
    db: Database,
    line: Line,
    batches: Iterable[Sequence[UUID]],
    *,
    repair: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Compare the cached scores of all these profiles with their recomputation.

    Args:
        repair: mark those that differ, at live priority.
        stop: ends the audit after the batch at hand.

    Raises:
        RulesOutdated: other rules are published than the line computes with.
        DatabaseError: row-level security hides profiles from this role.
    """
    with db.transaction() as connection:
        row = connection.execute(
            statements("audit")["other_rules"], {"rules": json.dumps(line.registry.rules)}
        ).fetchone()
    if row and row[0]:
        raise RulesOutdated.against(", ".join(row[0]))
    report = Report()
    for batch in batches:
        if stop and stop.is_set():
            break
        wrong = _check(db, line, batch, report)
        if line.follower.is_on:
            left = _not_followed(db, batch)
            report.not_followed += len(left)
            wrong |= left
        if repair:
            report.repaired += len(queue.recalculate(db, sorted(wrong), reason="audit", priority=10))
        if progress:
            progress(report.checked)
    return report


def _check(db: Database, line: Line, batch: Sequence[UUID], report: Report) -> set[UUID]:
    """Count a batch; returns those that differ without a reason."""
    wrong: set[UUID] = set()
    open_ids: Sequence[UUID] = batch
    for _ in range(ROUNDS):
        if not open_ids:
            break
        cached = _cached(db, open_ids)
        computed = line.compute(open_ids)
        quality = _quality(db, line, sorted(computed.tutors))
        differing: dict[UUID, dict[str, Any]] = {}
        for key in open_ids:
            row, score = cached.get(key), computed.scores[key][0] if key in computed.scores else None
            if key in computed.failures or (fields := compare(row, score) | quality.get(key, {})):
                differing[key] = {} if key in computed.failures else fields
            elif row is not None:
                report.checked += 1
                report.same += 1
        moving: list[UUID] = []
        standings = _standings(db, list(differing))
        for key in differing:
            generation, why = standings[key]
            if generation != cached.get(key, {}).get("generation"):
                moving.append(key)
                continue
            kind = why or _kind(key in computed.failures, cached.get(key), key in computed.scores)
            _count(report, kind)
            if kind in ("different", "missing", "orphans"):
                wrong.add(key)
                if len(report.differences) < MOST_DIFFERENCES:
                    report.differences.append({"profile_id": key, "kind": kind, **differing[key]})
        open_ids = moving
    for _ in open_ids:
        _count(report, "moving")
    return wrong


def _kind(failed: bool, row: Row | None, has_score: bool) -> str:
    if failed:
        return "failed"
    return "missing" if row is None else "different" if has_score else "orphans"


def _count(report: Report, kind: str) -> None:
    report.checked += 1
    setattr(report, kind, getattr(report, kind) + 1)


def compare(row: Row | None, score: Score | None) -> dict[str, Any]:
    """What differs between a cached row and a fresh score: name to cached and fresh value.

    Of a held score, the one that was computed underneath is compared; `hold` is the score that a hold pins, against
    the one that is published.
    """
    held = row or {}
    is_held = held.get("computed_score") is not None
    old, new = held.get("score_breakdown") or {}, score.breakdown if score else {}
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    sides = {
        "total": (held.get("computed_score" if is_held else "total_score"), score and score.total),
        "hold": (held.get("total_score") if is_held else None, held.get("held")),
        "role": (held.get("role_type"), score and score.role_type),
        "version": (held.get("calculation_version"), score and score.version),
        "reason": (held.get("reason"), score and score.reason),
        "gate_failed": (held.get("gate_failed"), score and score.gate_failed),
        "breakdown": ({name: old.get(name) for name in changed}, {name: new.get(name) for name in changed}),
    }
    return {name: {"cached": was, "fresh": now} for name, (was, now) in sides.items() if was != now}


def _cached(db: Database, profile_ids: Sequence[UUID]) -> dict[UUID, Row]:
    with db.transaction() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = cursor.execute(statements("audit")["cached"], {"profile_ids": list(profile_ids)}).fetchall()
    return {row["profile_id"]: row for row in rows}


def _quality(db: Database, line: Line, tutors: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """What differs between tutors' figures computed from their rows, those of today's tables, and those from cells."""
    if not tutors:
        return {}
    zone = line.registry.quality.zone
    with db.transaction() as connection:
        now = line.clock(connection)
        published: dict[UUID, tuple[Row | None, Row | None]] = {
            key: (metrics, scores)
            for key, metrics, scores in connection.execute(
                statements("audit")["quality"], {"profile_ids": list(tutors), "now": now, "zone": zone}
            ).fetchall()
        }
        fresh = _figures(connection, list(published), now, line)
    with db.transaction(cells=True) as connection:
        from_cells = _figures(connection, list(published), now, line)
    differences: dict[UUID, dict[str, Any]] = {}
    for key, (metrics, scores) in published.items():
        tables = {name: (metrics or {}).get(name, (scores or {}).get(name)) for name in fresh[key]}
        for suffix, sides in ((" from cells", from_cells[key]), ("", tables)):
            differences.setdefault(key, {}).update(
                {
                    f"{name}{suffix}": {"cached": sides[name], "fresh": right}
                    for name, right in fresh[key].items()
                    if sides[name] != right
                }
            )
    return differences


def _figures(
    connection: Connection[TupleRow], tutors: Sequence[UUID], now: datetime, line: Line
) -> dict[UUID, dict[str, list[Any]]]:
    """Some of each window and score of these tutors."""
    found: dict[UUID, dict[str, list[Any]]] = {}
    for sums, due in appraisal.read(connection, tutors, now, line.registry.quality):
        fresh = appraisal.appraise(sums, due)
        found[sums.profile_id] = {
            window: [of.performance_tier, of.sessions_completed, of.engagement_score]
            for window, of in fresh.metrics.items()
        } | {name: [of.value, of.level] for name, of in fresh.scores.items()}
    return found


def _standings(db: Database, profile_ids: Sequence[UUID]) -> dict[UUID, tuple[int | None, str | None]]:
    """Generation of the cached row, and what explains a difference, if anything does."""
    if not profile_ids:
        return {}
    with db.transaction() as connection:
        rows = connection.execute(
            statements("audit")["standing"], {"profile_ids": list(profile_ids), "most_marks": MOST_MARKS}
        ).fetchall()
    return {key: (generation, why) for key, generation, why in rows}


def _not_followed(db: Database, profile_ids: Sequence[UUID]) -> set[UUID]:
    with db.transaction() as connection:
        connection.execute(statements("audit")["unfiltered"])
        rows = connection.execute(statements("audit")["not_followed"], {"profile_ids": list(profile_ids)}).fetchall()
    return {row[0] for row in rows}
