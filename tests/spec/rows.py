"""Application rows that yield the statistics which a case of the specification names, and what scores say of them."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from caas_worker import worker
from caas_worker.pipeline import Line
from tests.people import (
    Rows,
    add,
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_review,
    add_tutor,
    connect_people,
)
from tests.spec.conftest import Published
from tests.spec.tables import cases, rounded

RECORDING = "https://recordings.test/1"

KINDS: dict[str, dict[str, Any]] = {
    "recorded": {"recording_url": RECORDING},
    "unrecorded": {},
    "blank": {"recording_url": "   "},
    "newline": {"recording_url": "\n\t"},
    "labelled paid": {"type": "paid"},
    "free": {"type": "free_help"},
    "free recorded": {"type": "free_help", "recording_url": RECORDING},
    "free pending": {"type": "free_help", "status": "Pending log"},
    "pending": {"status": "Pending log"},
    "pending recorded": {"status": "Pending log", "recording_url": RECORDING},
    "booked": {"status": "Confirmed"},
    "cancelled": {"status": "Cancelled"},
    "rescheduled": {"status": "Rescheduled"},
    "missed": {"status": "No-show"},
}
"""What a table's cell calls a session, and the columns of its booking that differ from a completed paid one's."""

CIRCUMSTANCES: dict[str, dict[str, Any]] = {
    "paid": {"payment_status": "Succeeded"},
    "owed": {"payment_status": "Pending"},
    "failed": {"payment_status": "Failed"},
    "refunded": {"payment_status": "Refunded"},
    "free": {"type": "free_help"},
    "labelled paid": {"type": "paid"},
    "cancelled by client": {"cancelled_by": "client"},
    "cancelled by tutor": {"cancelled_by": "tutor"},
    "missed by client": {"no_show_by": "client"},
    "missed by tutor": {"no_show_by": "tutor"},
}
"""What a table's cell adds to the status of a client's booking."""


def teach(app: Rows, tutor: UUID, sessions: str) -> None:
    """Sessions like "4 recorded, 2 unrecorded with a": with the client a, else with a new client each."""
    listing = add_listing(app, tutor)
    clients: dict[str, UUID] = {}
    for number, kind, client in re.findall(r"(\d+) ([a-z ]+?)(?: with (\w+))?(?:, |$)", sessions):
        for _ in range(int(number)):
            if client:
                clients.setdefault(client, add_client(app))
            add_booking(app, listing, clients[client] if client else add_client(app), **KINDS[kind])


def teach_so_that(app: Rows, tutor: UUID, *, completed: int, retention: float, recorded: int = 0) -> None:
    """Completed paid sessions with this share of clients who booked again; the first `recorded` have a recording."""
    kinds = (KINDS["recorded"] if number < recorded else {} for number in count())
    listing = add_listing(app, tutor)
    for visits in visits_per_client(completed, Fraction(str(retention))):
        client = add_client(app)
        for _ in range(visits):
            add_booking(app, listing, client, **next(kinds))


def visits_per_client(completed: int, retention: Fraction) -> list[int]:
    """So many sessions, shared among the fewest clients of whom this share came more than once."""
    if not retention:
        return [1] * completed
    again = retention.numerator
    visits = [2] * again + [1] * (retention.denominator - again)
    assert sum(visits) <= completed, f"{completed} sessions can't have a retention of {retention}"
    visits[0] += completed - sum(visits)
    return visits


def rate_so_that(app: Rows, tutor: UUID, mean: float) -> None:
    """The fewest whole ratings with this mean; none for 0."""
    exact = Fraction(str(mean))
    low, high_ones = divmod(exact.numerator, exact.denominator)
    for number in range(exact.denominator if mean else 0):
        add_review(app, add_client(app), tutor, low + (number < high_ones))


def review(app: Rows, profile: UUID, ratings: str) -> None:
    """Ratings like "5, tutor 4, own 5", each by another client unless it is a tutor's or the profile's own."""
    for whose, stars in re.findall(r"(own |tutor )?(\d)", ratings):
        reviewer = profile if whose == "own " else add_profile(app, "TUTOR" if whose else "CLIENT")
        add_review(app, reviewer, profile, int(stars))


def book(app: Rows, client: UUID, bookings: str, start: datetime | None = None) -> None:
    """Bookings of the client's like "3 Completed + paid, 1 Cancelled + cancelled by client"; yesterday unless told."""
    listing = add_listing(app, add_tutor(app))
    for number, described in re.findall(r"(\d+) ([^,]+)", bookings):
        status, *circumstances = (word.strip() for word in described.split("+"))
        columns = {"status": status, "scheduled_start": start or datetime.now(UTC) - timedelta(days=1)}
        for circumstance in circumstances:
            columns |= CIRCUMSTANCES[circumstance]
        for _ in range(int(number)):
            add_booking(app, listing, client, **columns)


