"""The queue as callers and operators see it: one profile's place, marking by hand, and what was set aside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from caas_worker.db import Database
from caas_worker.sql import statements

AT_ONCE = 1_000


def place(db: Database, profile_id: UUID) -> dict[str, Any] | None:
    """Where one profile stands: marked, ready, waiting, in flight, set aside; None with nothing to do."""
    with db.transaction() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(statements("queue")["profile"], {"profile_id": profile_id}).fetchone()


@dataclass(frozen=True, slots=True)
class Mark:
    """What a recalculation left in the queue."""

    generation: int
    at: datetime
    """By the database's clock: what is computed later than this has seen what was there before the mark."""


JOINED = Mark(0, datetime.min.replace(tzinfo=UTC))
"""Stands for the mark of somebody else, whose computation will do, whenever it began."""


def recalculate(
    db: Database,
    profile_ids: Sequence[UUID],
    *,
    reason: str = "manual",
    priority: int = 0,
    patience: float | None = None,
) -> Mapping[UUID, Mark]:
    """Mark the profiles and fold the marks in one transaction; returns each entry's mark.

    Args:
        patience: how many seconds to wait for a free connection; None: as long as ever.
    """
    if not profile_ids:
        return {}
    with db.transaction(patience=patience) as connection:
        rows = connection.execute(
            statements("queue")["recalculate"],
            {"profile_ids": list(profile_ids), "reason": reason, "priority": priority},
        ).fetchall()
    return {profile_id: Mark(generation, at) for profile_id, generation, at in rows}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a profile stands."""

    queued: bool
    ready: bool
    """Nobody holds the entry and it waits for nothing."""
    attempts: int
    error: str | None
    """Of its last attempt, also of one that it was set aside after."""
    due_at: datetime | None
    generation: int | None
    """Of the cached score."""
    calculated_at: datetime | None
    """Of the cached score."""

    @property
    def is_debounced(self) -> bool:
        """It waits for further changes, after none that failed; a mark by hand ends that."""
        return self.due_at is not None and self.error is None


def standings(db: Database, profile_ids: Sequence[UUID]) -> Mapping[UUID, Standing]:
    """Where each of these profiles stands."""
    with db.transaction() as connection:
        rows = connection.execute(statements("queue")["standings"], {"profile_ids": list(profile_ids)}).fetchall()
    return {profile_id: Standing(*rest) for profile_id, *rest in rows}


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
    yield from _in_pieces(db, statements("queue")["retry"], profile_ids, error, {})


def purge(
    db: Database, profile_ids: Sequence[UUID] | None = None, *, error: str | None = None, older_seconds: float = 0
) -> Iterator[Sequence[UUID]]:
    """Forget entries that were set aside, piece by piece. Their scores stay as they are until they are marked again.

    Args:
        profile_ids: of these profiles only.
        error: with this error only.
        older_seconds: only those that were set aside longer ago.

    Yields:
        The profiles of each piece.
    """
    yield from _in_pieces(db, statements("queue")["purge"], profile_ids, error, {"older_seconds": older_seconds})


def _in_pieces(
    db: Database, statement: bytes, profile_ids: Sequence[UUID] | None, error: str | None, further: Mapping[str, Any]
) -> Iterator[Sequence[UUID]]:
    with db.transaction() as connection:
        row = connection.execute(statements("queue")["now"]).fetchone()
    assert row is not None
    wanted = {
        "profile_ids": list(profile_ids) if profile_ids is not None else None,
        "error": error,
        "before": row[0],
        "most": AT_ONCE,
        **further,
    }
    while True:
        with db.transaction() as connection:
            done = [row[0] for row in connection.execute(statement, wanted).fetchall()]
        if not done:
            return
        yield done
