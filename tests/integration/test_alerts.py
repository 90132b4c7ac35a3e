"""Alerts: raised once, refreshed while they last, ended by a fresh score or by hand (scoring 8)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from caas_worker import tutors, worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from tests.people import (
    Rows,
    add_client,
    add_listing,
    add_no_show,
    add_reschedule,
    add_session,
    add_transcript,
    add_tutor,
)

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Work = Callable[..., None]


@dataclass(frozen=True)
class School:
    """A tutor and a client, and what happens between them."""

    app: Rows
    tutor: UUID
    listing: UUID
    client: UUID

    def meets(self, at: datetime, **columns: Any) -> UUID:
        return add_session(self.app, self.listing, self.client, at, **columns)

    def moves(self, at: datetime, by: str = "tutor") -> UUID:
        return add_reschedule(self.app, self.listing, self.client, at, by)

    def misses(self, at: datetime, by: str = "tutor") -> UUID:
        return add_no_show(self.app, self.listing, self.client, at, by)

    def gets_to_know(self, at: datetime, *faults: str, **columns: Any) -> UUID:
        """A first session with a new client."""
        session = add_session(self.app, self.listing, add_client(self.app), at, **columns)
        return add_transcript(self.app, session, *faults)

    def alerts(self, kind: str = "high_reliability_risk") -> list[dict[str, Any]]:
        """The alerts of that type, the oldest first."""
        cursor = self.app.cursor(row_factory=dict_row)
        query = "select * from caas.tutor_alerts where profile_id = %s and alert_type = %s order by raised_at"
        return cursor.execute(query, (self.tutor, kind)).fetchall()

    def score(self, kind: str) -> tuple[float | None, bool | None]:
        """The tutor's score, and whether it is a high risk."""
        query = "select value, level from caas.tutor_scores where profile_id = %s and score_type = %s"
        [(value, level)] = self.app.execute(query, (self.tutor, kind)).fetchall()
        return (None, None) if value is None else (float(value), level == "high_risk")

    def states(self, kind: str = "high_reliability_risk") -> list[str]:
        return [alert["status"] for alert in self.alerts(kind)]


def new_school(app: Rows) -> School:
    tutor = add_tutor(app)
    return School(app, tutor, add_listing(app, tutor), add_client(app))


@pytest.fixture
def school(app: Rows) -> School:
    return new_school(app)


@pytest.fixture
def work(line: Line) -> Work:
    """Drains at a time: `work(NOW)`, `work(NOW, recipient="admin@example.org")`."""

    def run(now: datetime, **changes: Any) -> None:
        assert worker.drain(replace(line, clock=lambda _: now, **changes), batch_size=100).failed == 0

    return run


def ask(app: Rows, profile_id: UUID) -> None:
    app.execute("select caas.enqueue(array[%s::uuid], 'test')", (profile_id,))


def miss_twice(school: School, now: datetime = NOW) -> list[UUID]:
    return [school.misses(now - DAY), school.misses(now - DAY - HOUR)]


def move_thrice(school: School) -> None:
    for hours in (1, 2, 3):
        school.moves(NOW - DAY - hours * HOUR)


# How long an alert lasts


def test_an_alert_is_raised_once_and_refreshed_while_it_lasts(school: School, work: Work) -> None:
    miss_twice(school)
    work(NOW)
    [raised] = school.alerts()
    assert (raised["status"], raised["severity"], raised["score_value"]) == ("open", "high", 70)
    assert (raised["raised_at"], raised["last_checked_at"], raised["resolved_at"]) == (NOW, NOW, None)
    assert (raised["booking_id"], raised["auto_resolved"]) == (None, False)
    school.moves(NOW - DAY)
    work(NOW + HOUR)
    [refreshed] = school.alerts()
    assert float(refreshed["score_value"]) == 66.67
    figures = {"sessions": 3, "no_shows": 2, "reschedules_tutor_initiated": 1}
    assert refreshed == {
        **raised,
        "score_value": refreshed["score_value"],
        "figures": figures,
        "last_checked_at": NOW + HOUR,
    }


