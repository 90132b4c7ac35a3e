"""The queue as callers and operators see it: status, one profile's place, marking by hand, marking everyone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from caas_worker.db import Database
from caas_worker.sql import statements


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
