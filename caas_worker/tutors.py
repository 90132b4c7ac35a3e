"""Tutors: their figures as the line publishes them, in lists and one by one; alerts, acknowledged and resolved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import ClientCursor
from psycopg.rows import DictRow, dict_row

from caas_worker.db import Database
from caas_worker.errors import AlertNotFound, AlertResolved, TutorNotFound
from caas_worker.sql import statements

LIST_SHARE = 1 / 3
"""How much of the statement timeout a list may take."""
ALERTS_OF_A_DETAIL = 100
WINDOWS = ("7day", "30day", "90day")

HEX = frozenset("0123456789abcdef")
DIGITS_OF_A_UUID = 32


@dataclass(frozen=True, slots=True)
class Listing:
    """Which tutors a list shows, and in which order."""

    high_risk: bool | None = None
    """None: all."""
    search: str = ""
    """What the id begins with, with or without hyphens."""
    sort_by: str = "reschedule_rate_30d"
    """A column of the statement `listed`."""
    descending: bool = True
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: list[DictRow]
    total: int
    """Of the whole list."""


def listed(db: Database, listing: Listing, *, patience: float | None = None) -> Page:
    """A page of tutors; those without the figure that sorts come last, those with the same by id."""
    span = _span(listing.search)
    if span is None:
        return Page([], 0)
    matching = {"first": span[0], "last": span[1], "high_risk": listing.high_risk}
    order = {"sort_by": listing.sort_by, "descending": listing.descending}
    page = {"most": listing.limit, "skipped": listing.offset}
    return _page(db, "listed", matching | order | page, matching, patience)


def ranked(db: Database, limit: int, offset: int, *, patience: float | None = None) -> Page:
    """A page of the risk list (scoring 10): parts that are None count as 30 (FSRS), 65 (THS) and 0.4 (TCRS)."""
    everyone = {"first": UUID(int=0), "last": UUID(int=2**128 - 1), "high_risk": None}
    return _page(db, "ranked", {"most": limit, "skipped": offset}, everyone, patience)


def detail(db: Database, profile_id: UUID, *, patience: float | None = None) -> dict[str, Any]:
    """Everything of one tutor: the row of the list, scores, newest metrics, active alerts, summary.

    Raises:
        TutorNotFound: there is no such tutor.
    """
    page = listed(db, Listing(search=str(profile_id), limit=1), patience=patience)
    if not page.items:
        raise _missing(profile_id)
    summaries = _of(db, profile_id, "summary", {}, patience)
    return page.items[0] | {
        "scores": _of(db, profile_id, "scores", {}, patience),
        "metrics": _of(db, profile_id, "metrics", {"windows": list(WINDOWS)}, patience),
        "alerts": _of(db, profile_id, "alerts", {"ended": False, "most": ALERTS_OF_A_DETAIL}, patience),
        "summary": summaries[0] if summaries else None,
    }


def scores(db: Database, profile_id: UUID, *, patience: float | None = None) -> Sequence[DictRow]:
    """Health, churn risk and reschedule risk.

    Raises:
        TutorNotFound: there is no such tutor.
    """
    return _of_a_tutor(db, profile_id, "scores", {}, patience)


def metrics(
    db: Database, profile_id: UUID, windows: Sequence[str], *, patience: float | None = None
) -> Sequence[DictRow]:
    """Metrics of the newest calculation day of each of these windows.

    Raises:
        TutorNotFound: there is no such tutor.
    """
    return _of_a_tutor(db, profile_id, "metrics", {"windows": list(windows)}, patience)


def alerts(
    db: Database, profile_id: UUID, ended: bool, limit: int, *, patience: float | None = None
) -> Sequence[DictRow]:
    """The newest alerts: active ones, or those that ended as well.

    Raises:
        TutorNotFound: there is no such tutor.
    """
    return _of_a_tutor(db, profile_id, "alerts", {"ended": ended, "most": limit}, patience)


def summary(db: Database, profile_id: UUID, *, patience: float | None = None) -> DictRow | None:
    """The newest sessions in words; None: nothing is written yet.

    Raises:
        TutorNotFound: there is no such tutor.
    """
    rows = _of_a_tutor(db, profile_id, "summary", {}, patience)
    return rows[0] if rows else None


def history(
    db: Database,
    profile_id: UUID,
    days: int,
    limit: int,
    zone: str,
    as_of: datetime | None = None,
    *,
    patience: float | None = None,
) -> tuple[Sequence[DictRow], Sequence[DictRow]]:
    """Weeks and days of a tutor, the oldest first.

    Args:
        days: weeks are those that ended at most so many days ago; days are the last so many, today included.
        limit: at most so many weeks, the newest.
        zone: the time zone that says what today is.
        as_of: the time to look from; None: now.

    Returns:
        Closed weeks, Monday to Sunday, from the first with a session on, without gaps; days with sessions.

    Raises:
        TutorNotFound: there is no such tutor.
    """
    span = {"days": days, "zone": zone, "as_of": as_of}
    weeks = _of_a_tutor(db, profile_id, "weeks", {**span, "most": limit}, patience)
    return weeks, _of(db, profile_id, "daily", span, patience)


def acknowledge(db: Database, alert_id: UUID, actor: str, *, patience: float | None = None) -> DictRow:
    """Take notice of an alert; one that somebody took notice of stays as it is.

    Raises:
        AlertNotFound: there is no such alert.
        AlertResolved: it has ended.
    """
    alert = _change(db, "acknowledge", alert_id, actor, patience)
    if alert["status"] == "resolved":
        raise AlertResolved
    return alert


def resolve(db: Database, alert_id: UUID, actor: str, *, patience: float | None = None) -> DictRow:
    """End an alert; one that has ended stays as it is.

    Raises:
        AlertNotFound: there is no such alert.
    """
    return _change(db, "resolve", alert_id, actor, patience)


def _span(beginning: str) -> tuple[UUID, UUID] | None:
    """The first and the last id that begin like this; None: none does."""
    digits = beginning.strip().replace("-", "").lower()
    if len(digits) > DIGITS_OF_A_UUID or not HEX.issuperset(digits):
        return None
    return UUID(digits.ljust(DIGITS_OF_A_UUID, "0")), UUID(digits.ljust(DIGITS_OF_A_UUID, "f"))


def _page(
    db: Database,
    name: str,
    parameters: dict[str, Any],
    matching: dict[str, Any],
    patience: float | None,
) -> Page:
    queries = statements("tutors")
    with db.transaction(lazily=True, share_of_timeout=LIST_SHARE, patience=patience) as connection:
        connection.execute(queries["without_jit"])
        # parameters as literals: what they make superfluous is not planned
        cursor = ClientCursor(connection, row_factory=dict_row)
        items = cursor.execute(queries[name], parameters).fetchall()
        total = cursor.execute(queries["counted"], matching).fetchone()
    return Page(items, total["total"] if total else 0)


def _of_a_tutor(
    db: Database, profile_id: UUID, name: str, parameters: dict[str, Any], patience: float | None
) -> list[DictRow]:
    rows = _of(db, profile_id, name, parameters, patience)
    if not rows and not _of(db, profile_id, "known", {}, patience):
        raise _missing(profile_id)
    return rows


def _of(db: Database, profile_id: UUID, name: str, parameters: dict[str, Any], patience: float | None) -> list[DictRow]:
    return db.look(statements("tutors")[name], {"profile_id": profile_id, **parameters}, patience=patience)


def _missing(profile_id: UUID) -> TutorNotFound:
    return TutorNotFound(f"There is no tutor {profile_id}, or nothing is computed for them yet.")


def _change(db: Database, name: str, alert_id: UUID, actor: str, patience: float | None) -> DictRow:
    queries = statements("tutors")
    with db.transaction(patience=patience) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        cursor.execute(queries[name], {"alert_id": alert_id, "actor": actor})
        alert = cursor.execute(queries["alert"], {"alert_id": alert_id}).fetchone()
    if alert is None:
        raise AlertNotFound(f"There is no alert {alert_id}.")
    return alert