def test_an_acknowledged_alert_is_refreshed_and_ends_like_any_other(db: Database, school: School, work: Work) -> None:
    missed = miss_twice(school)
    work(NOW)
    tutors.acknowledge(db, school.alerts()[0]["id"], "ann")
    school.moves(NOW - DAY)
    work(NOW + HOUR)
    [alert] = school.alerts()
    assert (alert["status"], alert["acknowledged_by"], alert["last_checked_at"]) == ("acknowledged", "ann", NOW + HOUR)
    assert float(alert["score_value"]) == 66.67
    school.app.execute("delete from bookings where id = any(%s)", (missed,))
    work(NOW + 2 * HOUR)
    [alert] = school.alerts()
    assert (alert["status"], alert["auto_resolved"], alert["acknowledged_by"]) == ("resolved", True, "ann")


def test_an_alert_resolves_only_on_a_fresh_score(school: School, work: Work) -> None:
    miss_twice(school)
    work(NOW)
    [raised] = school.alerts()
    for days in (5, 6, 30):  # the last with a week without any session, and without a score
        ask(school.app, school.tutor)
        work(NOW + days * DAY)
        assert school.states() == ["open"]
    assert school.alerts() == [{**raised, "last_checked_at": NOW + 5 * DAY}]
    school.meets(NOW + 30 * DAY)
    work(NOW + 31 * DAY)
    [resolved] = school.alerts()
    assert resolved == {
        **raised,
        "status": "resolved",
        "score_value": 100,
        "figures": {"sessions": 1, "no_shows": 0, "reschedules_tutor_initiated": 0},
        "last_checked_at": NOW + 31 * DAY,
        "resolved_at": NOW + 31 * DAY,
        "auto_resolved": True,
        "resolved_by": None,
    }


def test_a_second_one_later_is_a_new_row(school: School, work: Work) -> None:
    missed = miss_twice(school)
    work(NOW)
    school.app.execute("update bookings set no_show_by = 'client' where id = any(%s)", (missed,))
    school.meets(NOW - DAY)
    work(NOW + HOUR)
    [first] = school.alerts()
    school.app.execute("update bookings set no_show_by = 'tutor' where id = any(%s)", (missed,))
    work(NOW + 2 * HOUR)
    before, second = school.alerts()
    assert before == first
    assert (second["status"], second["raised_at"], second["id"] != first["id"]) == ("open", NOW + 2 * HOUR, True)


