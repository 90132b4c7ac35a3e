"""Warm-up: the tutors whom most clients look at are marked first, for instance before everyone is."""

from caas_worker.db import Database
from caas_worker.errors import SettingsError
from caas_worker.sql import statements

MOST = 1_000_000


def warmup(db: Database, top: int) -> int:
    """Mark so many tutors, those with most bookings that began in the last 30 days, at backfill priority.

    Cancelled bookings count, too: they are interest all the same. Tutors without any booking are not marked.

    Returns:
        How many were marked.

    Raises:
        SettingsError: `top` is not 1 to MOST.
    """
    if not 1 <= top <= MOST:
        raise SettingsError(f"--top is 1 to {MOST:,}, not {top}.")
    with db.transaction() as connection:
        connection.execute(statements("warmup")["patience"])
        row = connection.execute(statements("warmup")["warmup"], {"top": top}).fetchone()
    assert row is not None
    return int(row[0])
