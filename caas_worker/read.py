"""Read: rows of the cache by primary key, as the web tier does it in plain SQL."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from caas_worker.db import Database
from caas_worker.errors import ProfileNotFound
from caas_worker.sql import statements


def read(db: Database, profile_id: UUID) -> dict[str, Any] | None:
    """The cached score, column by column, or None while it has not been computed.

    Raises:
        ProfileNotFound: there is neither a score nor a profile of this id.
    """
    row = read_many(db, [profile_id]).get(profile_id)
    if row is None:
        is_verified(db, profile_id)
    return row


def read_many(
    db: Database, profile_ids: Sequence[UUID], *, patience: float | None = None
) -> Mapping[UUID, dict[str, Any]]:
    """Those of the scores that are cached.

    Args:
        patience: how many seconds to wait for a free connection; None: as long as ever.
    """
    rows = db.look(statements("read")["read"], {"profile_ids": list(profile_ids)}, patience=patience)
    return {row["profile_id"]: row for row in rows}


def is_verified(db: Database, profile_id: UUID, *, patience: float | None = None) -> bool:
    """Whether the profile's identity is verified: without, its score is 0 and nothing needs to be computed.

    Raises:
        ProfileNotFound: there is no profile of this id.
    """
    rows = db.look(statements("read")["verified"], {"profile_id": profile_id}, patience=patience)
    if not rows:
        raise ProfileNotFound(f"There is no profile {profile_id}.")
    return bool(rows[0]["identity_verified"])


def unknown(db: Database, profile_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids no profile has."""
    with db.transaction() as connection:
        rows = connection.execute(statements("read")["unknown"], {"profile_ids": list(profile_ids)}).fetchall()
    return {row[0] for row in rows}
