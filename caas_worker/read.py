"""Read: one row of the cache by primary key, as the web tier does it in plain SQL."""

from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from caas_worker.db import Database
from caas_worker.errors import ProfileNotFound
from caas_worker.sql import statements


def read(db: Database, profile_id: UUID) -> dict[str, Any] | None:
    """The cached score, column by column, or None while it has not been computed.

    Raises:
        ProfileNotFound: there is neither a score nor a profile of this id.
    """
    queries = statements("read")
    with db.transaction() as connection:
        row = connection.cursor(row_factory=dict_row).execute(queries["read"], {"profile_id": profile_id}).fetchone()
        if row is None:
            known = connection.execute(queries["profile_exists"], {"profile_id": profile_id}).fetchone()
            if not (known and known[0]):
                raise ProfileNotFound(f"There is no profile {profile_id}.")
    return row
