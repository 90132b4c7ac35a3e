"""Day cells: what a tutor's day adds up to, from any rows, after any change, and no other cell touched (scoring 2)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg.rows import dict_row

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
    add_event,
    add_listing,
    add_no_show,
    add_reschedule,
    add_review,
    add_session,
    add_transcript,
    add_tutor,
)
from tests.proof.tables import PUBLISHED, QualityTables

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
THAT_DAY = NOW - 40 * DAY

Work = Callable[[datetime], None]


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
def work(line: Line) -> Work:
    """Drains at a time, with somebody to write to."""

    def run(now: datetime) -> None:
        summary = worker.drain(replace(line, clock=lambda _: now, recipient="admin@example.org"), batch_size=100)
        assert (summary.failed, summary.remaining) == (0, 0), summary

    return run


def cells(app: Rows, tutor: UUID) -> dict[date, dict[str, Any]]:
    """The tutor's day cells."""
    cursor = app.cursor(row_factory=dict_row)
    rows = cursor.execute(
        "select * from caas.tutor_daily_aggregates where profile_id = %s order by day", (tutor,)
    ).fetchall()
    return {row["day"]: row for row in rows}


def written(app: Rows, table: str = "caas.tutor_daily_aggregates") -> dict[tuple[UUID, date], tuple[str, str]]:
    """Which version of each cell stands where."""
    rows = app.execute(f"select profile_id, day, ctid::text, xmin::text from {table}".encode()).fetchall()
    return {(tutor, day): (place, version) for tutor, day, place, version in rows}


