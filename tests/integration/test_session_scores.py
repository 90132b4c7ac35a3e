"""Scores of sessions: quality to the minute, the first session's risk, and whose they are (scoring 6)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from caas_worker import worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.sweep import sweep
from tests.interleaving import one
from tests.people import (
    Rows,
    add,
    add_booking,
    add_client,
    add_listing,
    add_no_show,
    add_session,
    add_transcript,
    add_tutor,
    turns,
)
from tests.proof.tables import QualityTables

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Work = Callable[..., None]


@pytest.fixture
def tutor(app: Rows) -> UUID:
    return add_tutor(app)


@pytest.fixture
def listing(app: Rows, tutor: UUID) -> UUID:
    return add_listing(app, tutor)


@pytest.fixture
def client(app: Rows) -> UUID:
    return add_client(app)


@pytest.fixture
def work(app: Rows, line: Line) -> Work:
    """Drains at a time; then every table is what the rules say."""

    def run(now: datetime = NOW) -> None:
        summary = worker.drain(replace(line, clock=lambda _: now), batch_size=100)
        assert (summary.failed, summary.remaining) == (0, 0), summary
        QualityTables.load(app).compare(now)

    return run


def scores(app: Rows, kind: str) -> dict[UUID, float]:
    """The value by session."""
    rows = app.execute("select booking_id, value from caas.session_scores where score_type = %s", (kind,)).fetchall()
    return {booking: float(value) for booking, value in rows}


def owners(app: Rows) -> set[tuple[UUID, str, UUID]]:
    """Session, score type and tutor."""
    return set(app.execute("select booking_id, score_type, profile_id from caas.session_scores").fetchall())


# SQS

QUALITY = {
    # minutes late, ended early, tech issue: late, short, tech
    (0, 0, False): (0, 0, 0),
    (-7, -30, False): (0, 0, 0),
    (0.01, 0, False): (2, 0, 0),
    (1, 0, None): (2, 0, 0),
    (1.001, 0, False): (4, 0, 0),
    (14, 0, False): (28, 0, 0),
    (14.01, 0, False): (30, 0, 0),
    (15, 0, False): (30, 0, 0),
    (16, 0, False): (30, 0, 0),
    (60 * 24 * 400, 0, False): (30, 0, 0),
    (0, 5, False): (0, 0, 0),
    (0, 5.01, False): (0, 6, 0),
    (0, 39, False): (0, 39, 0),
    (0, 39.01, False): (0, 40, 0),
    (0, 60 * 24 * 400, False): (0, 40, 0),
    (0, 0, True): (0, 0, 10),
    (20, 50, True): (30, 40, 10),
    # labels
    (10, 21, False): (20, 21, 0),
    (10, 20, False): (20, 20, 0),
    (0, 25, False): (0, 25, 0),
    (0, 24, False): (0, 24, 0),
    (12, 7, True): (24, 7, 10),
}
LABELS = {20: "risk", 59: "risk", 60: "warn", 70: "warn", 75: "warn", 76: "ok", 100: "ok"}


def test_the_boundaries_of_quality(app: Rows, listing: UUID, client: UUID, work: Work) -> None:
    sessions = {
        add_session(app, listing, client, NOW - number * DAY, late=late, early=early, tech_issue=tech): lost
        for number, ((late, early, tech), lost) in enumerate(QUALITY.items())
    }
    work(NOW + HOUR)
    shown = app.execute("select booking_id, components, value, level, version from caas.session_scores").fetchall()
    assert len(shown) == len(sessions)
    for booking, components, value, level, version in shown:
        late, short, tech = sessions[booking]
        assert components == {"late": late, "short": short, "tech": tech}
        assert (value, version) == (100 - late - short - tech, "sqs-v1")
        assert level == LABELS.get(int(value), level)
    assert LABELS.keys() <= {int(value) for _, _, value, _, _ in shown}


def test_only_completed_sessions_with_both_actual_times_have_a_quality(
    app: Rows, listing: UUID, client: UUID, work: Work
) -> None:
    add_session(app, listing, client, NOW - DAY, actual_start=None)
    add_session(app, listing, client, NOW - DAY, actual_end=None)
    for status in ("No-show", "Rescheduled", "Cancelled", "Pending log", "Confirmed"):
        add_session(app, listing, client, NOW - DAY, status=status)
    add_session(app, listing, client, NOW + DAY)
    session = add_session(app, listing, None, NOW - DAY)
    work()
    assert scores(app, "sqs") == {session: 100}


def test_a_session_that_changes_is_judged_anew(app: Rows, listing: UUID, client: UUID, work: Work) -> None:
    session = add_session(app, listing, client, NOW - 40 * DAY)
    work()
    for change, value in [
        ("actual_start = actual_start + interval '5 minutes'", 90),
        ("scheduled_end = scheduled_end + interval '10 minutes'", 80),
        ("tech_issue = true", 70),
        ("actual_end = null", None),
        ("actual_end = scheduled_end", 80),
        ("status = 'No-show'", None),
    ]:
        app.execute(f"update bookings set {change}".encode())
        work()
        assert scores(app, "sqs") == ({} if value is None else {session: value}), change


# FSRS


def test_whose_first_session_it_is(app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work) -> None:
    """By its number; without one, by being the earliest of the two. A session by nobody is nobody's first."""
    unnumbered = [add_session(app, listing, client, NOW - days * DAY) for days in (9, 8, 7)]
    numbered = [add_session(app, listing, client, NOW - 5 * DAY, session_number=number) for number in (1, 2, 0)]
    missed = add_no_show(app, listing, add_client(app), NOW - DAY)
    pending = add_session(app, listing, add_client(app), NOW - DAY, status="Pending log")
    nobodys = add_session(app, listing, None, NOW - DAY, session_number=1)
    elsewhere = add_session(app, add_listing(app, tutor), client, NOW - 6 * DAY)
    another_tutors = add_session(app, add_listing(app, add_tutor(app)), client, NOW - DAY)
    for session in (*unnumbered, *numbered, missed, pending, nobodys, elsewhere, another_tutors):
        add_transcript(app, session, "goal")
    work()
    assert scores(app, "fsrs") == dict.fromkeys((unnumbered[0], numbered[0], missed, another_tutors), 25)


