"""Sessions: the one place where the product writes the application's tables, for callers and under a role of its own.

The role caas_sessions may write sessions and nothing else, and the worker's own role may not: whoever holds a worker's
password writes no session unless somebody granted caas_sessions to it.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection, errors
from psycopg.rows import TupleRow, dict_row

from caas_worker.db import Database
from caas_worker.errors import (
    DatabaseError,
    DuplicateSession,
    InvalidRequest,
    SessionCompleted,
    SessionEnded,
    SessionNotFound,
    SessionsNotGranted,
)
from caas_worker.sql import statements

ENDED = ("Cancelled", "Rescheduled", "No-show")
REFUSING = ("22", "23", "P0")
"""SQLSTATE classes of values that a table, or a trigger of the application's, does not take."""


@dataclass(frozen=True, slots=True)
class Reschedule:
    """How a session was rescheduled, in the application's words."""

    initiator: str
    original_time: datetime
    new_time: datetime | None
    reason: str | None
    reason_code: str | None
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Completion:
    """What is known of a session that took place; None: nothing."""

    actual_start: datetime
    actual_end: datetime | None = None
    engagement_score: float | None = None
    learning_objectives_met: bool | None = None
    tech_issue: bool | None = None
    recording_url: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A booking, in the application's words."""

    session_id: UUID
    tutor_id: UUID
    listing_id: UUID | None
    """None: the tutor's listing with the smallest id."""
    student_id: UUID
    status: str
    type: str | None
    scheduled_start: datetime
    scheduled_end: datetime
    actual_start: datetime | None
    actual_end: datetime | None
    no_show_by: str | None
    session_number: int | None
    tech_issue: bool
    engagement_score: float | None
    learning_objectives_met: bool | None
    recording_url: str | None


def add(db: Database, session: Session, reschedule: Reschedule | None, *, patience: float | None = None) -> None:
    """Write a session, and how it was rescheduled, in one transaction.

    Raises:
        InvalidRequest: there is no such tutor, listing or student; the application's tables refuse the values.
        DuplicateSession: there is a session with this id.
        SessionsNotGranted: the database does not let this login write sessions.
    """
    queries = statements("sessions")
    values = dataclasses.asdict(session)
    with _for_the_application(db, patience) as connection:
        _check_people(connection, session)
        listing = connection.execute(queries["listing"], values).fetchone()
        if listing is None and session.listing_id:
            raise InvalidRequest("This tutor has no such listing.", "body.listing_id")
        if listing is None:
            raise InvalidRequest("This tutor has no listing.", "body.tutor_id")
        added = connection.execute(
            queries["add_session"], values | {"listing_id": listing[0], "client_id": session.student_id}
        ).fetchone()
        if added is None:
            raise DuplicateSession(f"There is a session {session.session_id} already.", "body.session_id")
        if reschedule:
            connection.execute(
                queries["add_reschedule"], dataclasses.asdict(reschedule) | {"session_id": session.session_id}
            )


def complete(db: Database, session_id: UUID, completion: Completion, *, patience: float | None = None) -> None:
    """Record that a session took place. To a completed one what was not known is added; what was stays.

    Raises:
        SessionNotFound: there is no such session.
        SessionEnded: it was cancelled, rescheduled or missed.
        SessionCompleted: it was completed with other values.
        InvalidRequest: it would end before it began; the application's tables refuse the values.
        SessionsNotGranted: the database does not let this login write sessions.
    """
    queries = statements("sessions")
    with _for_the_application(db, patience) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        recorded = cursor.execute(queries["session"], {"session_id": session_id}).fetchone()
        if recorded is None:
            raise SessionNotFound(f"There is no session {session_id}.")
        if recorded["status"] in ENDED:
            raise SessionEnded
        told = {name: value for name, value in dataclasses.asdict(completion).items() if value is not None}
        if recorded["status"] == "Completed":
            if any(recorded[name] not in (None, value) for name, value in told.items()):
                raise SessionCompleted
            if all(recorded[name] is not None for name in told):
                return
        end = completion.actual_end or recorded["actual_end"]
        if end is not None and end <= completion.actual_start:
            raise InvalidRequest("A session ends after it began.", "body.actual_end")
        cursor.execute(queries["complete"], {**dataclasses.asdict(completion), "session_id": session_id})


def _check_people(connection: Connection[TupleRow], session: Session) -> None:
    people = {"tutor_id": session.tutor_id, "student_id": session.student_id}
    rows = connection.execute(statements("sessions")["people"], {"profile_ids": list(people.values())}).fetchall()
    for field, profile_id in people.items():
        if (profile_id,) not in rows:
            raise InvalidRequest(f"There is no profile {profile_id}.", f"body.{field}")


@contextlib.contextmanager
def _for_the_application(db: Database, patience: float | None) -> Iterator[Connection[TupleRow]]:
    try:
        with db.transaction(patience=patience, for_application=True) as connection:
            try:
                connection.execute(statements("sessions")["write_for_the_application"])
            except (errors.InvalidParameterValue, errors.InsufficientPrivilege):
                raise SessionsNotGranted(
                    "Sessions can't be written. Run: caas-worker migrate up; then, as who may grant it: "
                    f'grant caas_sessions to "{connection.info.user}"'
                ) from None
            yield connection
    except DatabaseError as error:
        if error.sqlstate == errors.InsufficientPrivilege.sqlstate:
            raise SessionsNotGranted(f"caas_sessions lacks grants: {error}. Run: caas-worker migrate up") from error
        if error.sqlstate and error.sqlstate.startswith(REFUSING):
            raise InvalidRequest("The application's tables refuse these values.") from error
        raise
