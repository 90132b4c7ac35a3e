"""Thresholds: tutors whose reschedule risk is judged by another rate than 15 per cent (scoring 7)."""

from uuid import UUID

from caas_worker.db import Database
from caas_worker.errors import ProfileNotFound, SettingsError
from caas_worker.sql import statements


def set_threshold(db: Database, profile_id: UUID, rate: float, actor: str) -> None:
    """Judge a tutor by this rate, in per cent, from the next computation on, which is marked at once.

    Raises:
        SettingsError: the rate is not 0 to 100, or nobody is named.
        ProfileNotFound: there is no such profile, or it is no tutor's.
    """
    if not 0 <= rate <= 100:
        raise SettingsError(f"A threshold is 0 to 100 per cent, not {rate:g}.")
    if not actor.strip():
        raise SettingsError("Say who sets the threshold.")
    if not _change(db, "set", {"profile_id": profile_id, "rate": rate, "actor": actor.strip()}):
        raise ProfileNotFound(f"There is no tutor {profile_id}.")


def clear_threshold(db: Database, profile_id: UUID) -> bool:
    """Judge a tutor by 15 per cent again; returns whether there was another threshold."""
    return _change(db, "clear", {"profile_id": profile_id})


def _change(db: Database, statement: str, parameters: dict[str, object]) -> bool:
    with db.transaction() as connection:
        return connection.execute(statements("thresholds")[statement], parameters).fetchone() is not None