def rewritten(before: dict[Any, Any], after: dict[Any, Any]) -> set[Any]:
    """The cells that came, went or were written anew."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


# What a cell adds up


def test_every_column_of_a_cell(app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work) -> None:
    first = add_session(
        app, listing, client, THAT_DAY, late=12, session_number=1, engagement_score=0.5, learning_objectives_met=True
    )
    second = add_session(app, listing, client, THAT_DAY + HOUR, late=-3, session_number=1, engagement_score=0.25)
    third = add_session(app, listing, client, THAT_DAY + 2 * HOUR, late=10, learning_objectives_met=False)
    add_session(app, listing, client, THAT_DAY + 3 * HOUR, late=10.01, session_number=2)
    add_session(app, listing, client, THAT_DAY + 4 * HOUR, actual_start=None)
    moved = add_reschedule(app, listing, client, THAT_DAY + 5 * HOUR)
    add_reschedule(app, listing, client, THAT_DAY + 6 * HOUR, "student")
    add_booking(app, listing, client, "Rescheduled", scheduled_start=THAT_DAY + 7 * HOUR)
    add_no_show(app, listing, client, THAT_DAY + 8 * HOUR)
    add_no_show(app, listing, client, THAT_DAY + 9 * HOUR, "client")
    add_booking(app, listing, client, "No-show", scheduled_start=THAT_DAY + 10 * HOUR)
    app.execute("update bookings set actual_start = scheduled_start + interval '1 hour' where status <> 'Completed'")
    for status in ("Pending", "Confirmed", "Pending log", "Cancelled"):
        add(app, "reschedules", booking_id=add_session(app, listing, client, THAT_DAY, status=status, late=9))
    for booking, rating in [(first, 5), (first, 4), (second, 3), (third, 2), (moved, 1)]:
        add_review(app, client, tutor, rating, booking_id=booking)
    work(NOW)
    assert cells(app, tutor) == {
        THAT_DAY.date(): {
            "profile_id": tutor,
            "day": THAT_DAY.date(),
            "sessions": 11,
            "sessions_completed": 5,
            "reschedules_tutor_initiated": 1,
            "no_shows": 1,
            "started": 4,
            "on_time": 2,
            "lateness_min": Decimal("32.01"),
            "avg_lateness_min": Decimal("8.0025"),
            "ratings": 5,
            "rating_sum": 15,
            "first_ratings": 3,
            "first_ratings_good": 2,
            "engagement_count": 2,
            "engagement_sum": Decimal("0.75"),
            "objectives_answered": 2,
            "objectives_met": 1,
        }
    }
    QualityTables.load(app).compare(NOW)


def test_whose_rating_counts(app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work) -> None:
    other = add_tutor(app)
    session = add_session(app, listing, client, THAT_DAY)
    others_session = add_session(app, add_listing(app, other), client, THAT_DAY)
    add_review(app, client, tutor, 4, booking_id=session)
    add(app, "profile_reviews", reviewer_id=None, reviewee_id=tutor, rating=3, booking_id=session)
    add_review(app, tutor, tutor, 5, booking_id=session)
    add_review(app, tutor, client, 1, booking_id=session)
    add_review(app, client, other, 1, booking_id=session)
    add_review(app, client, tutor, 1, booking_id=others_session)
    add_review(app, client, tutor, 1)
    add(app, "profile_reviews", reviewer_id=client, reviewee_id=tutor, rating=None, booking_id=session)
    work(NOW)
    [cell] = cells(app, tutor).values()
    assert (cell["ratings"], cell["rating_sum"]) == (2, 7)
    [cell] = cells(app, other).values()
    assert (cell["ratings"], cell["rating_sum"]) == (0, 0)


def test_values_that_no_rule_foresees_count_nowhere(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    app.execute("alter table bookings drop constraint an_engagement_score_is_a_fraction")
    for engagement in ("NaN", "Infinity", "1.01", "-0.01", None, "1", "0"):
        add_session(app, listing, client, THAT_DAY, engagement_score=engagement, actual_start=None)
    for infinite in ("infinity", "-infinity"):
        add_session(app, listing, client, THAT_DAY, late=7, actual_end=infinite)
        add_session(app, listing, client, THAT_DAY, late=7, scheduled_end=infinite)
        add_session(app, listing, client, THAT_DAY, actual_start=infinite)
        add_session(app, listing, client, THAT_DAY, scheduled_start=infinite)
    add_session(app, listing, None, THAT_DAY, late=7, tech_issue=None, type=None)
    work(NOW)
    [cell] = cells(app, tutor).values()
    assert (cell["sessions_completed"], cell["started"], cell["lateness_min"]) == (14, 5, 35)
    assert (cell["engagement_count"], cell["engagement_sum"]) == (2, 1)
    assert one(app, "select array_agg(value) from caas.session_scores") == [86]


def test_times_at_the_ends_of_the_calendar(app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work) -> None:
    for start in (
        "4000-01-01 00:00Z BC", "0001-01-01 00:00Z BC", "0001-01-01 00:00Z", "0001-01-03 00:00Z", "0001-06-01 09:00Z",
        "9999-12-31 23:59Z", "20000-01-01 00:00Z", "infinity", "-infinity",
    ):  # fmt: skip
        session = add_session(app, listing, client, NOW, scheduled_start=start, scheduled_end="9999-12-31 23:59Z")
        add_transcript(app, session)
        add(app, "platform_events", profile_id=tutor, event_type="login", occurred_at=start)
    work(NOW)
    days = [date(1, 1, 3), date(1, 6, 1)]
    assert list(cells(app, tutor)) == days
    assert app.execute("select day, logins from caas.daily_events order by day").fetchall() == [
        (day, 1) for day in days
    ]
    assert one(app, "select next_due_at from caas.cell_states where profile_id = %s", tutor) == datetime(
        2026, 6, 18, tzinfo=UTC
    )
    app.execute("select caas.enqueue_everyone('test', 90)")
    work(NOW + HOUR)
    assert list(cells(app, tutor)) == days


def test_actual_times_at_the_ends_of_the_calendar(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    first, last = "4714-11-24 00:00Z BC", "294276-12-31 12:00Z"
    odd: list[dict[str, Any]] = [
        {"actual_start": last},
        {"actual_start": last, "scheduled_start": "0001-02-01 00:00Z"},
        {"actual_start": first, "actual_end": last, "scheduled_end": first},
        {"actual_end": first, "scheduled_end": last},
    ]
    for times in odd:
        add_transcript(app, add_session(app, listing, add_client(app), THAT_DAY, **times))
    add_session(app, listing, client, THAT_DAY, scheduled_start=last, scheduled_end=last)
    work(NOW)
    assert [cell["started"] for cell in cells(app, tutor).values()] == [1, 3]
    values = app.execute("select value from caas.session_scores where score_type = 'sqs' order by value").fetchall()
    assert values == [(60,), (70,), (70,), (100,)]
    assert one(app, "select count(*) from caas.session_scores where score_type = 'fsrs'") == 4


# What a change repairs


def test_a_change_writes_its_own_old_and_new_cell_and_no_other(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    other, same_tutors = add_tutor(app), add_listing(app, tutor)
    others = add_listing(app, other)
    days = [THAT_DAY + number * DAY for number in range(6)]
    for day in days:
        for own in (listing, same_tutors, others):
            add_session(app, own, client, day, late=3)
    session = add_session(app, listing, client, days[0] + HOUR)
    review = add_review(app, client, tutor, 5)
    work(NOW)
    places = {(number, whose): (who, day.date()) for number, day in enumerate(days) for whose, who in
              [("own", tutor), ("other", other)]}  # fmt: skip
    anothers = one(app, "select id from bookings where listing_id = %s and scheduled_start = %s", others, days[5])

    def changes(statement: str, *expected: tuple[int, str]) -> None:
        before = written(app)
        app.execute(statement.encode())
        work(NOW)
        assert rewritten(before, written(app)) == {places[place] for place in expected}, statement
        QualityTables.load(app).compare(NOW)

    update, this = "update bookings set ", f" where id = '{session}'"
    changes(update + "status = 'No-show', no_show_by = 'tutor'" + this, (0, "own"))
    changes(update + "scheduled_start = scheduled_start + interval '1 day'" + this, (0, "own"), (1, "own"))
    changes(update + f"listing_id = '{same_tutors}'" + this, (1, "own"))
    changes(update + f"listing_id = '{others}'" + this, (1, "own"), (1, "other"))
    changes(
        update + f"listing_id = '{listing}', scheduled_start = '{days[2]}', status = 'Completed'" + this,
        (1, "other"),
        (2, "own"),
    )
    changes(f"update profile_reviews set booking_id = '{session}' where id = '{review}'", (2, "own"))
    changes(f"update profile_reviews set rating = 1 where id = '{review}'", (2, "own"))
    changes(update + f"scheduled_start = '{days[3]}'" + this, (2, "own"), (3, "own"))
    # of the reviewee's days; nobody else's counts it
    changes(f"update profile_reviews set booking_id = '{anothers}' where id = '{review}'", (3, "own"), (5, "own"))
    changes(f"delete from profile_reviews where id = '{review}'", (5, "own"))
    changes(update + "status = 'Rescheduled'" + this, (3, "own"))
    changes(f"insert into reschedules (booking_id, initiator) values ('{session}', 'tutor')", (3, "own"))
    changes(f"update reschedules set initiator = 'student' where booking_id = '{session}'", (3, "own"))
    changes(f"update reschedules set initiator = 'tutor', booking_id = '{anothers}'", (3, "own"), (5, "other"))
    changes("delete from reschedules", (5, "other"))
    changes("update bookings set created_at = now(), updated_at = now()")
    changes(f"insert into session_transcripts (booking_id, turns) values ('{session}', '[]')", (3, "own"))
    changes(f"delete from bookings where id = '{session}'", (3, "own"))
    changes("update profiles set available_free_help = true")


def test_the_last_session_of_a_day_takes_the_cell_along(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    session = add_session(app, listing, client, THAT_DAY)
    work(NOW)
    assert list(cells(app, tutor)) == [THAT_DAY.date()]
    app.execute("update bookings set status = 'Cancelled' where id = %s", (session,))
    work(NOW)
    assert cells(app, tutor) == {}
    assert one(app, "select count(*) from caas.session_scores") == 0


def test_an_event_writes_the_cell_of_its_day(app: Rows, tutor: UUID, work: Work) -> None:
    events = [add_event(app, tutor, THAT_DAY + number * DAY) for number in range(4)]
    answer = add_event(app, tutor, THAT_DAY, 30)
    work(NOW)
    days = [(THAT_DAY + number * DAY).date() for number in range(4)]

    def changes(statement: str, *expected: int) -> None:
        before = written(app, "caas.daily_events")
        app.execute(statement.encode())
        work(NOW)
        found = rewritten(before, written(app, "caas.daily_events"))
        assert found == {(tutor, days[number]) for number in expected}, statement
        QualityTables.load(app).compare(NOW)

    changes(f"update platform_events set metadata = '{{\"response_time_minutes\": 0.1}}' where id = {answer}", 0)
    changes(f"update platform_events set occurred_at = occurred_at + interval '1 day' where id = {answer}", 0, 1)
    changes(f"update platform_events set event_type = 'page_view' where id = {answer}", 1)
    changes(f"delete from platform_events where id = {events[2]}", 2)
    changes(f"update platform_events set profile_id = null where id = {events[3]}", 3)


def test_a_listing_that_moves_or_goes_takes_its_days_along(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    other, staying = add_tutor(app), add_listing(app, tutor)
    for number in range(3):
        add_transcript(app, add_session(app, listing, client, THAT_DAY + number * DAY, session_number=1), "goal")
        add_session(app, staying, client, THAT_DAY + number * DAY)
    work(NOW)
    app.execute("update listings set profile_id = %s where id = %s", (other, listing))
    work(NOW)
    assert [len(cells(app, who)) for who in (tutor, other)] == [3, 3]
    scores = app.execute("select profile_id, score_type, count(*) from caas.session_scores group by 1, 2").fetchall()
    assert sorted(scores, key=str) == sorted([(other, "fsrs", 3), (other, "sqs", 3), (tutor, "sqs", 3)], key=str)
    QualityTables.load(app).compare(NOW)
    app.execute("delete from listings where id = %s", (listing,))
    work(NOW)
    assert [len(cells(app, who)) for who in (tutor, other)] == [3, 0]
    QualityTables.load(app).compare(NOW)


# What time brings


def test_a_session_ahead_counts_from_its_start_on(
    app: Rows, db: Database, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    start, told = NOW + 2 * HOUR, NOW + 3 * HOUR
    add_session(app, listing, client, start, late=5)
    add_event(app, tutor, told, 20)
    midnight = datetime(2026, 6, 18, tzinfo=UTC)
    work(NOW)
    for now, then, sessions, scores, answers in [
        (NOW, start, 0, 0, 0),
        (start, told, 1, 1, 0),
        (told, midnight, 1, 1, 1),
        (midnight, midnight + DAY, 1, 1, 1),
    ]:
        sweep(db, 10, now)
        work(now)
        assert one(app, "select next_due_at from caas.cell_states where profile_id = %s", tutor) == then
        assert sweep(db, 10, then - TICK) == 0
        assert sum(cell["sessions"] for cell in cells(app, tutor).values()) == sessions
        assert one(app, "select count(*) from caas.session_scores") == scores
        assert one(app, "select count(*) from caas.daily_events") == answers
        QualityTables.load(app).compare(now)


def test_a_session_ahead_of_another_day_writes_that_day_when_it_comes_and_none_before(
    app: Rows, db: Database, listing: UUID, client: UUID, work: Work
) -> None:
    for days in (-40, -39, 3):
        add_session(app, listing, client, NOW + days * DAY)
    work(NOW)
    before = written(app)
    assert len(before) == 2
    later = NOW + 3 * DAY
    sweep(db, 10, later)
    work(later)
    assert {day for _, day in rewritten(before, written(app))} == {later.date()}


# Who has cells


def quality_rows(app: Rows, tutor: UUID) -> dict[str, int]:
    """How many rows each table has of that profile, those that have any."""
    tables = [*PUBLISHED, "caas.daily_events", "caas.pair_cells", "caas.pair_sums", "caas.cell_states",
              "caas.touched_cells", "caas.tutor_thresholds"]  # fmt: skip
    counts = {table: one(app, f"select count(*) from {table} where profile_id = %s", tutor) for table in tables}
    return {table: count for table, count in counts.items() if count}


@pytest.fixture
def busy(app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work) -> dict[str, int]:
    """A tutor of whom every table has something; how much."""
    work(NOW - DAY)
    for age in (0, 1, 40):
        session = add_session(app, listing, client, NOW - age * DAY - HOUR, late=20)
        add_review(app, client, tutor, 4, booking_id=session)
        add_event(app, tutor, NOW - age * DAY, 30)
        add_no_show(app, listing, client, NOW - age * DAY - HOUR)
    add_transcript(app, add_session(app, listing, add_client(app), NOW - HOUR), "goal", "share", "encouragement")
    app.execute(
        "insert into caas.tutor_thresholds (profile_id, reschedule_rate, set_by) values (%s, 20, 'ann')", (tutor,)
    )
    work(NOW)
    found = quality_rows(app, tutor)
    assert found.keys() == {*PUBLISHED, "caas.daily_events", "caas.pair_cells", "caas.pair_sums", "caas.cell_states",
                            "caas.tutor_thresholds"}  # fmt: skip
    return found


KEPT_WITHOUT_THE_ROLE = {
    "caas.pair_cells", "caas.pair_sums", "caas.cell_states", "caas.tutor_thresholds", "caas.email_reports",
}  # fmt: skip


def test_the_role_lost_and_regained(app: Rows, tutor: UUID, busy: dict[str, int], work: Work) -> None:
    for roles in ("{CLIENT}", "{}", "{AGENT,STAFF}"):
        app.execute("update profiles set roles = %s where id = %s", (roles, tutor))
        work(NOW)
        assert quality_rows(app, tutor).keys() == KEPT_WITHOUT_THE_ROLE
        assert app.execute(
            "select taught_until, next_due_at, performance_tier, paired from caas.cell_states where profile_id = %s",
            (tutor,),
        ).fetchone() == (None, None, None, True)
    app.execute("update bookings set status = 'Completed'")
    work(NOW)
    assert quality_rows(app, tutor).keys() == KEPT_WITHOUT_THE_ROLE
    app.execute("update bookings set status = 'No-show' where no_show_by = 'tutor'")
    app.execute("update profiles set roles = '{AGENT, tutor }' where id = %s", (tutor,))
    work(NOW)
    rebuilt = quality_rows(app, tutor)
    assert rebuilt == {**busy, "caas.tutor_performance_metrics": 3}  # today's windows only, and no second letter
    QualityTables.load(app).compare(NOW)


def test_an_old_tutor_without_cells_gets_all_of_them(
    app: Rows, tutor: UUID, listing: UUID, client: UUID, work: Work
) -> None:
    """As when cells are new to a database, or the profile becomes a tutor after its sessions."""
    app.execute("update profiles set roles = '{CLIENT}' where id = %s", (tutor,))
    for days in (400, 40, 1):
        add_transcript(app, add_session(app, listing, client, NOW - days * DAY, session_number=1))
        add_event(app, tutor, NOW - days * DAY)
    work(NOW)
    assert cells(app, tutor) == {}
    app.execute("update profiles set roles = '{TUTOR}' where id = %s", (tutor,))
    work(NOW)
    assert len(cells(app, tutor)) == 3
    QualityTables.load(app).compare(NOW)


def test_a_deleted_profile_leaves_nothing(
    app: Rows, tutor: UUID, client: UUID, busy: dict[str, int], work: Work
) -> None:
    assert busy
    app.execute("delete from profiles where id = %s", (tutor,))
    work(NOW)
    assert quality_rows(app, tutor) == {}
    assert one(app, "select count(*) from caas.pair_cells where other_id = %s", tutor) == 0
    app.execute("delete from profiles where id = %s", (client,))
    work(NOW)
    assert quality_rows(app, client) == {}


@pytest.mark.parametrize("status", ["inactive", "churned"])
def test_for_who_is_not_active_no_day_turns(
    app: Rows, db: Database, tutor: UUID, listing: UUID, client: UUID, work: Work, status: str
) -> None:
    add_session(app, listing, client, NOW - 5 * DAY)
    work(NOW)
    app.execute("update profiles set status = %s where id = %s", (status, tutor))
    work(NOW)
    due = "select next_due_at from caas.cell_states where profile_id = %s"
    assert one(app, due, tutor) is None
    assert sweep(db, 10, NOW + 10 * DAY) == 0
    start = NOW + 9 * DAY
    add_session(app, listing, client, start)
    work(NOW + HOUR)
    assert one(app, due, tutor) == start
    later = NOW + 10 * DAY
    app.execute("update profiles set status = null where id = %s", (tutor,))
    work(later)
    assert one(app, due, tutor) == datetime(2026, 6, 28, tzinfo=UTC)
    QualityTables.load(app).compare(later)
