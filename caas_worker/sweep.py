"""Sweep: profiles whose score time alone changes are marked when that time has come."""

from datetime import datetime

from caas_worker.db import Database
from caas_worker.sql import statements


def sweep(db: Database, max_profiles: int, as_of: datetime | None = None) -> int:
    """Mark up to so many profiles whose next_due_at has come, at time priority; returns how many.

    Each due time is marked once, however often and by however many workers this is called.

    Args:
        as_of: another time than the database's now.
    """
    with db.transaction() as connection:
        row = connection.execute(
            statements("sweep")["sweep"], {"max_profiles": max_profiles, "as_of": as_of}
        ).fetchone()
    assert row is not None
    return int(row[0])


def due(db: Database) -> int:
    """How many profiles have fallen due and are not marked yet."""
    with db.transaction() as connection:
        row = connection.execute(statements("sweep")["due"]).fetchone()
    assert row is not None
    return int(row[0])
