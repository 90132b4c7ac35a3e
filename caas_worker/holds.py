"""Holds: a score pinned by hand, with who and why; the rule goes on computing underneath."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from caas_worker.db import Database
from caas_worker.errors import HoldRefused, ProfileNotFound
from caas_worker.sql import statements


def hold(
    db: Database,
    profile_id: UUID,
    score: int,
    *,
    reason: str,
    actor: str,
    seconds: float | None = None,
    follow: bool = True,
) -> int:
    """Publish this score instead of the computed one; a hold that stands is replaced.

    Args:
        score: 0 to 100.
        seconds: after which the hold ends by itself; None: never.
        follow: whether profiles.caas_score shall follow.

    Returns:
        The generation of the computation that it also asks for.

    Raises:
        ProfileNotFound: there is no such profile.
        HoldRefused: a score out of range, an end that is past, or no reason or actor.
    """
    if not 0 <= score <= 100:
        raise HoldRefused("A score is 0 to 100.")
    if not reason.strip() or not actor.strip():
        raise HoldRefused("A hold needs a reason and the name of who sets it.")
    if seconds is not None and not seconds > 0:
        raise HoldRefused("A hold has to end in the future.")
    generation = _ask(
        db,
        statements("holds")["hold"],
        {
            "profile_id": profile_id,
            "score": score,
            "reason": reason.replace("\0", ""),
            "actor": actor.replace("\0", ""),
            "seconds": seconds,
            "follow": follow,
        },
    )
    if generation is None:
        raise ProfileNotFound(f"There is no profile {profile_id}.")
    return generation


def release(db: Database, profile_id: UUID, *, actor: str, follow: bool = True) -> int | None:
    """End the hold of a profile: what the rule computed is its score again.

    Returns:
        The generation of the computation that it also asks for; None where no hold stands.
    """
    if not actor.strip():
        raise HoldRefused("The name of who releases it is needed.")
    query = statements("holds")["release"]
    return _ask(db, query, {"profile_id": profile_id, "actor": actor.replace("\0", ""), "follow": follow})


def holds(db: Database, profile_id: UUID | None = None, *, most: int = 1_000) -> Sequence[dict[str, Any]]:
    """The holds that stand, or everything that was ever pinned on one profile; the newest first."""
    with db.transaction() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(statements("holds")["holds"], {"profile_id": profile_id, "most": most}).fetchall()


def _ask(db: Database, statement: bytes, parameters: dict[str, Any]) -> int | None:
    with db.transaction() as connection:
        row = connection.execute(statement, parameters).fetchone()
    return row[0] if row else None
