"""What time alone does to quality scores: the day's turn in the time zone that was set, clock changes included."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from psycopg.rows import dict_row

from caas_worker import rules, worker
from caas_worker.db import Database
from caas_worker.errors import RulesOutdated
from caas_worker.pipeline import Line
from caas_worker.quality.rules import QualityRules
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.sweep import sweep
from tests.interleaving import one
from tests.people import (
    Rows,
    add_booking,
    add_client,
    add_event,
    add_listing,
    add_no_show,
    add_reschedule,
    add_review,
    add_session,
    add_tutor,
)
from tests.proof.tables import QualityTables

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)

ZONES = {
    # the last day before each of the year's clock changes
    "UTC": (date(2026, 2, 28), date(2028, 2, 28)),
    "Europe/London": (date(2026, 3, 28), date(2026, 10, 24)),
    "Asia/Kathmandu": (date(2026, 3, 28), date(2026, 12, 31)),
    "Pacific/Auckland": (date(2026, 4, 4), date(2026, 9, 26)),
    "America/St_Johns": (date(2026, 3, 7), date(2026, 10, 31)),
}
MIDNIGHT_TWICE = {"Atlantic/Azores": date(2026, 10, 25), "America/Havana": date(2026, 11, 1)}

MakeZoned = Callable[[str], Line]


def registry(zone: str) -> Registry:
    return Registry([TutorStrategy(), ClientStrategy(), AgentStrategy()], QualityRules(zone=zone))


@pytest.fixture
def zoned(db: Database, line: Line) -> MakeZoned:
    """A worker's line with the days of that zone, which it publishes."""

    def make(zone: str) -> Line:
        rules.publish(db, registry(zone), anyway=True)
        return replace(line, registry=registry(zone))

    return make


@pytest.fixture
def tutor(app: Rows) -> UUID:
    return add_tutor(app)


@pytest.fixture
def listing(app: Rows, tutor: UUID) -> UUID:
    return add_listing(app, tutor)


@pytest.fixture
def client(app: Rows) -> UUID:
    return add_client(app)