def answer(app: Rows, profile: UUID, minutes: str, at: datetime | None = None, event: str = "message_response") -> None:
    """An event, yesterday's unless told otherwise, whose time to answer is this JSON, as it is written here."""
    app.execute(
        "insert into platform_events (profile_id, event_type, occurred_at, metadata) values (%s, %s, %s, %s::jsonb)",
        (profile, event, at or datetime.now(UTC) - timedelta(days=1), f'{{"response_time_minutes": {minutes}}}'),
    )


def recruit(app: Rows, agent: UUID, recruits: str) -> list[UUID]:
    """Others like "2 TUTOR, 1 Client+Tutor PENDING": so many profiles of these roles, and how a referral leads there.

    old: gained 91 days ago; again: a second referral, of today; asked: one that is PENDING, 91 days old; SOCIAL: no
    referral; back: from the other to the agent; unverified: the other's identity.
    """
    others = []
    long_ago: dict[str, Any] = {"created_at": datetime.now(UTC) - timedelta(days=91)}
    for number, roles, words in re.findall(r"(\d+) (\S+?)((?: \w+)*)(?:, |$)", recruits):
        said = set(words.split())
        for _ in range(int(number)):
            other = add_profile(app, *roles.split("+"), identity_verified="unverified" not in said)
            ends = (other, agent) if "back" in said else (agent, other)
            kind = "SOCIAL" if "SOCIAL" in said else "AGENT_REFERRAL"
            status = next(iter(said & {"PENDING", "BLOCKED"}), "ACTIVE")
            refer(app, *ends, relationship_type=kind, status=status, **(long_ago if "old" in said else {}))
            if "again" in said:
                refer(app, agent, other)
            if "asked" in said:
                refer(app, agent, other, status="PENDING", **long_ago)
            others.append(other)
    return others


def refer(app: Rows, source: UUID, target: UUID, **columns: Any) -> UUID:
    """A referral, active and of now unless told otherwise."""
    ends = {"source_profile_id": source, "target_profile_id": target}
    edge: UUID = add(
        app, "profile_graph", **ends, **({"relationship_type": "AGENT_REFERRAL", "status": "ACTIVE"} | columns)
    )
    return edge


def relate(app: Rows, me: UUID, edges: str) -> None:
    """Edges like "SOCIAL me>1..10, SOCIAL 1>me, AGENT_REFERRAL 2>me PENDING"; numbers are other profiles."""
    others: dict[int, UUID] = {}

    def people(end: str) -> Iterable[UUID]:
        if end == "me":
            return [me]
        first, _, last = end.partition("..")
        return [
            others.setdefault(number, add_profile(app, "STAFF")) for number in range(int(first), int(last or first) + 1)
        ]

    for kind, source, target, status in re.findall(r"(\w+) (\S+?)>([\w.]+)(?: (\w+))?", edges):
        for one in people(source):
            for other in people(target):
                connect_people(app, one, other, kind, status or "ACTIVE")


def link(app: Rows, tutor: UUID, tools: str) -> None:
    """Connected tools like "GOOGLE_CALENDAR, GOOGLE_CLASSROOM off"."""
    for tool, off in re.findall(r"(\w+)( off)?(?:, |$)", tools):
        add(app, "student_integration_links", profile_id=tutor, integration_type=tool, is_active=not off)


def check(published: Published, table: str, write: Callable[..., UUID], bucket: str, **always: Any) -> None:
    """Write the profile of each case, score them all at once, compare what each table line expects.

    A column means the bucket's `points`, something of the breakdown, a statistic, or a column of the row; None: it is
    absent. A name in `always` is expected of every line.
    """
    profiles = {case.name: write(**case.given) for case in cases(table)}
    expected = {case.name: case.expected | always for case in cases(table)}
    wrong = {}
    for name, profile in profiles.items():
        score = published(profile)
        points = score["score_breakdown"]
        facts = score | score["score_inputs"] | points | {"points": points[bucket]}
        seen = {column: rounded(facts.get(column)) for column in expected[name]}
        if seen != expected[name]:
            wrong[name] = {"seen": seen, "expected": expected[name]}
    assert not wrong, wrong


def score_at(app: Rows, line: Line, profile: UUID, moment: datetime) -> dict[str, Any]:
    """The profile's row, computed as if it were this moment, in a session whose time zone has summer time."""

    def clock(connection: Rows) -> datetime:
        connection.execute("set local time zone 'Pacific/Auckland'")
        return moment

    app.execute("select caas.enqueue(array[%s], 'test')", (profile,))
    assert worker.drain(replace(line, clock=clock), batch_size=100).failed == 0
    query = "select * from caas.scores where profile_id = %s"
    row = app.cursor(row_factory=dict_row).execute(query, (profile,)).fetchone()
    assert row is not None
    return row


def changes_in_time(app: Rows, line: Line, profile: UUID, moment: datetime, bucket: str) -> list[tuple[datetime, Any]]:
    """From this moment on, each time that next_due_at names, and the bucket's points then."""
    history = []
    while due := score_at(app, line, profile, moment)["next_due_at"]:
        assert due > moment
        moment = due
        history.append((moment, rounded(score_at(app, line, profile, moment)["score_breakdown"][bucket])))
    return history