def test_the_earliest_of_a_pair_may_become_another(app: Rows, listing: UUID, client: UUID, work: Work) -> None:
    first, second = (add_transcript(app, add_session(app, listing, client, NOW - days * DAY)) for days in (4, 2))
    work()
    assert scores(app, "fsrs").keys() == {first}
    for change, earliest in [
        (f"update bookings set scheduled_start = '{NOW - DAY}' where id = '{first}'", second),
        (f"update bookings set status = 'Cancelled' where id = '{second}'", first),
        (f"update bookings set status = 'Rescheduled' where id = '{second}'", second),
        (f"update bookings set session_number = 2 where id = '{second}'", None),
        (f"delete from bookings where id = '{second}'", first),
    ]:
        app.execute(change.encode())
        work()
        assert scores(app, "fsrs").keys() == ({earliest} if earliest else set()), change


def test_an_earlier_session_without_a_transcript_is_the_first_all_the_same(
    app: Rows, listing: UUID, client: UUID, work: Work
) -> None:
    session = add_transcript(app, add_session(app, listing, client, NOW - DAY))
    work()
    assert scores(app, "fsrs").keys() == {session}
    add_booking(app, listing, client, "No-show", scheduled_start=NOW - 2 * DAY)
    work()
    assert scores(app, "fsrs") == {}


def test_a_transcript_that_comes_changes_and_goes(app: Rows, listing: UUID, client: UUID, work: Work) -> None:
    session = add_session(app, listing, client, NOW - 40 * DAY)
    work()
    assert scores(app, "fsrs") == {}
    add_transcript(app, session, "goal", "wrap-up", "encouragement")
    work(NOW + HOUR)
    assert scores(app, "fsrs") == {session: 60}
    assert one(app, "select level || ' ' || version from caas.session_scores where score_type = 'fsrs'") == (
        "high_risk fsrs-v1"
    )
    app.execute("delete from session_transcripts")
    work(NOW + 2 * HOUR)
    assert scores(app, "fsrs") == {}
    add(app, "session_transcripts", booking_id=session, turns=[{"text": "by nobody"}])
    work(NOW + 3 * HOUR)
    assert scores(app, "fsrs") == {}
    for said, value in [(turns(), 0), (turns("goal", "encouragement", "negative"), 50), ([], None), ({}, None)]:
        app.execute("update session_transcripts set turns = %s", (Jsonb(said),))
        work(NOW + 4 * HOUR)
        assert scores(app, "fsrs") == ({} if value is None else {session: value})
    assert scores(app, "sqs") == {session: 100}


