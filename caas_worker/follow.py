"""Follow: profiles.caas_score takes over the totals of the cache, without ever waiting for the application."""

import logging
from collections.abc import Sequence
from uuid import UUID

from caas_worker.db import Database
from caas_worker.errors import DatabaseError, impersonal
from caas_worker.sql import statements

LEFT_OVER_AT_ONCE = 1_000

log = logging.getLogger(__name__)


def applies(db: Database) -> bool:
    """Whether this database has the column profiles.caas_score."""
    with db.transaction(lazily=True) as connection:
        row = connection.execute(statements("follow")["has_column"]).fetchone()
    return bool(row and row[0])


def follow(db: Database, profile_ids: Sequence[UUID] | None) -> int:
    """Copy the totals of these profiles, or (None) of those that are still listed from before.

    A refusal, for instance by a trigger of the application's, is logged: the score stands in the cache, the profile
    stays listed, and the line goes on.

    Returns:
        How many rows were written.
    """
    queries = statements("follow")
    try:
        with db.transaction(lazily=True) as connection:
            connection.execute(queries["brief"])
            row = connection.execute(
                queries["follow"],
                {
                    "profile_ids": list(profile_ids) if profile_ids is not None else None,
                    "max_profiles": LEFT_OVER_AT_ONCE,
                },
            ).fetchone()
    except DatabaseError as error:
        log.warning("profiles.caas_score could not follow, it will be tried again: %s", impersonal(error))
        return 0
    assert row is not None
    return int(row[0])