def midnight(day: date, zone: str) -> datetime:
    """When the day begins there."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def work(line: Line, now: datetime) -> None:
    """Sweep and drain at that time."""
    assert sweep(line.db, 100, now) < 100
    summary = worker.drain(replace(line, clock=lambda _: now), batch_size=100)
    assert (summary.failed, summary.remaining) == (0, 0), summary


def compare(app: Rows, line: Line, now: datetime) -> None:
    QualityTables.load(app, line.registry.quality.zone).compare(now)


def due(app: Rows, tutor: UUID) -> datetime | None:
    moment: datetime | None = one(app, "select next_due_at from caas.cell_states where profile_id = %s", tutor)
    return moment


def metrics(app: Rows, day: date) -> Mapping[str, Mapping[str, Any]]:
    """The rows of that calculation day by window, and where they stand."""
    cursor = app.cursor(row_factory=dict_row)
    query = "select ctid::text as place, m.* from caas.tutor_performance_metrics as m where calculation_date = %s"
    return {row["time_window"]: row for row in cursor.execute(query, (day,))}


def completed(app: Rows, day: date) -> dict[str, int]:
    return {window: row["sessions_completed"] for window, row in metrics(app, day).items()}


# The day's turn


@pytest.mark.parametrize("zone", ZONES)
def test_windows_roll_at_the_zones_midnight(
    app: Rows, zoned: MakeZoned, tutor: UUID, listing: UUID, client: UUID, zone: str
) -> None:
    line = zoned(zone)
    for last in ZONES[zone]:
        app.execute("delete from bookings; delete from caas.tutor_performance_metrics")
        for days in (7, 30, 90):  # in the first minute of each window, and in the last before it
            begins = midnight(last - (days - 1) * DAY, zone)
            add_session(app, listing, client, begins)
            add_session(app, listing, client, begins - TICK)
        turn = midnight(last + DAY, zone)
        work(line, turn - MINUTE)
        assert due(app, tutor) == turn
        assert completed(app, last) == {"7day": 1, "30day": 3, "90day": 5}
        compare(app, line, turn - MINUTE)
        assert sweep(line.db, 10, turn - TICK) == 0
        before = metrics(app, last)

        work(line, turn)
        assert due(app, tutor) == midnight(last + 2 * DAY, zone)
        assert completed(app, last + DAY) == {"7day": 0, "30day": 2, "90day": 4}
        assert metrics(app, last) == before
        compare(app, line, turn)


def test_todays_metrics_are_replaced_and_past_ones_frozen(
    app: Rows, line: Line, tutor: UUID, listing: UUID, client: UUID
) -> None:
    old = add_session(app, listing, client, NOW - 3 * DAY)
    for days in range(3):
        work(line, NOW + days * DAY)
    frozen = [metrics(app, (NOW + days * DAY).date()) for days in (0, 1)]
    todays = metrics(app, (NOW + 2 * DAY).date())
    app.execute("update bookings set status = 'No-show', no_show_by = 'tutor' where id = %s", (old,))
    later = NOW + 2 * DAY + HOUR
    work(line, later)
    assert [metrics(app, (NOW + days * DAY).date()) for days in (0, 1)] == frozen
    replaced = metrics(app, later.date())
    assert {row["no_show_count"] for row in replaced.values()} == {1}
    assert {row["calculated_at"] for row in replaced.values()} == {later}
    assert {row["calculated_at"] for row in todays.values()} == {NOW + 2 * DAY}
    assert one(app, "select count(*) from caas.tutor_performance_metrics where profile_id = %s", tutor) == 9


def test_a_tutor_who_was_not_computed_for_days_catches_up(
    app: Rows, db: Database, line: Line, tutor: UUID, listing: UUID, client: UUID
) -> None:
    """The worker stood still; meanwhile sessions and events that lay ahead have come."""
    for hours in range(0, 240, 7):
        add_session(app, listing, client, NOW + hours * HOUR, late=3)
        add_event(app, tutor, NOW + hours * HOUR)
    for days in (0, 1, 4, 9, 30, 100):
        work(line, NOW + days * DAY)
        compare(app, line, NOW + days * DAY)
        assert due(app, tutor) is not None
    assert sweep(db, 10, NOW + 100 * DAY) == 0


# Days of the zone


@pytest.mark.parametrize("zone", ZONES)
def test_days_and_windows_are_the_zones_over_its_clock_changes(
    app: Rows, zoned: MakeZoned, tutor: UUID, listing: UUID, client: UUID, zone: str
) -> None:
    line = zoned(zone)
    for last in ZONES[zone]:
        app.execute("delete from bookings; delete from platform_events")
        begins = midnight(last, zone)
        work(line, begins)
        sessions = []
        for number in range(36):
            at = begins + number * 2 * HOUR
            sessions.append(add_session(app, listing, client, at, late=number % 13))
            add_event(app, tutor, at + 20 * MINUTE, number)
            add_review(app, client, tutor, 1 + number % 5, booking_id=sessions[-1])
        for turn in (midnight(last + number * DAY, zone) for number in range(4)):
            for at in (turn - TICK, turn):
                add_reschedule(app, listing, client, at)
                add_no_show(app, listing, client, at - 6 * DAY)
        for hours in (1, 25, 49, 73):
            now = begins + hours * HOUR
            work(line, now)
            compare(app, line, now)
        for session in sessions[::7]:
            app.execute("update bookings set scheduled_start = scheduled_start + interval '11 hours', "
                        "tech_issue = true where id = %s", (session,))  # fmt: skip
            work(line, now)
        compare(app, line, now)
        app.execute("delete from bookings where id = any(%s)", (sessions[1::5],))
        work(line, now)
        compare(app, line, now)


@pytest.mark.parametrize("zone", MIDNIGHT_TWICE)
def test_a_day_whose_first_hour_comes_twice(
    app: Rows, zoned: MakeZoned, tutor: UUID, listing: UUID, client: UUID, zone: str
) -> None:
    """The clocks go from one back to midnight."""
    line = zoned(zone)
    day = MIDNIGHT_TWICE[zone]
    begins = midnight(day, zone)
    sessions = {
        minutes: add_session(app, listing, client, begins + minutes * MINUTE) for minutes in range(-720, 720, 30)
    }
    now = begins + 3 * DAY
    work(line, begins - MINUTE)
    assert due(app, tutor) == begins
    work(line, now)
    compare(app, line, now)
    for minutes in (-600, 30, 90, 600):
        app.execute("update bookings set tech_issue = true where id = %s", (sessions[minutes],))
        work(line, now)
        compare(app, line, now)


# Another zone


def test_a_worker_with_another_zone_than_the_published_one_is_refused(
    app: Rows, db: Database, zoned: MakeZoned, line: Line, listing: UUID, client: UUID
) -> None:
    zoned("UTC")
    add_session(app, listing, client, NOW - 5 * DAY)
    work(line, NOW)
    shown = [app.execute(f"select * from {table}".encode()).fetchall() for table in WRITTEN]
    other = replace(line, registry=registry("Europe/London"))
    with pytest.raises(RulesOutdated, match="time zone UTC-v1"):
        rules.publish(db, other.registry)
    add_booking(app, listing, client, scheduled_start=NOW - 9 * DAY)
    with pytest.raises(RulesOutdated, match="time zone UTC-v1"):
        work(other, NOW)
    assert [app.execute(f"select * from {table}".encode()).fetchall() for table in WRITTEN] == shown
    work(line, NOW)
    compare(app, line, NOW)


WRITTEN = (
    "caas.tutor_daily_aggregates",
    "caas.tutor_performance_metrics",
    "caas.tutor_scores",
    "caas.session_scores",
    "caas.scores",
)


def test_a_zone_that_is_published_rebuilds_everyone(
    app: Rows, db: Database, zoned: MakeZoned, tutor: UUID, listing: UUID, client: UUID
) -> None:
    others = [add_tutor(app, status=status) for status in ("active", "inactive")]
    for own in (listing, *(add_listing(app, other) for other in others)):
        for hours in range(0, 300, 5):
            add_session(app, own, client, NOW - hours * HOUR)
    first = zoned("UTC")
    work(first, NOW)
    compare(app, first, NOW)
    for zone in ("America/St_Johns", "Pacific/Auckland"):
        line = zoned(zone)
        work(line, NOW)
        compare(app, line, NOW)
        assert due(app, tutor) == midnight(NOW.astimezone(ZoneInfo(zone)).date() + DAY, zone)
        with pytest.raises(RulesOutdated):
            rules.publish(db, first.registry)
    days = app.execute("select distinct day from caas.tutor_daily_aggregates order by day").fetchall()
    assert [day for (day,) in days] == sorted(
        {(NOW - hours * HOUR).astimezone(ZoneInfo("Pacific/Auckland")).date() for hours in range(0, 300, 5)}
    )


def test_a_zone_in_which_it_is_still_yesterday(app: Rows, zoned: MakeZoned, listing: UUID, client: UUID) -> None:
    add_session(app, listing, client, NOW - DAY)
    work(zoned("Pacific/Auckland"), NOW)
    line = zoned("UTC")
    app.execute("update bookings set status = 'No-show', no_show_by = 'tutor'")
    work(line, NOW)
    assert one(app, "select max(calculation_date) from caas.tutor_performance_metrics") == NOW.date()
    compare(app, line, NOW)


def test_a_change_that_comes_before_the_rebuild_is_no_harm(
    app: Rows, zoned: MakeZoned, listing: UUID, client: UUID
) -> None:
    """Marks of a rebuild are of low priority: until it is a tutor's turn, its cells are of both zones."""
    sessions = [add_session(app, listing, client, NOW - hours * HOUR) for hours in range(0, 300, 5)]
    work(zoned("UTC"), NOW)
    line = zoned("Pacific/Auckland")
    for session in sessions[::9]:
        app.execute("update bookings set tech_issue = true where id = %s", (session,))
        line.folder.fold(whole=False)
        replace(line, clock=lambda _: NOW).run_batch(1)
    work(line, NOW)
    compare(app, line, NOW)