def test_trouble_adds_to_the_risk_from_five_minutes_on(app: Rows, listing: UUID, work: Work) -> None:
    cases: list[tuple[dict[str, Any], int]] = [
        ({"late": 5}, 0),
        ({"late": 5.01}, 10),
        ({"tech_issue": True}, 10),
        ({"late": 9, "tech_issue": True}, 10),
        ({"late": -9, "tech_issue": None}, 0),
        ({"actual_start": None}, 0),
    ]
    wanted = {
        add_transcript(app, add_session(app, listing, add_client(app), NOW - DAY, **columns)): points
        for columns, points in cases
    }
    work()
    assert scores(app, "fsrs") == wanted


def test_a_transcript_that_was_there_before_the_scheduled_start(
    app: Rows, db: Database, listing: UUID, client: UUID, work: Work
) -> None:
    """They met earlier than they had agreed: the session counts from its scheduled start on, its risk as well."""
    session = add_transcript(app, add_session(app, listing, client, NOW + HOUR, late=-60), "goal")
    work()
    assert scores(app, "sqs") == scores(app, "fsrs") == {}
    sweep(db, 10, NOW + HOUR)
    work(NOW + HOUR)
    assert scores(app, "sqs") == {session: 100}
    assert scores(app, "fsrs") == {session: 25}


# Whose scores they are


def test_a_booking_takes_its_scores_along_to_another_tutor(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    other = add_tutor(app)
    others = add_listing(app, other)
    add_session(app, others, client, NOW - 60 * DAY)
    session = add_transcript(app, add_session(app, listing, client, NOW - 40 * DAY, session_number=1))
    staying = add_session(app, listing, client, NOW - 40 * DAY)
    work()
    for where, whose in [(others, other), (listing, tutor), (others, other)]:
        app.execute("update bookings set listing_id = %s where id = %s", (where, session))
        work()
        assert {row for row in owners(app) if row[0] == session} == {(session, kind, whose) for kind in ("sqs", "fsrs")}
        assert {row for row in owners(app) if row[0] == staying} == {(staying, "sqs", tutor)}


@pytest.mark.parametrize("first", ["old", "new"])
def test_whichever_of_both_tutors_is_computed_first(
    app: Rows, line: Line, tutor: UUID, listing: UUID, client: UUID, work: Work, first: str
) -> None:
    other = add_tutor(app)
    session = add_transcript(app, add_session(app, listing, client, NOW - 40 * DAY, session_number=1))
    work()
    app.execute("update bookings set listing_id = %s where id = %s", (add_listing(app, other), session))
    chosen = tutor if first == "old" else other
    app.execute("select caas.enqueue(array[%s::uuid], 'test')", (chosen,))
    now = replace(line, clock=lambda _: NOW)
    now.fold(whole=True)
    app.execute("update caas.recalculation_queue set priority = 0 where profile_id = %s", (chosen,))
    for _ in range(3):
        now.run_batch(1, whole=True)
    work()
    assert owners(app) == {(session, kind, other) for kind in ("sqs", "fsrs")}


def test_a_booking_of_nobodys_listing_has_no_scores(app: Rows, listing: UUID, client: UUID, work: Work) -> None:
    session = add_transcript(app, add_session(app, listing, client, NOW - 40 * DAY))
    work()
    app.execute("update bookings set listing_id = null where id = %s", (session,))
    work()
    assert owners(app) == set()


def test_another_client_of_a_session_is_named_in_its_scores(app: Rows, listing: UUID, client: UUID, work: Work) -> None:
    session = add_transcript(app, add_session(app, listing, client, NOW - 40 * DAY))
    work()
    other = add_client(app)
    app.execute("update bookings set client_id = %s where id = %s", (other, session))
    work()
    assert app.execute("select score_type, client_id from caas.session_scores order by 1").fetchall() == [
        ("fsrs", other),
        ("sqs", other),
    ]
    app.execute("update bookings set client_id = null where id = %s", (session,))
    work()
    assert app.execute("select score_type, client_id from caas.session_scores").fetchall() == [("sqs", None)]


def test_a_session_that_is_deleted_takes_its_scores_along(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    for days in (40, 30, 20):
        add_transcript(app, add_session(app, listing, client, NOW - days * DAY, session_number=1))
    work()
    gone, *_ = scores(app, "sqs")
    app.execute("delete from bookings where id = %s", (gone,))
    work()
    assert len(owners(app)) == 4
    assert gone not in {booking for booking, _, _ in owners(app)}
    app.execute("delete from profiles where id = %s", (client,))
    work()
    assert owners(app) == set()
    assert one(app, "select trend from caas.tutor_performance_summaries where profile_id = %s", tutor) == (
        "insufficient_data"
    )
