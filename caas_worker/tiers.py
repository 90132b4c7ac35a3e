"""Tiers: when a tutor's tier changed, and which metrics changed it (scoring 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from caas_worker.db import Database
from caas_worker.sql import statements

BOUNDS = {
    "avg_rating": ("4.5 and above", "below 3.5"),
    "first_session_success_rate": ("85 and above", "below 70"),
    "reschedule_rate": ("10 and below", "above 15"),
    "no_show_count": ("0", "above 3, or above 5 % of at least 20 sessions"),
    "engagement_score": ("80 and above", "below 60"),
    "learning_objectives_met_pct": ("90 and above", "below 80"),
}
"""By metric: when its flag is green, and when it is red."""


@dataclass(frozen=True, slots=True)
class TierChange:
    """A day whose tier is another than that of the day before it."""

    day: date
    before: str | None
    after: str | None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Metrics whose flag changed: before and after, each with value and flag."""


def changes(db: Database, profile_id: UUID, window: str = "30day", days: int = 90) -> list[TierChange]:
    """How the tier of a window moved in the last so many calculation days, the newest first."""
    with db.transaction() as connection:
        rows = (
            connection.cursor(row_factory=dict_row)
            .execute(statements("tiers")["days"], {"profile_id": profile_id, "time_window": window, "days": days})
            .fetchall()
        )
    return changes_between(rows)


def changes_between(rows: Sequence[Mapping[str, Any]]) -> list[TierChange]:
    """The changes along rows of one window, the oldest first."""
    found = []
    for old, new in pairwise(rows):
        if old["performance_tier"] == new["performance_tier"]:
            continue
        moved = {
            name: {"before": _side(old, name), "after": _side(new, name)}
            for name in BOUNDS
            if old["flags"].get(name) != new["flags"].get(name)
        }
        found.append(TierChange(new["calculation_date"], old["performance_tier"], new["performance_tier"], moved))
    return found[::-1]


def _side(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = row[name]
    return {"value": None if value is None else float(value), "flag": row["flags"].get(name)}
