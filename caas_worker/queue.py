"""The queue as callers and operators see it: status, one profile's place, marking by hand, marking everyone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from caas_worker.db import Database
from caas_worker.sql import statements

RETRIED_AT_ONCE = 1_000


def status(db: Database) -> dict[str, Any]:
    """Marks and entries by state, the oldest live change in seconds, dead entries, workers, cached scores."""
    with db.transaction() as connection:
        row = connection.cursor(row_factory=dict_row).execute(statements("queue")["status"]).fetchone()
    assert row is not None
    row["oldest_seconds"] = max(row["oldest_seconds"], row.pop("oldest_mark_seconds"))
    return row


def place(db: Database, profile_id: UUID) -> dict[str, Any] | None:
    """Where one profile stands: marked, ready, waiting, in flight, set aside; None with nothing to do."""
    with db.transaction() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(statements("queue")["profile"], {"profile_id": profile_id}).fetchone()


def remaining(db: Database) -> int:
    """Entries and marks that are left, whatever they wait for."""
    with db.transaction() as connection:
        row = connection.execute(statements("queue")["remaining"]).fetchone()
    assert row is not None
    return int(row[0])


def recalculate(
    db: Database, profile_ids: Sequence[UUID], *, reason: str = "manual", priority: int = 0
) -> Mapping[UUID, int]:
    """Mark the profiles and fold the marks in one transaction; returns each entry's generation."""
    with db.transaction() as connection:
        rows = connection.execute(
            statements("queue")["recalculate"],
            {"profile_ids": list(profile_ids), "reason": reason, "priority": priority},
        ).fetchall()
    return dict(rows)


@dataclass(frozen=True, slots=True)
class Pending:
    """What keeps a profile in the queue."""

    attempts: int
    error: str | None
    due_at: datetime | None


def pending(db: Database, profile_ids: Sequence[UUID]) -> Mapping[UUID, Pending]:
    """Of these profiles, those that still stand in the queue."""
    with db.transaction() as connection:
        rows = connection.execute(statements("queue")["pending"], {"profile_ids": list(profile_ids)}).fetchall()
    return {profile_id: Pending(*rest) for profile_id, *rest in rows}


def mark_everyone(db: Database, reason: str) -> None:
    """Mark every profile and every cached score, at backfill priority."""
    with db.transaction() as connection:
        connection.execute(statements("queue")["everyone"], {"reason": reason})


def everyone(db: Database) -> int:
    """How many profiles a mark of everyone will become, by the planner's estimate."""
    with db.transaction() as connection:
        row = connection.execute(statements("queue")["estimate_everyone"]).fetchone()
    assert row is not None
    return int(row[0])


def is_expanding(db: Database) -> bool:
    """Whether a mark of everyone is not yet expanded."""
    with db.transaction() as connection:
        row = connection.execute(statements("queue")["expanding"]).fetchone()
    return bool(row and row[0])


def failed(
    db: Database, *, last_seconds: float, error: str | None = None, most: int = 1_000
) -> Sequence[Mapping[str, Any]]:
    """Entries that were set aside within so many seconds, the newest first, with reason and traceback."""
    with db.transaction() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(
            statements("queue")["failed"], {"last_seconds": last_seconds, "error": error, "most": most}
        ).fetchall()


def retry(
    db: Database, profile_ids: Sequence[UUID] | None = None, *, error: str | None = None
) -> Iterator[Sequence[UUID]]:
    """Put entries that were set aside back into the queue, piece by piece, at live priority and with no attempts.

    Those that are set aside again meanwhile are left alone.

    Args:
        profile_ids: of these profiles only.
        error: with this error only.

    Yields:
        The profiles of each piece.
    """
    queries = statements("queue")
    with db.transaction() as connection:
        row = connection.execute(queries["now"]).fetchone()
    assert row is not None
    wanted = {
        "profile_ids": list(profile_ids) if profile_ids is not None else None,
        "error": error,
        "before": row[0],
        "most": RETRIED_AT_ONCE,
    }
    while True:
        with db.transaction() as connection:
            retried = [row[0] for row in connection.execute(queries["retry"], wanted).fetchall()]
        if not retried:
            return
        yield retried
