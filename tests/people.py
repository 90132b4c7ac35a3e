"""Writes an application's rows for tests, as the application would."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from caas_worker.strategies.base import Strategy

Rows = Connection[Any]
LONG_AGO = datetime(2025, 3, 3, 10, tzinfo=UTC)


def add(app: Rows, table: str, **columns: Any) -> Any:
    """Insert one row; returns its id (or its profile_id, where the key is that)."""
    values = {name: Jsonb(value) if isinstance(value, dict | list) and name in JSON else value
              for name, value in columns.items()}  # fmt: skip
    key = {"role_details": "profile_id", "session_transcripts": "booking_id"}.get(table, "id")
    row = app.execute(
        sql.SQL("insert into {} ({}) values ({}) returning {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
            sql.Identifier(key),
        ),
        list(values.values()),
    ).fetchone()
    assert row is not None
    return row[0]


JSON = {"qualifications", "metadata", "turns"}


def add_profile(app: Rows, *roles: str, **columns: Any) -> UUID:
    """A profile, verified unless told otherwise."""
    profile_id: UUID = add(app, "profiles", **{"roles": list(roles), "identity_verified": True, **columns})
    return profile_id


def add_tutor(app: Rows, **columns: Any) -> UUID:
    """A verified tutor."""
    return add_profile(app, "TUTOR", **columns)


def add_client(app: Rows) -> UUID:
    """A verified client."""
    return add_profile(app, "CLIENT")


def add_listing(app: Rows, tutor: UUID) -> UUID:
    """A listing of the tutor's."""
    listing_id: UUID = add(app, "listings", profile_id=tutor, title="Mathematics")
    return listing_id


def add_booking(app: Rows, listing: UUID, client: UUID | None, status: str = "Completed", **columns: Any) -> UUID:
    """A booking of an hour."""
    start = columns.pop("scheduled_start", LONG_AGO)
    booking_id: UUID = add(
        app,
        "bookings",
        listing_id=listing,
        client_id=client,
        status=status,
        scheduled_start=start,
        scheduled_end=start + timedelta(hours=1),
        **columns,
    )
    return booking_id


def add_session(
    app: Rows, listing: UUID, client: UUID | None, at: datetime, *, late: float = 0, early: float = 0, **columns: Any
) -> UUID:
    """A completed session of an hour, begun so many minutes late and ended so many early."""
    times = {
        "actual_start": at + timedelta(minutes=late),
        "actual_end": at + timedelta(hours=1) - timedelta(minutes=early),
    }
    booking_id: UUID = add(
        app,
        "bookings",
        **{
            "listing_id": listing,
            "client_id": client,
            "status": "Completed",
            "scheduled_start": at,
            "scheduled_end": at + timedelta(hours=1),
            **times,
            **columns,
        },
    )
    return booking_id


def add_reschedule(app: Rows, listing: UUID, client: UUID, at: datetime, initiator: str = "tutor") -> UUID:
    """A session that somebody moved."""
    booking_id = add_booking(app, listing, client, "Rescheduled", scheduled_start=at)
    add(app, "reschedules", booking_id=booking_id, initiator=initiator)
    return booking_id


def add_no_show(app: Rows, listing: UUID, client: UUID, at: datetime, by: str = "tutor") -> UUID:
    """A session that somebody missed."""
    return add_booking(app, listing, client, "No-show", scheduled_start=at, no_show_by=by)


def add_event(app: Rows, profile_id: UUID, at: datetime, minutes: float | None = None) -> int:
    """A log-in, or, with its minutes, an answer to a message."""
    event_id: int = add(
        app,
        "platform_events",
        profile_id=profile_id,
        occurred_at=at,
        event_type="login" if minutes is None else "message_response",
        metadata={} if minutes is None else {"response_time_minutes": minutes},
    )
    return event_id


SAID_WELL = {
    "goal": "What are your goals?",
    "encouragement": "Well done!",
    "wrap-up": "Next time we go on.",
}
ANSWER = "I think that it is seven because the brackets come first and then the sum."


def turns(*faults: str) -> list[dict[str, str]]:
    """A first session's transcript: goal 25, confusion 20, share 20, wrap-up 20, encouragement 15, negative 10."""
    tutor = [text for said, text in SAID_WELL.items() if said not in faults]
    if "negative" in faults:
        tutor.append("Hurry up, you are too slow.")
    student = "Yes." if "share" in faults else ANSWER * 3
    if "confusion" in faults:
        student += " I'm lost. I'm stuck. What do you mean?"
    return [
        {"speaker": "tutor", "text": " ".join(["Hello there, my dear student.", *tutor])},
        {"speaker": "student", "text": student},
    ]


def add_transcript(app: Rows, booking: UUID, *faults: str) -> UUID:
    """What was said in a session."""
    add(app, "session_transcripts", booking_id=booking, turns=turns(*faults))
    return booking


def add_review(app: Rows, reviewer: UUID, reviewee: UUID, rating: int, **columns: Any) -> UUID:
    """A review."""
    review_id: UUID = add(app, "profile_reviews", reviewer_id=reviewer, reviewee_id=reviewee, rating=rating, **columns)
    return review_id


def connect_people(app: Rows, source: UUID, target: UUID, kind: str = "SOCIAL", status: str = "ACTIVE") -> UUID:
    """A row of the graph from source to target."""
    edge_id: UUID = add(
        app, "profile_graph", source_profile_id=source, target_profile_id=target, relationship_type=kind, status=status
    )
    return edge_id


def total(app: Rows, profile_id: UUID) -> int | None:
    """The cached total."""
    row = app.execute("select total_score from caas.scores where profile_id = %s", (profile_id,)).fetchone()
    return row[0] if row else None


def marks(app: Rows) -> list[tuple[Any, ...]]:
    """The marks that stand: reason, profile_id, listing_id, deleted, everyone."""
    return app.execute(
        "select reason, profile_id, listing_id, deleted, everyone from caas.changes order by id"
    ).fetchall()


def publish_rules(app: Rows, *strategies: Strategy) -> None:
    """Publish rules, as an earlier start of a worker did; who was marked for them is through."""
    registry = Registry(strategies) if strategies else Registry.installed(Settings())
    app.execute("select caas.publish_rules(%s)", (json.dumps(registry.rules),))
    app.execute("delete from caas.changes where everyone")


def forget_marks(app: Rows) -> None:
    """Take the marks that the set-up made away."""
    app.execute("delete from caas.changes")
