"""What users of the application do: one function per kind of transaction, each ending in a sentence and a profile.

Whatever a kind needs (a session to cancel, a review to delete) it takes where there is one and makes where there is
none, so that every kind can happen at any time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from caas_worker.marketplace.scene import Person, Scene, short_name
from caas_worker.marketplace.vocabulary import COMPLAINTS, PRAISE

Told = tuple[str, UUID]


@dataclass(frozen=True)
class Kind:
    """A kind of transaction: how often it happens beside the others, what it does, whether it is rolled back."""

    weight: int
    act: Callable[[Scene], Told]
    rolled_back: bool = False


@dataclass(frozen=True)
class Session:
    """A booking that a transaction has in hand."""

    id: UUID
    client: Person


def _book(scene: Scene, tutor: Person, *, minutes_ahead: int) -> Session:
    client = scene.client(of=tutor)
    (booking,) = scene.send(
        "book",
        listing=scene.dice.choice(tutor.listings),
        client=client.id,
        type=scene.dice.choice(["paid", "paid", "paid", "paid", None, "free_help"]),
        minutes_ahead=minutes_ahead,
    )
    return Session(booking, client)


def _find(scene: Scene, statement: str, tutor: Person) -> Session | None:
    row = scene.send(statement, listings=list(tutor.listings), tutor=tutor.id)
    return row and Session(row[0], Person(row[1], short_name(row[2])))


def _due(scene: Scene, tutor: Person) -> Session:
    return _find(scene, "due_session", tutor) or _book(scene, tutor, minutes_ahead=-60)


def _coming(scene: Scene, tutor: Person) -> Session:
    return _find(scene, "coming_session", tutor) or _book(scene, tutor, minutes_ahead=scene.dice.randrange(60, 20_000))


def _complete(scene: Scene, tutor: Person, *, recorded: bool) -> Session:
    session = _due(scene, tutor)
    scene.send(
        "complete",
        booking=session.id,
        minutes_late=max(0, scene.dice.randrange(-20, 10)),
        recording_url=f"https://recordings.example.com/{session.id}" if recorded else None,
        engagement=scene.dice.randrange(40, 101) / 100,
        objectives_met=scene.dice.random() < 0.9,
    )
    return session


def _review(scene: Scene, tutor: Person) -> tuple[Session, int, UUID]:
    session = _find(scene, "unreviewed_session", tutor) or _complete(scene, tutor, recorded=False)
    rating = scene.dice.choice([5, 5, 5, 5, 5, 4, 4, 3, 2, 1])
    (review,) = scene.send(
        "review",
        reviewer=session.client.id,
        reviewee=tutor.id,
        booking=session.id,
        rating=rating,
        comment=scene.dice.choice(PRAISE if rating >= 4 else COMPLAINTS),
    )
    return session, rating, review


def post_review(scene: Scene) -> Told:
    tutor = scene.tutor()
    session, rating, _ = _review(scene, tutor)
    return f"{session.client.name} reviewed {tutor.name}: {_stars(rating)}", tutor.id


def book_session(scene: Scene) -> Told:
    tutor = scene.tutor()
    session = _book(scene, tutor, minutes_ahead=scene.dice.randrange(60, 20_000))
    return f"{session.client.name} booked a session with {tutor.name}", tutor.id


def complete_session(scene: Scene) -> Told:
    tutor = scene.tutor()
    recorded = scene.dice.random() < 0.6
    session = _complete(scene, tutor, recorded=recorded)
    return f"{tutor.name} taught {session.client.name}{', recorded' if recorded else ''}", tutor.id


def cancel_session(scene: Scene) -> Told:
    tutor = scene.tutor()
    session = _coming(scene, tutor)
    side = scene.dice.choice(["client", "client", "client", "tutor"])
    scene.send("cancel", booking=session.id, side=side)
    who, whom = _from_side(side, tutor, session)
    return f"{who} cancelled a session with {whom}", tutor.id


def miss_session(scene: Scene) -> Told:
    tutor = scene.tutor()
    session = _due(scene, tutor)
    side = scene.dice.choice(["client", "client", "tutor"])
    scene.send("miss", booking=session.id, side=side)
    who, whom = _from_side(side, tutor, session)
    return f"{who} did not show up for {whom}", tutor.id


def reschedule_session(scene: Scene) -> Told:
    tutor = scene.tutor()
    session = _coming(scene, tutor)
    side = scene.dice.choice(["tutor", "student"])
    days = scene.dice.randrange(1, 8)
    scene.send("mark_rescheduled", booking=session.id)
    scene.send("reschedule", booking=session.id, side=side, days=days)
    scene.send("book_again", booking=session.id, days=days)
    who, whom = _from_side(side, tutor, session)
    return f"{who} moved a session with {whom}", tutor.id


def refund_session(scene: Scene) -> Told:
    tutor = scene.tutor()
    session = _find(scene, "paid_session", tutor) or _complete(scene, tutor, recorded=True)
    scene.send("refund", booking=session.id)
    return f"{session.client.name} got a session with {tutor.name} refunded", tutor.id


def delete_review(scene: Scene) -> Told:
    tutor = scene.tutor()
    standing = scene.send("oldest_review", reviewee=tutor.id)
    scene.send("delete_review", review=standing[0] if standing else _review(scene, tutor)[2])
    return f"A review of {tutor.name} was deleted", tutor.id


def connect_calendar(scene: Scene) -> Told:
    tutor = scene.tutor()
    _link(scene, tutor)
    return f"{tutor.name} connected a calendar", tutor.id


def disconnect_calendar(scene: Scene) -> Told:
    tutor = scene.tutor()
    _link(scene, tutor)
    scene.send("switch_link", person=tutor.id, type="GOOGLE_CALENDAR", is_active=False)
    return f"{tutor.name} disconnected a calendar", tutor.id


def _link(scene: Scene, person: Person) -> None:
    scene.send("switch_link", person=person.id, type="GOOGLE_CALENDAR", is_active=True)
    if scene.cursor.rowcount == 0:
        scene.send("link", person=person.id, type="GOOGLE_CALENDAR")


def change_bio(scene: Scene) -> Told:
    tutor = scene.tutor()
    client = scene.client(of=tutor)
    day = scene.dice.choice(["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays"])
    bio = scene.dice.choice([f"I study on {day}, usually late in the evening, and at weekends.", "Back soon."])
    scene.send("change_bio", person=client.id, bio=bio)
    return f"{client.name} wrote a new profile text", client.id


def change_availability(scene: Scene) -> Told:
    tutor = scene.tutor()
    row = scene.send("change_availability", person=tutor.id)
    return f"{tutor.name} {'offers' if row and row[0] else 'no longer offers'} free help", tutor.id


def add_connection(scene: Scene) -> Told:
    tutor = scene.tutor()
    client = scene.client(of=tutor)
    scene.send("relate", source=client.id, target=tutor.id, type="SOCIAL")
    return f"{client.name} and {tutor.name} know each other", tutor.id


def add_referral(scene: Scene) -> Told:
    tutor = scene.tutor()
    agent = scene.dice.choice(scene.cast.agents)
    scene.send("relate", source=agent.id, target=tutor.id, type="AGENT_REFERRAL")
    return f"{agent.name} recruited {tutor.name}", tutor.id


def answer_message(scene: Scene) -> Told:
    tutor = scene.tutor()
    person = scene.dice.choice([tutor, scene.client(of=tutor)])
    minutes = int(scene.dice.expovariate(1 / 120)) + 1
    answer = Jsonb({"response_time_minutes": minutes})
    scene.send("event", person=person.id, type="message_response", metadata=answer)
    return f"{person.name} answered a message after {minutes} minutes", person.id


def close_lesson(scene: Scene) -> Told:
    """Three statements in one transaction: the tutor comes online, the session ends, the client reviews it."""
    tutor = scene.tutor()
    scene.send("event", person=tutor.id, type="login", metadata=Jsonb({"device": "web"}))
    session = _complete(scene, tutor, recorded=True)
    rating = scene.dice.choice([5, 5, 5, 4, 3])
    scene.send("review", reviewer=session.client.id, reviewee=tutor.id, booking=session.id, rating=rating, comment=None)
    return f"{tutor.name} taught {session.client.name}, who gave {_stars(rating)}", tutor.id


def complete_many(scene: Scene) -> Told:
    """One statement over up to 20 bookings of many tutors."""
    owners = {listing: tutor for tutor in (scene.tutor() for _ in range(40)) for listing in tutor.listings}
    listings = list(owners)
    first = scene.send("complete_many", listings=listings)
    if first is None:
        clients = [scene.dice.choice(scene.cast.clients).id for _ in range(20)]
        first = scene.send("import_completed", listings=(listings * 20)[:20], clients=clients)
    return f"The office closed {scene.cursor.rowcount} sessions at once", owners[first[0]].id


def change_mind(scene: Scene) -> Told:
    tutor = scene.tutor()
    session = _complete(scene, tutor, recorded=True)
    return f"{session.client.name} and {tutor.name} nearly closed a session (rolled back)", tutor.id


def _from_side(side: str, tutor: Person, session: Session) -> tuple[str, str]:
    return (tutor.name, session.client.name) if side == "tutor" else (session.client.name, tutor.name)


def _stars(rating: int) -> str:
    return f"{rating} star{'s' if rating > 1 else ''}"


KINDS: dict[str, Kind] = {
    "post_review": Kind(20, post_review),
    "book_session": Kind(18, book_session),
    "complete_session": Kind(18, complete_session),
    "cancel_session": Kind(5, cancel_session),
    "miss_session": Kind(3, miss_session),
    "reschedule_session": Kind(4, reschedule_session),
    "refund_session": Kind(3, refund_session),
    "delete_review": Kind(2, delete_review),
    "connect_calendar": Kind(3, connect_calendar),
    "disconnect_calendar": Kind(2, disconnect_calendar),
    "change_bio": Kind(4, change_bio),
    "change_availability": Kind(3, change_availability),
    "add_connection": Kind(6, add_connection),
    "add_referral": Kind(2, add_referral),
    "answer_message": Kind(6, answer_message),
    "close_lesson": Kind(4, close_lesson),
    "complete_many": Kind(1, complete_many),
    "change_mind": Kind(2, change_mind, rolled_back=True),
}
