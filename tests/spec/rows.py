"""Application rows that yield the statistics which a case of the specification names."""

import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import count
from typing import Any
from uuid import UUID

from tests.people import (
    Rows,
    add,
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_review,
    connect_people,
)

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


def review(app: Rows, tutor: UUID, ratings: str) -> None:
    """Ratings like "5, 4, own 5", each by another client unless it is the tutor's own."""
    for own, stars in re.findall(r"(own )?(\d)", ratings):
        add_review(app, tutor if own else add_client(app), tutor, int(stars))


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
