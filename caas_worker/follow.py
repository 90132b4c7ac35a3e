"""Follow: profiles.caas_score takes over the totals of the cache, without ever waiting for the application."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from caas_worker.db import Database
from caas_worker.errors import DatabaseError, impersonal
from caas_worker.sql import statements

LEFT_OVER_AT_ONCE = 1_000
UNDEFINED_COLUMN = "42703"
PUT_OFF = "profiles.caas_score could not follow, it will be tried again: %s"

log = logging.getLogger(__name__)


def applies(db: Database) -> bool:
    """Whether this database has the column profiles.caas_score."""
    with db.transaction(lazily=True) as connection:
        row = connection.execute(statements("follow")["has_column"]).fetchone()
    return bool(row and row[0])


@dataclass
class Follower:
    """Copies totals to profiles.caas_score, until that column is gone."""

    db: Database
    is_on: bool

    def follow(self, profile_ids: Sequence[UUID] | None) -> int:
        """Copy the totals of these profiles, or (None) of those that are still listed from before.

        A row that the application's constraints, triggers or rules do not let be written is that row's own affair: it
        stays listed, the log says why, and the others are written. A column that is gone ends the following.

        Returns:
            How many rows were written.
        """
        if not self.is_on:
            return 0
        wanted = self._left_over() if profile_ids is None else list(profile_ids)
        return self._copy(wanted) if wanted else 0

    def _left_over(self) -> list[UUID]:
        queries = statements("follow")
        try:
            with self.db.transaction(lazily=True) as connection:
                connection.execute(queries["brief"])
                rows = connection.execute(queries["left_over"], {"most": LEFT_OVER_AT_ONCE}).fetchall()
        except DatabaseError as error:
            log.warning(PUT_OFF, impersonal(error))
            return []
        return [row[0] for row in rows]

    def _copy(self, profile_ids: list[UUID]) -> int:
        """Copy them together, and where a row makes that fail, in halves."""
        try:
            followed, refused = self._try(profile_ids)
        except DatabaseError as error:
            if error.sqlstate == UNDEFINED_COLUMN and not applies(self.db):
                self.is_on = False
                log.warning("profiles.caas_score is gone: no longer followed until the next start")
                return 0
            if not error.may_be_one_profile:
                log.warning(PUT_OFF, impersonal(error))
                return 0
            if len(profile_ids) > 1:
                middle = len(profile_ids) // 2
                return self._copy(profile_ids[:middle]) + self._copy(profile_ids[middle:])
            log.warning("profiles.caas_score refuses a row, it will be tried again: %s", impersonal(error))
            self._put_off(profile_ids)
            return 0
        if refused:
            log.warning(
                "profiles.caas_score: %d rows were not taken, it will be tried again: a trigger or rule of the "
                "application's keeps what was there",
                refused,
            )
        return followed

    def _try(self, profile_ids: list[UUID]) -> tuple[int, int]:
        queries = statements("follow")
        with self.db.transaction(lazily=True) as connection:
            connection.execute(queries["brief"])
            row = connection.execute(queries["follow"], {"profile_ids": profile_ids}).fetchone()
        assert row is not None
        return row[0], row[1]

    def _put_off(self, profile_ids: list[UUID]) -> None:
        """List them behind all others, so that those who can be written are."""
        with self.db.transaction(lazily=True) as connection:
            connection.execute(statements("follow")["put_off"], {"profile_ids": profile_ids})


def follow(db: Database, profile_ids: Sequence[UUID] | None) -> int:
    """Copy totals once: see Follower."""
    return Follower(db, is_on=True).follow(profile_ids)
