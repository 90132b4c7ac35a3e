"""Which sessions get a report, and whom it names (scoring 11): each that a change brings, once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from caas_worker import outbox, worker
from caas_worker.db import Database
from caas_worker.mail import Mailer
from caas_worker.pipeline import Line
from caas_worker.sweep import sweep
from tests.mailbox import Mailbox, serving
from tests.people import (
    Rows,
    add_client,
    add_event,
    add_listing,
    add_review,
    add_session,
    add_tutor,
    forget_marks,
)

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EARLIER = NOW - 30 * DAY

Work = Callable[..., None]


@dataclass(frozen=True)
class School:
    """A tutor and a client, and what happens between them."""

    app: Rows
    tutor: UUID
    listing: UUID
    client: UUID

    def meets(self, at: datetime) -> UUID:
        return add_session(self.app, self.listing, self.client, at)

    def is_reviewed(self, session: UUID) -> None:
        """A change that has the day of that session written anew."""
        add_review(self.app, self.client, self.tutor, 5, booking_id=session)

    def becomes(self, *roles: str) -> None:
        self.app.execute("update profiles set roles = %s where id = %s", (list(roles), self.tutor))


def new_school(app: Rows) -> School:
    tutor = add_tutor(app)
    return School(app, tutor, add_listing(app, tutor), add_client(app))


@pytest.fixture
def school(app: Rows) -> School:
    return new_school(app)


@pytest.fixture
def work(line: Line) -> Work:
    """Drains at a time, with somebody to write to: `work()`, `work(NOW + DAY)`, `work(recipient=None)`."""

    def run(now: datetime = NOW, recipient: str | None = "admin@example.org") -> None:
        done = worker.drain(replace(line, clock=lambda _: now, recipient=recipient), batch_size=100)
        assert (done.failed, done.remaining) == (0, 0)

    return run


def reports(app: Rows) -> dict[UUID, str]:
    """The state of each report, by its session."""
    return dict(app.execute("select booking_id, status from caas.email_reports").fetchall())


def all_are_sent(app: Rows) -> None:
    app.execute("update caas.email_reports set status = 'sent', sent_at = now() where status = 'pending'")


# What was there before


def test_what_began_before_its_tutors_first_computation_is_never_reported(
    app: Rows, db: Database, school: School, work: Work
) -> None:
    found = [school.meets(NOW - hours * HOUR) for hours in (1, 2, 20)]
    work()
    logged_later = school.meets(NOW - 3 * HOUR)
    for session in (*found, logged_later):
        school.is_reviewed(session)
        work(NOW + HOUR)
    sweep(db, 10, NOW + 12 * HOUR)  # the day's turn
    work(NOW + 12 * HOUR)
    assert reports(app) == {}


def test_a_log_in_that_comes_before_the_mark_of_everyone_reports_nothing_that_was_there(
    app: Rows, school: School, work: Work
) -> None:
    school.meets(NOW - 2 * HOUR)
    forget_marks(app)  # as if installed now: the mark of everyone still waits its turn
    add_event(app, school.tutor, NOW - HOUR)
    work()
    assert reports(app) == {}


def test_what_was_there_before_somebody_became_a_tutor_is_not_reported(app: Rows, school: School, work: Work) -> None:
    school.becomes("CLIENT")
    found = school.meets(NOW - 2 * HOUR)
    work()
    school.becomes("TUTOR")
    work()
    school.is_reviewed(found)
    new = school.meets(NOW + HOUR)
    work(NOW + 2 * HOUR)
    assert reports(app) == {new: "pending"}


def test_nothing_is_reported_that_began_while_there_was_nobody_to_write_to(
    app: Rows, school: School, work: Work
) -> None:
    work(EARLIER, recipient=None)
    before = school.meets(NOW - 3 * HOUR)
    work(NOW - 2 * HOUR, recipient=None)
    assert reports(app) == {}
    after = school.meets(NOW - HOUR)
    school.is_reviewed(before)
    work()
    assert reports(app) == {after: "pending"}


# What a change brings


def test_a_session_that_is_logged_late_is_reported_for_two_weeks(app: Rows, school: School, work: Work) -> None:
    work(EARLIER)
    late = school.meets(NOW - 14 * DAY + timedelta(microseconds=1))
    too_late = school.meets(NOW - 14 * DAY)
    work()
    school.is_reviewed(too_late)
    work()
    assert reports(app) == {late: "pending"}


def test_a_session_is_reported_though_its_tutor_is_computed_anew_as_a_whole(
    app: Rows, school: School, work: Work
) -> None:
    """It was logged the day after, and folded together with a mark of everything."""
    work(EARLIER)
    session = school.meets(NOW - 30 * HOUR)
    app.execute("select caas.enqueue(array[%s::uuid], 'nightly')", (school.tutor,))
    work()
    assert reports(app) == {session: "pending"}


def test_a_session_is_reported_once_though_its_tutors_role_goes_and_comes_back(
    app: Rows, school: School, work: Work
) -> None:
    work(EARLIER)
    session = school.meets(NOW - HOUR)
    work()
    assert reports(app) == {session: "pending"}
    all_are_sent(app)
    school.becomes("CLIENT")
    work()
    unseen = school.meets(NOW - HOUR)
    work()
    school.becomes("TUTOR")
    work()
    for again in (session, unseen):
        school.is_reviewed(again)
        work()
    assert reports(app) == {session: "sent"}


@pytest.mark.parametrize("at_once", [False, True], ids=["one after the other", "in one batch"])
def test_a_session_that_moved_is_not_reported_again_though_its_first_tutor_is_deleted(
    app: Rows, school: School, work: Work, at_once: bool
) -> None:
    other = new_school(app)
    work(EARLIER)
    session = school.meets(NOW - HOUR)
    work()
    all_are_sent(app)
    app.execute("update bookings set listing_id = %s where id = %s", (other.listing, session))
    if not at_once:
        work()
    app.execute("delete from listings where profile_id = %s", (school.tutor,))
    app.execute("delete from profiles where id = %s", (school.tutor,))
    work()
    other.is_reviewed(session)
    work()
    assert reports(app) == {session: "sent"}
    assert app.execute("select profile_id from caas.email_reports").fetchall() == [(other.tutor,)]


def test_what_was_reported_of_a_tutor_goes_with_the_tutor(app: Rows, school: School, work: Work) -> None:
    work(EARLIER)
    school.meets(NOW - HOUR)
    work()
    app.execute("delete from bookings")
    app.execute("delete from listings")
    app.execute("delete from profiles where id = %s", (school.tutor,))
    work()
    assert reports(app) == {}


# Whom it names


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving() as running:
        yield running


def test_the_letter_of_a_session_that_moved_names_its_present_tutor(
    app: Rows, db: Database, school: School, work: Work, mailbox: Mailbox
) -> None:
    settings = mailbox.settings(tutor_url="https://example.org/tutors/{profile_id}")
    other = new_school(app)
    work(EARLIER)
    session = school.meets(NOW - HOUR)
    work()
    app.execute("update bookings set listing_id = %s where id = %s", (other.listing, session))
    work()
    app.execute("update caas.tutor_scores set level = 'high' where profile_id = %s", (other.tutor,))
    assert outbox.send_due(db, Mailer.of(settings), settings) == outbox.Sent(sent=1)
    [letter] = mailbox.letters
    for part in letter.iter_parts():
        said = part.get_content()
        assert f"https://example.org/tutors/{other.tutor}" in said
        assert "high" in said  # the risk is this tutor's, too
        assert str(school.tutor) not in said
    assert reports(app) == {session: "sent"}