def test_there_is_one_active_alert_per_tutor_and_type(app: Rows, school: School, work: Work) -> None:
    miss_twice(school)
    work(NOW)
    columns = "(profile_id, alert_type, status, score_value, raised_at, last_checked_at, resolved_at)"
    again = f"insert into caas.tutor_alerts {columns} values (%s, %s, %s, 70, now(), now(), %s)"
    for status in ("open", "acknowledged"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            app.execute(again, (school.tutor, "high_reliability_risk", status, None))
    app.execute(again, (school.tutor, "high_reliability_risk", "resolved", NOW))
    app.execute(again, (school.tutor, "churn_risk", "open", None))
    app.execute(again, (add_tutor(app), "high_reliability_risk", "open", None))


# Resolved by hand


def test_what_is_resolved_by_hand_is_not_raised_again_by_the_same_score(
    db: Database, school: School, work: Work
) -> None:
    miss_twice(school)
    work(NOW)
    tutors.resolve(db, school.alerts()[0]["id"], "ann")
    [resolved] = school.alerts()
    for hours in (1, 2):
        ask(school.app, school.tutor)
        work(NOW + hours * HOUR)
    assert school.alerts() == [resolved]
    assert (resolved["resolved_by"], resolved["auto_resolved"]) == ("ann", False)


def test_what_is_resolved_by_hand_is_raised_again_by_another_score(db: Database, school: School, work: Work) -> None:
    miss_twice(school)
    work(NOW)
    tutors.resolve(db, school.alerts()[0]["id"], "ann")
    school.moves(NOW - DAY)
    work(NOW + HOUR)
    assert school.states() == ["resolved", "open"]
    assert [float(alert["score_value"]) for alert in school.alerts()] == [70, 66.67]


def test_what_ended_and_came_back_is_raised_again_though_its_score_was_resolved_by_hand(
    db: Database, school: School, work: Work
) -> None:
    """Between the two the score was another: this is a new case. An idle tutor's churn risk is always the same."""
    missed = miss_twice(school)
    work(NOW)
    tutors.resolve(db, school.alerts()[0]["id"], "ann")
    school.app.execute("update bookings set status = 'Completed' where id = any(%s)", (missed,))
    work(NOW + HOUR)
    school.app.execute("update bookings set status = 'No-show' where id = any(%s)", (missed,))
    work(NOW + 2 * HOUR)
    assert school.states() == ["resolved", "open"]


@pytest.mark.parametrize("happens", ["miss", "move"])
def test_the_same_score_of_other_figures_is_another_case(
    db: Database, school: School, work: Work, happens: str
) -> None:
    """Whoever misses every session has THS 70, whether two or three."""
    (miss_twice if happens == "miss" else move_thrice)(school)
    work(NOW)
    tutors.resolve(db, school.alerts()[0]["id"], "ann")
    (school.misses if happens == "miss" else school.moves)(NOW - DAY - 5 * HOUR)
    work(NOW + HOUR)
    assert school.states() == ["resolved", "open"]
    [first, second] = school.alerts()
    assert first["score_value"] == second["score_value"]


def test_a_week_without_a_score_ends_the_case_that_was_resolved_by_hand(
    db: Database, school: School, work: Work
) -> None:
    miss_twice(school)
    work(NOW)
    tutors.resolve(db, school.alerts()[0]["id"], "ann")
    ask(school.app, school.tutor)
    work(NOW + 14 * DAY)
    assert (school.score("ths"), school.states()) == ((None, None), ["resolved"])
    miss_twice(school, NOW + 14 * DAY)
    work(NOW + 14 * DAY)
    assert school.states() == ["resolved", "open"]


def test_another_first_session_with_the_same_score_is_another_case(db: Database, school: School, work: Work) -> None:
    kind = "poor_first_session"
    first = school.gets_to_know(NOW - 2 * HOUR, "goal", "share", "encouragement")
    work(NOW)
    tutors.resolve(db, school.alerts(kind)[0]["id"], "ann")
    ask(school.app, school.tutor)
    work(NOW + HOUR)
    assert school.states(kind) == ["resolved"]
    second = school.gets_to_know(NOW - HOUR, "goal", "share", "encouragement")
    work(NOW + 2 * HOUR)
    assert [(alert["status"], alert["booking_id"]) for alert in school.alerts(kind)] == [
        ("resolved", first),
        ("open", second),
    ]


# poor_first_session


def test_a_poor_first_session_is_about_the_latest_one(school: School, work: Work) -> None:
    kind = "poor_first_session"
    first = school.gets_to_know(NOW - 5 * DAY, "goal", "share", "encouragement")
    work(NOW)
    [alert] = school.alerts(kind)
    assert (alert["status"], alert["score_value"], alert["booking_id"]) == ("open", 60, first)

    second = school.gets_to_know(NOW - 4 * DAY, "goal", "wrap-up", "negative")
    work(NOW + HOUR)
    assert [(alert["score_value"], alert["booking_id"]) for alert in school.alerts(kind)] == [(55, second)]
    assert alert["id"] == school.alerts(kind)[0]["id"]

    good = school.gets_to_know(NOW - 2 * DAY)
    work(NOW + 2 * HOUR)
    [resolved] = school.alerts(kind)
    assert (resolved["status"], resolved["score_value"], resolved["booking_id"]) == ("resolved", 0, good)

    school.gets_to_know(NOW - 3 * DAY, "goal", "share", "encouragement")  # poor, but not the latest
    work(NOW + 3 * HOUR)
    assert school.states(kind) == ["resolved"]

    school.app.execute("delete from bookings where id = %s", (good,))
    work(NOW + 4 * HOUR)
    assert school.states(kind) == ["resolved", "open"]


def test_a_poor_first_session_whose_transcripts_are_gone_has_no_fresh_score(school: School, work: Work) -> None:
    school.gets_to_know(NOW - 5 * DAY, "goal", "share", "encouragement")
    work(NOW)
    [raised] = school.alerts("poor_first_session")
    school.app.execute("delete from session_transcripts")
    work(NOW + HOUR)
    assert school.alerts("poor_first_session") == [raised]


def test_the_boundary_of_a_poor_first_session(app: Rows, work: Work) -> None:
    cases = {("goal", "encouragement", "negative"): 50, ("goal", "confusion"): 45}
    schools = {faults: new_school(app) for faults in cases}
    for faults, school in schools.items():
        school.gets_to_know(NOW - DAY, *faults)
    work(NOW)
    for faults, score in cases.items():
        query = "select value from caas.session_scores where profile_id = %s and score_type = 'fsrs'"
        assert app.execute(query, (schools[faults].tutor,)).fetchone() == (score,)
        assert schools[faults].states("poor_first_session") == (["open"] if score == 50 else [])


# high_reliability_risk

WEEKS = {
    # completed, minutes late, moved, missed: THS, raised
    (3, 14.5, 2, 0): (55, False),
    (3, 14.505, 2, 0): (54.99, True),
    (2, 0, 0, 2): (85, True),
    (3, 0, 0, 2): (88, False),
    (1, 0, 0, 1): (85, False),
    (0, 0, 0, 1): (70, False),
    (3, 0, 3, 0): (80, True),
    (4, 0, 3, 0): (82.86, False),
    (2, 0, 2, 0): (80, False),
    (0, 0, 0, 0): (None, False),
}


def test_the_boundaries_of_reliability(app: Rows, work: Work) -> None:
    schools = {week: new_school(app) for week in WEEKS}
    for (completed, late, moved, missed), school in schools.items():
        for number in range(completed):
            school.meets(NOW - DAY - number * HOUR, late=late)
        for number in range(moved):
            school.moves(NOW - 2 * DAY - number * HOUR)
        for number in range(missed):
            school.misses(NOW - 3 * DAY - number * HOUR)
        for number in range(5):  # not the tutor's doing
            school.moves(NOW - 4 * DAY - number * HOUR, by="student")
            school.misses(NOW - 5 * DAY - number * HOUR, by="client")
        for number in range(3):  # before the window
            school.misses(NOW - 7 * DAY - number * HOUR)
    work(NOW)
    for week, (score, raised) in WEEKS.items():
        assert schools[week].score("ths") == (score, None if score is None else raised), week
        assert schools[week].states() == (["open"] if raised else []), week


# churn_risk

FORTNIGHTS = {
    # sessions each day, today first: TCRS, raised
    (0, 0, 0, 0, 0, 1): (0.855, False),  # six days of data
    (0, 0, 0, 0, 0, 0, 1): (0.859, True),
    (1, 1, 2, 2, 3, 3, 2): (0.598, False),
    (1, 1, 3, 3, 3, 3, 2): (0.6, True),
}


def test_the_boundaries_of_churn(app: Rows, work: Work) -> None:
    schools = {counts: new_school(app) for counts in FORTNIGHTS}
    for counts, school in schools.items():
        for age, sessions in enumerate(counts):
            for number in range(sessions):
                school.meets(NOW - age * DAY - number * HOUR)
    work(NOW)
    for counts, expected in FORTNIGHTS.items():
        assert schools[counts].score("tcrs") == expected, counts
        assert schools[counts].states("churn_risk") == (["open"] if expected[1] else []), counts


def test_an_open_churn_alert_stays_when_there_are_fewer_than_seven_days_of_data_again(
    school: School, work: Work
) -> None:
    first = school.meets(NOW - 6 * DAY)
    work(NOW)
    [raised] = school.alerts("churn_risk")
    school.meets(NOW - 5 * DAY)
    school.app.execute("delete from bookings where id = %s", (first,))
    work(NOW + HOUR)
    assert school.score("tcrs") == (0.855, False)
    assert school.alerts("churn_risk") == [raised]


def test_the_days_of_data_begin_with_the_first_session_that_its_client_missed_too(app: Rows, work: Work) -> None:
    for days, level in ((6, "high_risk"), (5, "insufficient_data")):
        school = new_school(app)
        school.misses(NOW - days * DAY, by="client")
        work(NOW)
        query = "select value, level from caas.tutor_scores where profile_id = %s and score_type = 'tcrs'"
        assert app.execute(query, (school.tutor,)).fetchall() == [(1, level)]
        assert school.states("churn_risk") == (["open"] if days == 6 else [])


def test_churn_is_raised_by_the_day_that_completes_a_week_and_ends_with_regular_sessions(
    school: School, work: Work
) -> None:
    school.meets(NOW)
    for days in range(7):
        assert school.states("churn_risk") == []
        ask(school.app, school.tutor)
        work(NOW + days * DAY)
    [alert] = school.alerts("churn_risk")
    assert (alert["status"], alert["raised_at"]) == ("open", NOW + 6 * DAY)
    for days in range(7, 21):
        school.meets(NOW + days * DAY - HOUR)
        school.meets(NOW + days * DAY)
    work(NOW + 20 * DAY)
    [alert] = school.alerts("churn_risk")
    assert (alert["status"], alert["auto_resolved"]) == ("resolved", True)
    assert alert["score_value"] < 0.6


# Mail


def test_a_letter_is_due_only_where_there_is_somebody_to_write_to(school: School, work: Work) -> None:
    miss_twice(school)
    work(NOW, recipient=None)
    [alert] = school.alerts()
    assert (alert["email_status"], alert["email_due_at"]) == ("none", None)
    school.moves(NOW - DAY)
    work(NOW + HOUR, recipient="admin@example.org")
    assert school.alerts()[0]["email_status"] == "none"


def test_a_letter_is_due_once_on_raising(school: School, work: Work) -> None:
    missed = miss_twice(school)
    work(NOW, recipient="admin@example.org")
    [alert] = school.alerts()
    assert (alert["email_status"], alert["email_due_at"], alert["email_attempts"]) == ("pending", NOW, 0)
    school.app.execute(
        "update caas.tutor_alerts set email_status = 'sent', email_due_at = null, emailed_at = %s", (NOW,)
    )
    school.moves(NOW - DAY)
    work(NOW + HOUR, recipient="admin@example.org")
    school.app.execute("delete from bookings where id = any(%s)", (missed,))
    work(NOW + 2 * HOUR, recipient="admin@example.org")
    [alert] = school.alerts()
    assert (alert["status"], alert["email_status"], alert["email_due_at"]) == ("resolved", "sent", None)
    miss_twice(school)
    work(NOW + 3 * HOUR, recipient="admin@example.org")
    assert [alert["email_status"] for alert in school.alerts()] == ["sent", "pending"]


# Who it concerns


def test_each_tutor_has_alerts_of_their_own(app: Rows, school: School, work: Work) -> None:
    another = new_school(app)
    miss_twice(school)
    another.meets(NOW - DAY)
    work(NOW)
    assert (school.states(), another.states()) == (["open"], [])
    miss_twice(another)
    work(NOW + HOUR)
    assert school.alerts()[0]["last_checked_at"] == NOW  # nothing of theirs was computed
    assert another.states() == ["open"]


def test_who_is_no_tutor_any_more_has_no_alerts(school: School, work: Work) -> None:
    miss_twice(school)
    work(NOW)
    school.app.execute("update profiles set roles = '{CLIENT}' where id = %s", (school.tutor,))
    work(NOW + HOUR)
    assert school.alerts() == []
    school.app.execute("update profiles set roles = '{CLIENT,TUTOR}' where id = %s", (school.tutor,))
    work(NOW + 2 * HOUR)
    [alert] = school.alerts()
    assert (alert["status"], alert["raised_at"]) == ("open", NOW + 2 * HOUR)
