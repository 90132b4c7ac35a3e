"""Aggregate: every tutor's cells anew, through the line, and the window metrics of a day (interfaces, aggregate)."""

import errno
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import typer
from psycopg.rows import dict_row
from typer.testing import CliRunner

from caas_worker import queue, worker
from caas_worker.aggregate import aggregate, clean
from caas_worker.cli import aggregate as command
from caas_worker.db import Database
from caas_worker.errors import CaasError, NotInstalled, RulesOutdated, SettingsError
from caas_worker.model import Claim, Profile
from caas_worker.pipeline import Line
from caas_worker.quality.rules import QualityRules
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from tests.interleaving import Rows, meanwhile, one, until
from tests.people import (
    add,
    add_booking,
    add_client,
    add_listing,
    add_review,
    add_tutor,
    forget_marks,
    total,
)  # fmt: skip
from tests.proof.tables import QualityTables
from tests.quality_oracle import quality
from tests.scripted import Scripted, failing

MakeLine = Callable[..., Line]
Run = Callable[..., Any]

NOW = datetime(2026, 3, 10, 15, tzinfo=UTC)
TODAY = NOW.date()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Town:
    """Two tutors with sessions, one who is inactive, and their client."""

    ann: UUID
    ben: UUID
    gone: UUID
    client: UUID
    listing: UUID
    """Ann's."""

    @property
    def active(self) -> list[UUID]:
        return sorted([self.ann, self.ben])


def add_lesson(app: Rows, listing: UUID, client: UUID, at: datetime, *, late: int = 0, **columns: Any) -> UUID:
    """A completed session of an hour that began so many minutes late."""
    times: dict[str, Any] = {"actual_start": at + late * MINUTE, "actual_end": at + HOUR}
    return add_booking(app, listing, client, scheduled_start=at, **times, **columns)


@pytest.fixture
def town(app: Rows) -> Town:
    """Sessions of a few weeks before NOW; nothing is marked."""
    ann, ben, gone = add_tutor(app), add_tutor(app), add_tutor(app, status="inactive")
    client, other = add_client(app), add_client(app)
    listing = add_listing(app, ann)
    for age, late in ((60, 0), (20, 12), (9, 3), (6, 0), (3, 20), (1, 0), (0, 5)):
        taught = {"session_number": 1} if age == 60 else {"engagement_score": 0.8, "learning_objectives_met": age > 5}
        lesson = add_lesson(app, listing, client, NOW - age * DAY - HOUR, late=late, **taught)
        add_review(app, client, ann, 4 + age % 2, booking_id=lesson)
        metadata = {"response_time_minutes": 10 + age}
        add(app, "platform_events", profile_id=ann, event_type="login", occurred_at=NOW - age * DAY)
        add(
            app, "platform_events", profile_id=ann, event_type="message_response", occurred_at=NOW - age * DAY,
            metadata=metadata,
        )  # fmt: skip
    moved = add_booking(app, listing, other, "Rescheduled", scheduled_start=NOW - 2 * DAY)
    add(app, "reschedules", booking_id=moved, initiator="tutor")
    turns = [{"speaker": "tutor", "text": "What is your goal?"}, {"speaker": "student", "text": "To pass."}]
    add(app, "session_transcripts", booking_id=add_lesson(app, listing, other, NOW - 2 * HOUR), turns=turns)
    missed = add_listing(app, ben)
    for age in (1, 2):
        add_booking(app, missed, client, "No-show", scheduled_start=NOW - age * DAY, no_show_by="tutor")
    add_lesson(app, add_listing(app, gone), client, NOW - DAY)
    forget_marks(app)
    return Town(ann, ben, gone, client, listing)


@pytest.fixture
def steady(make_line: MakeLine) -> Line:
    """A line on which it is NOW."""
    return at(make_line(), NOW)


def at(line: Line, now: datetime) -> Line:
    return replace(line, clock=lambda _: now)


def drain(line: Line) -> worker.Summary:
    return worker.drain(line, batch_size=100)


def compare(app: Rows, now: datetime = NOW) -> None:
    """Every quality table is what the oracle says."""
    QualityTables.load(app).compare(now)


def windows(app: Rows, day: date) -> dict[tuple[UUID, str], dict[str, Any]]:
    """The window metrics of a day, as the oracle has them."""
    cursor = app.cursor(row_factory=dict_row)
    names = "sessions_completed, avg_rating, first_session_success_rate, reschedule_rate, no_show_count, "
    names += "engagement_score, learning_objectives_met_pct, response_time_avg_minutes, performance_tier"
    query = f"select profile_id, time_window, {names} from caas.tutor_performance_metrics where calculation_date = %s"
    rows = cursor.execute(query.encode(), (day,)).fetchall()
    return {(row.pop("profile_id"), row.pop("time_window")): plain(row) for row in rows}


def windows_as_of(app: Rows, now: datetime, *tutors: UUID) -> dict[tuple[UUID, str], dict[str, Any]]:
    """What the oracle says that they were then."""
    wanted = quality(QualityTables.load(app).world, now).metrics
    return {key: plain(of) for key, of in wanted.items() if key[0] in tutors}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers as floats, whatever their type."""
    return {name: of if of is None or isinstance(of, str) else round(float(of), 9) for name, of in row.items()}


def end_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + DAY - timedelta(microseconds=1)


def spoil(app: Rows) -> None:
    """Make every cell and every score of tutors wrong."""
    for statement in (
        "update caas.tutor_daily_aggregates "
        "set sessions = 99, sessions_completed = 99, lateness_min = 500, started = 1",
        "update caas.tutor_daily_aggregates set day = day - 1000 where day < '2026-03-05'",
        "update caas.daily_events set logins = 1000",
        "update caas.pair_cells set paid = 40, ratings = 9, rating_sum = 9",
        "update caas.pair_sums set paid = 40, ratings = 9, rating_sum = 9, clients = 1, returning_clients = 0",
        "update caas.session_scores set value = 1",
        "update caas.tutor_scores set value = 0.5, level = 'stable'",
        "update caas.tutor_performance_metrics set sessions_completed = 99, performance_tier = 'Exemplary'",
        "update caas.tutor_performance_summaries set trend = 'declining', average_sqs = 1",
    ):
        app.execute(statement.encode())


# The call


def test_every_active_tutors_cells_are_built_anew(app: Rows, db: Database, town: Town, steady: Line) -> None:
    queue.mark_everyone(db, "begin")
    drain(steady)
    totals = {tutor: total(app, tutor) for tutor in town.active}
    app.execute("delete from caas.tutor_daily_aggregates where profile_id = %s", (town.ann,))
    spoil(app)
    with pytest.raises(AssertionError):
        compare(app)
    aggregate(db, steady, include_inactive=True)
    compare(app)
    assert {tutor: total(app, tutor) for tutor in town.active} == totals


@pytest.mark.usefixtures("town")
def test_tutors_of_whom_nothing_is_kept_yet_are_built(app: Rows, db: Database, steady: Line) -> None:
    aggregate(db, steady, include_inactive=True)
    compare(app)
    assert one(app, "select count(*) from caas.recalculation_queue") == 0
    assert one(app, "select count(*) from caas.touched_cells") == 0


def test_inactive_tutors_only_if_they_are_asked_for(app: Rows, db: Database, town: Town, steady: Line) -> None:
    report = aggregate(db, steady)
    assert [result.profile_id for result in report.results] == town.active
    assert total(app, town.gone) is None
    report = aggregate(db, steady, include_inactive=True)
    assert [result.profile_id for result in report.results] == sorted([*town.active, town.gone])
    assert aggregate(db, steady, tutors=[town.gone]).successes == 1  # by name


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        ({"roles": ["CLIENT", " tutor\t"]}, True),
        ({"roles": ["AGENT", "Tutor"], "status": None}, True),
        ({"roles": ["TUTORS"]}, False),
        ({"roles": ["CLIENT"]}, False),
        ({"roles": []}, False),
        ({"roles": ["TUTOR"], "status": "churned"}, False),
        ({"roles": ["TUTOR"], "identity_verified": False}, True),
        ({"roles": ["TUTOR"], "id": LOWEST}, True),
        ({"roles": ["TUTOR"], "id": HIGHEST}, True),
    ],
)
def test_who_is_an_active_tutor(app: Rows, db: Database, steady: Line, columns: dict[str, Any], counts: bool) -> None:
    profile = add(app, "profiles", **{"identity_verified": True, **columns})
    report = aggregate(db, steady)
    assert [result.profile_id for result in report.results] == ([profile] if counts else [])
    assert (report.failures, len(windows(app, TODAY))) == (0, 3 if counts else 0)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_batches_of_any_size_reach_everyone_once(app: Rows, db: Database, steady: Line, size: int) -> None:
    tutors = sorted(add_tutor(app) for _ in range(4))
    seen: list[tuple[int, int]] = []
    report = aggregate(db, steady, batch_size=size, progress=lambda done, of: seen.append((done, of)))
    assert [result.profile_id for result in report.results] == tutors
    assert seen == [(done, 4) for done in range(size, 4, size)] + [(4, 4)]


def test_the_summary_counts_what_was_done(app: Rows, db: Database, town: Town, steady: Line) -> None:
    nobody = uuid4()
    report = aggregate(db, steady, tutors=[town.ann, nobody, town.client])
    days = one(app, "select count(*) from caas.tutor_daily_aggregates")
    assert days == 8
    assert (report.day, report.tutors, report.successes, report.failures) == (TODAY, 3, 1, 2)
    assert (report.rows, report.success_rate, report.exit_code, report.interrupted) == (days + 3, 33.33, 1, False)
    assert report.seconds > 0
    assert {key: error.partition(":")[0] for key, error in report.errors.items()} == {
        str(nobody): "PROFILE_NOT_FOUND", str(town.client): "NO_TUTOR",
    }  # fmt: skip
    ann, *others = report.results
    tier = one(app, "select performance_tier from caas.tutor_performance_metrics where time_window = '30day'")
    assert (ann.profile_id, ann.ok, ann.error, ann.tier) == (town.ann, True, None, tier)
    assert tier is not None
    assert [(result.profile_id, result.ok, result.tier) for result in others] == [
        (nobody, False, None), (town.client, False, None),
    ]  # fmt: skip
    said = report.as_dict()
    assert (said["success_rate"], said["errors"], said["tutors"]) == (33.33, report.errors, 3)


def test_a_tutor_who_is_named_twice_is_aggregated_once(db: Database, town: Town, steady: Line) -> None:
    seen: list[tuple[int, int]] = []
    twice = [town.ann, town.ben, town.ann]
    report = aggregate(db, steady, tutors=twice, progress=lambda done, of: seen.append((done, of)))
    assert (report.tutors, [result.profile_id for result in report.results]) == (2, twice[:2])
    assert seen == [(2, 2)]


def test_nobody_to_aggregate_is_a_success(db: Database, steady: Line) -> None:
    for report in (aggregate(db, steady), aggregate(db, steady, tutors=[])):
        assert (report.tutors, report.rows, report.success_rate, report.exit_code) == (0, 0, 100.0, 0)


@pytest.mark.usefixtures("town")
def test_twice_is_harmless(app: Rows, db: Database, steady: Line) -> None:
    first = aggregate(db, steady, include_inactive=True)
    kept = {table: app.execute(f"select * from {table} order by 1, 2, 3".encode()).fetchall() for table in (
        "caas.tutor_daily_aggregates", "caas.tutor_performance_metrics", "caas.tutor_scores", "caas.session_scores",
        "caas.tutor_alerts",
        "caas.tutor_performance_summaries", "caas.pair_cells", "caas.pair_sums",
    )}  # fmt: skip
    second = aggregate(db, steady, include_inactive=True)
    assert replace(second, seconds=0) == replace(first, seconds=0)
    alerts = kept.pop("caas.tutor_alerts")
    assert len(alerts) == one(app, "select count(*) from caas.tutor_alerts") > 0
    for table, rows in kept.items():
        assert app.execute(f"select * from {table} order by 1, 2, 3".encode()).fetchall() == rows, table


def test_what_changed_is_told_before_and_after(app: Rows, db: Database, town: Town, steady: Line) -> None:
    first = aggregate(db, steady, tutors=[town.ann], diff=True).results[0].changes
    assert {*first} == {"7day", "30day", "90day"}
    assert first["7day"]["sessions_completed"] == {"before": None, "after": 5}
    assert aggregate(db, steady, tutors=[town.ann], diff=True).results[0].changes == {}
    add_review(app, town.client, town.ann, 1, booking_id=add_lesson(app, town.listing, town.client, NOW - 40 * DAY))
    changes = aggregate(db, steady, tutors=[town.ann], diff=True).results[0].changes
    assert {*changes} == {"90day"}
    assert changes["90day"]["sessions_completed"] == {"before": 8, "after": 9}
    assert changes["90day"]["avg_rating"] == {"before": 4.43, "after": 4.0}
    assert json.loads(json.dumps(changes)) == changes
    assert aggregate(db, steady, tutors=[town.ann]).results[0].changes == {}


# A past day


@pytest.mark.parametrize("age", [1, 2, 5, 8, 30, 100])
def test_a_past_day_is_written_as_it_stood_at_its_end(
    app: Rows, db: Database, town: Town, steady: Line, age: int
) -> None:
    day = TODAY - age * DAY
    report = aggregate(db, steady, day=day)
    assert (report.day, report.failures, report.frozen) == (day, 0, 0)
    assert windows(app, day) == windows_as_of(app, end_of(day), *town.active)
    assert windows(app, TODAY) == windows_as_of(app, NOW, *town.active)
    wanted = quality(QualityTables.load(app).world, end_of(day)).metrics[town.ann, "30day"]["performance_tier"]
    assert {result.profile_id: result.tier for result in report.results}[town.ann] == wanted
    drain(steady)
    aggregate(db, steady, include_inactive=True)
    compare(app)


def test_a_past_day_in_another_zone_ends_with_that_zones_midnight(
    app: Rows, db: Database, town: Town, steady: Line
) -> None:
    zone = "Pacific/Auckland"
    steady = replace(steady, registry=Registry([TutorStrategy()], QualityRules(zone)))
    today = date(2026, 3, 11)
    report = aggregate(db, steady, day=today - DAY)
    assert report.day == today - DAY
    end = datetime(2026, 3, 10, 11, tzinfo=UTC) - timedelta(microseconds=1)
    wanted = quality(QualityTables.load(app).world, end, zone).metrics
    assert windows(app, today - DAY) == {key: plain(of) for key, of in wanted.items() if key[0] in town.active}
    assert aggregate(db, steady).day == today
    with pytest.raises(SettingsError, match="today is 2026-03-11 in Pacific/Auckland"):
        aggregate(db, steady, day=today + DAY)


def test_what_was_published_of_a_past_day_stays(app: Rows, db: Database, town: Town, steady: Line) -> None:
    yesterday = TODAY - DAY
    aggregate(db, at(steady, NOW - DAY), tutors=[town.ann])
    published = windows(app, yesterday)
    add_lesson(app, town.listing, town.client, NOW - 3 * DAY)
    report = aggregate(db, steady, day=yesterday, diff=True)
    assert (report.successes, report.frozen) == (2, 1)
    assert {key: of for key, of in windows(app, yesterday).items() if key[0] == town.ann} == published
    assert {result.profile_id: bool(result.changes) for result in report.results} == {town.ann: False, town.ben: True}
    again = aggregate(db, steady, day=yesterday)
    assert (again.frozen, again.rows) == (2, report.rows)


@pytest.mark.parametrize("day", [TODAY - DAY, date(1, 1, 1), TODAY])
def test_no_day_makes_a_tutor_of_a_client(app: Rows, db: Database, town: Town, steady: Line, day: date) -> None:
    report = aggregate(db, steady, day=day, tutors=[town.client, town.ann])
    assert {*report.errors} == {str(town.client)}
    assert report.errors[str(town.client)].startswith("NO_TUTOR")
    assert {tutor for tutor, _ in windows(app, day)} == {town.ann}


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize("day", [TODAY + DAY, date(9999, 12, 31)])
def test_a_day_that_lies_ahead_is_refused(app: Rows, db: Database, steady: Line, day: date) -> None:
    with pytest.raises(SettingsError, match=f"{day}.*lies ahead"):
        aggregate(db, steady, day=day)
    assert one(app, "select count(*) from caas.recalculation_queue") == 0
    assert aggregate(db, steady, day=TODAY).day == TODAY


def test_a_run_that_midnight_overtakes_writes_the_day_that_it_began_on(
    app: Rows, db: Database, town: Town, make_line: MakeLine
) -> None:
    now = [NOW]
    slow = replace(make_line(), clock=lambda _: now[0])
    over_midnight = NOW + 10 * HOUR
    report = aggregate(db, slow, batch_size=1, progress=lambda *_: now.__setitem__(0, over_midnight))
    assert (report.day, report.successes, report.failures) == (TODAY, 2, 0)
    first, second = town.active
    assert windows(app, TODAY) == windows_as_of(app, NOW, first) | windows_as_of(app, end_of(TODAY), second)
    assert {tutor for tutor, _ in windows(app, TODAY + DAY)} == {second}


# What fails


def test_who_fails_twice_and_then_succeeds_is_a_success(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutors = [add_tutor(app) for _ in range(3)]
    attempts: list[UUID] = []

    def fail_twice(profile: Profile) -> None:
        attempts.append(profile.profile_id)
        if profile.profile_id == tutors[1] and attempts.count(tutors[1]) <= 2:
            raise ValueError("not yet")

    report = aggregate(db, make_line(Scripted(fail_twice), backoff_seconds=3_600))
    assert (report.successes, report.failures, report.exit_code, report.errors) == (3, 0, 0, {})
    assert [attempts.count(tutor) for tutor in tutors] == [1, 3, 1]
    assert total(app, tutors[1]) == 50
    assert one(app, "select count(*) from caas.dead_entries") == 0


def test_who_always_fails_is_told_with_its_error_and_stops_nobody(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutors = [add_tutor(app) for _ in range(4)]
    report = aggregate(db, make_line(failing(tutors[2]), backoff_seconds=3_600), batch_size=2)
    assert (report.tutors, report.successes, report.failures, report.success_rate) == (4, 3, 1, 75.0)
    assert (report.exit_code, report.errors) == (1, {str(tutors[2]): "STRATEGY_FAILED"})
    assert {result.profile_id: result.error for result in report.results}[tutors[2]] == "STRATEGY_FAILED"
    assert [total(app, tutor) for tutor in tutors] == [50, 50, None, 50]
    dead = app.execute("select profile_id, error, attempts, reasons from caas.dead_entries").fetchall()
    assert dead == [(tutors[2], "STRATEGY_FAILED", 4, ["aggregate"])]
    assert one(app, "select count(*) from caas.recalculation_queue") == 0


def test_who_failed_is_well_again_in_the_next_run(app: Rows, db: Database, make_line: MakeLine, line: Line) -> None:
    tutor = add_tutor(app)
    broken = aggregate(db, make_line(failing(tutor)))
    assert broken.failures == 1
    app.execute("delete from caas.rules")
    assert aggregate(db, line).successes == 1
    assert one(app, "select count(*) from caas.dead_entries") == 0


def test_an_error_that_is_nobodys_own_ends_the_run_and_leaves_nothing_claimed(
    app: Rows, db: Database, town: Town, steady: Line
) -> None:
    app.execute("drop table student_integration_links cascade")
    with pytest.raises(NotInstalled, match="source_student_integration_links"):
        aggregate(db, steady)
    queued = app.execute("select profile_id, attempts, token from caas.recalculation_queue order by 1").fetchall()
    assert queued == [(tutor, 0, None) for tutor in town.active]


@pytest.mark.usefixtures("town")
def test_other_published_rules_are_refused(app: Rows, db: Database, steady: Line) -> None:
    app.execute("insert into caas.rules (role_type, version) values ('TUTOR', 'tutor-v99')")
    with pytest.raises(RulesOutdated):
        aggregate(db, steady)
    assert windows(app, TODAY) == {}


# Others at work, and being stopped


def test_what_another_worker_holds_is_waited_for_and_computed_again(
    app: Rows, db: Database, make_line: MakeLine, town: Town
) -> None:
    other, line = make_line(), make_line()
    aggregate(db, other)
    queue.recalculate(db, town.active, priority=50)
    claim = other.claimant.claim(10, whole=True)
    assert sorted(claim.profile_ids) == town.active
    scored = other.score(claim)  # of what was there before the aggregate was asked for
    with meanwhile(lambda: aggregate(db, line)) as run:
        marked = "select count(*) from caas.recalculation_queue where 'aggregate' = any(later_reasons)"
        until(lambda: one(app, marked) == 2, "the aggregate to mark what another holds")
        assert not run.done()
        other.publish(claim, scored)
        other.claimant.settle()
    report = run.result()
    assert (report.successes, report.failures) == (2, 0)
    assert one(app, "select count(*) from caas.recalculation_queue") == 0
    assert line.telemetry.endings["scored"] == 2


def test_running_workers_share_the_work(
    app: Rows, db: Database, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutors = [add_tutor(app) for _ in range(10)]
    other, mark = make_line(), queue.recalculate
    claims: list[Claim] = []

    def mark_and_share(*arguments: Any, **options: Any) -> Any:
        marked = mark(*arguments, **options)
        claims.append(other.claimant.claim(6, whole=True))
        return marked

    monkeypatch.setattr("caas_worker.aggregate.queue.recalculate", mark_and_share)
    with meanwhile(lambda: aggregate(db, make_line())) as run:
        until(lambda: one(app, "select count(*) from caas.scores") == 4, "the aggregate to do its own share")
        assert not run.done()
        other.publish(claims[0], other.score(claims[0]))
    assert (run.result().successes, len(claims)) == (10, 1)
    assert {total(app, tutor) for tutor in tutors} == {32}


def test_what_a_killed_worker_held_is_taken_when_its_lease_is_over(
    app: Rows, db: Database, make_line: MakeLine, town: Town
) -> None:
    killed = make_line()
    queue.recalculate(db, town.active)
    assert len(killed.claimant.claim(10, whole=True).entries) == 2
    with meanwhile(lambda: aggregate(db, make_line())) as run:
        marked = "select count(*) from caas.recalculation_queue where 'aggregate' = any(later_reasons)"
        until(lambda: one(app, marked) == 2, "the aggregate to mark what another holds")
        app.execute("update caas.recalculation_queue set lease_until = clock_timestamp() - interval '1 s'")
    assert run.result().successes == 2


def test_changes_that_wait_in_the_queue_are_left_right(app: Rows, db: Database, town: Town, steady: Line) -> None:
    drain(steady)
    add_lesson(app, town.listing, town.client, NOW - 4 * DAY)
    add_review(app, town.client, town.ben, 5)
    aggregate(db, steady, include_inactive=True)
    assert one(app, "select count(*) from caas.changes") > 0
    compare(app)
    drain(steady)
    compare(app)


def test_a_run_that_is_told_to_stop_ends_after_its_batch(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutors = sorted(add_tutor(app) for _ in range(6))
    stop = threading.Event()
    report = aggregate(db, make_line(Scripted(lambda _: stop.set())), batch_size=2, stop=stop)
    assert (report.tutors, report.successes, report.failures) == (2, 2, 0)
    assert (report.interrupted, report.exit_code) == (True, 130)
    assert [total(app, tutor) for tutor in tutors] == [50, 50, None, None, None, None]


def test_what_was_begun_stays_in_the_queue(app: Rows, db: Database, make_line: MakeLine, town: Town) -> None:
    other, stop = make_line(), threading.Event()
    queue.recalculate(db, [town.ann])
    claim = other.claimant.claim(1, whole=True)
    with meanwhile(lambda: aggregate(db, make_line(), stop=stop), finally_=stop.set) as run:
        until(lambda: total(app, town.ben) is not None, "the aggregate to do what it can")
    report = run.result()
    assert (report.tutors, report.successes, report.failures, report.exit_code) == (2, 1, 1, 130)
    assert report.errors[str(town.ann)].startswith("INTERRUPTED")
    other.claimant.release()
    assert claim.profile_ids == [town.ann]
    assert one(app, "select count(*) from caas.recalculation_queue where token is null and due_at is null") == 1
    assert drain(make_line()).remaining == 0
    assert total(app, town.ann) is not None


# What is too old


def add_windows(app: Rows, tutor: UUID, *ages: int) -> None:
    for age in ages:
        app.execute(
            "insert into caas.tutor_performance_metrics (profile_id, time_window, calculation_date, "
            "sessions_completed, no_show_count, avg_rating, flags, calculated_at) "
            "values (%s, '7day', %s, 3, 0, 4.25, %s, %s)",
            (tutor, TODAY - age * DAY, '{"avg_rating": "grün"}', NOW),
        )


def ages(app: Rows) -> list[int]:
    rows = app.execute("select calculation_date from caas.tutor_performance_metrics order by 1 desc").fetchall()
    return [(TODAY - day).days for (day,) in rows]


@pytest.mark.parametrize(("days", "left"), [(90, [0, 1, 89, 90]), (1, [0, 1]), (91, [0, 1, 89, 90, 91])])
def test_what_is_older_than_the_retention_goes(
    app: Rows, db: Database, steady: Line, days: int, left: list[int]
) -> None:
    add_windows(app, uuid4(), 0, 1, 89, 90, 91, 400)
    assert clean(db, steady, days) == 6 - len(left)
    assert ages(app) == left
    assert clean(db, steady, days) == 0


@pytest.mark.parametrize("days", [0, -1])
def test_a_retention_of_no_day_is_refused(app: Rows, db: Database, steady: Line, days: int) -> None:
    add_windows(app, uuid4(), 0, 1)
    with pytest.raises(SettingsError, match="1 or more"):
        clean(db, steady, days)
    assert ages(app) == [0, 1]


def test_a_retention_that_reaches_before_the_calendar_keeps_everything(app: Rows, db: Database, steady: Line) -> None:
    add_windows(app, uuid4(), 0, 700_000)
    assert clean(db, steady, 10_000_000) == 0


def test_the_archive_holds_exactly_what_was_removed(
    app: Rows, db: Database, steady: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caas_worker.aggregate.CLEANED_AT_ONCE", 2)
    archive, tutor = tmp_path / "old metrics.jsonl", uuid4()
    add_windows(app, tutor, 5, *range(91, 96))
    query = "select to_jsonb(m) from caas.tutor_performance_metrics as m where calculation_date < %s order by 1"
    old = [row[0] for row in app.execute(query, (TODAY - 90 * DAY,)).fetchall()]
    assert clean(db, steady, archive=archive) == 5
    assert kept_in(archive) == sorted(old, key=lambda row: str(row["calculation_date"]))
    assert "grün" in archive.read_text("utf-8")
    assert {(row["profile_id"], row["avg_rating"]) for row in kept_in(archive)} == {(str(tutor), 4.25)}
    add_windows(app, tutor, 100)
    assert clean(db, steady, archive=archive) == 1
    assert [row["calculation_date"] for row in kept_in(archive)][-1] == str(TODAY - 100 * DAY)
    assert len(kept_in(archive)) == 6
    assert clean(db, steady, archive=archive) == 0
    assert len(kept_in(archive)) == 6


def kept_in(archive: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in archive.read_text("utf-8").splitlines()]
    return sorted(rows[:5], key=lambda row: str(row["calculation_date"])) + rows[5:]


def test_an_archive_that_cannot_be_written_removes_nothing(
    app: Rows, db: Database, steady: Line, tmp_path: Path
) -> None:
    add_windows(app, uuid4(), 91, 92)
    for path in (tmp_path / "no" / "such", tmp_path, Path("/dev/full")):
        with pytest.raises(SettingsError, match=f"--archive {path}: .*Nothing"):
            clean(db, steady, archive=path)
    assert ages(app) == [91, 92]


def test_an_archive_is_tried_even_with_nothing_to_remove(db: Database, steady: Line, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--archive"):
        clean(db, steady, archive=tmp_path / "no" / "such")


def test_a_disk_that_fills_up_leaves_the_archive_as_it_was(
    app: Rows, db: Database, steady: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive"
    add_windows(app, uuid4(), 95)
    clean(db, steady, archive=archive)
    before = archive.read_bytes()
    add_windows(app, uuid4(), 91, 92)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr("caas_worker.aggregate.os.fsync", full)
        with pytest.raises(SettingsError, match="No space left on device"):
            clean(db, steady, archive=archive)
    assert (archive.read_bytes(), ages(app)) == (before, [91, 92])
    assert clean(db, steady, archive=archive) == 2
    assert len(archive.read_text("utf-8").splitlines()) == 3


# The command


@pytest.fixture
def run(pooled_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command: `run("--json")`; signals are left alone, for this is the tests' process."""
    monkeypatch.setenv("CAAS_DATABASE_URL", pooled_url)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    cli = typer.Typer()
    command.register(cli)

    def invoke(*arguments: str) -> Any:
        result = CliRunner().invoke(cli, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.mark.usefixtures("town")
def test_the_command_prints_a_summary(run: Run) -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 tutors, 2 succeeded, 0 failed (100.00 %)" in result.stderr


def test_json_is_one_document(town: Town, run: Run) -> None:
    nobody = uuid4()
    for flags in ([], ["--verbose"], ["--quiet"], ["--diff"]):
        result = run("--json", "--tutors", f"{town.ann}, {nobody},{town.ann}", *flags)
        said = json.loads(result.stdout)
        assert result.exit_code == 1
        assert (said["tutors"], said["successes"], said["failures"], said["success_rate"]) == (2, 1, 1, 50.0)
        assert said["errors"] == {str(nobody): "PROFILE_NOT_FOUND: there is no such profile"}
        assert [(of["profile_id"], of["ok"]) for of in said["results"]] == [(str(town.ann), True), (str(nobody), False)]
        assert said["results"][0].keys() == {"profile_id", "ok", "error", "tier", "changes"}
        assert said.keys() >= {"day", "rows", "frozen", "removed", "seconds", "interrupted"}


def test_json_tells_numbers_as_numbers(town: Town, run: Run) -> None:
    said = json.loads(run("--json", "--diff", "--date", "2026-03-10", "--tutors", str(town.ann)).stdout)
    assert said["day"] == "2026-03-10"
    assert said["results"][0]["changes"]["30day"]["avg_rating"] == {"before": None, "after": 4.5}


def test_verbose_has_a_line_for_each_tutor_and_quiet_for_failures_only(town: Town, run: Run) -> None:
    nobody = uuid4()
    everyone = ("--tutors", f"{town.ann},{town.ben},{nobody}")
    failed = f"{nobody} failed PROFILE_NOT_FOUND: there is no such profile"
    verbose = run("--verbose", *everyone)
    ann, ben, missing = verbose.stdout.splitlines()
    assert ann.startswith(f"{town.ann} ok ")
    assert ben.startswith(f"{town.ben} ok ")
    assert missing == failed
    quiet = run("--quiet", "--diff", *everyone)
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (1, f"{failed}\n", "")
    assert run("--quiet", "--diff", "--cleanup").output == ""


def test_many_failures_are_shortened_for_people(run: Run) -> None:
    result = run("--tutors", ",".join(str(uuid4()) for _ in range(25)))
    assert len(result.stdout.splitlines()) == 20
    assert "20 of 25 failures shown" in result.stderr
    assert len(run("--verbose", "--tutors", ",".join(str(uuid4()) for _ in range(25))).stdout.splitlines()) == 25


def test_diff_shows_before_and_after(town: Town, run: Run) -> None:
    first = run("--diff", "--tutors", str(town.ann), "--date", "2026-03-09")
    assert "performance_tier" in first.stdout
    assert "before" in first.stdout
    flags = [line.split("│")[2:5] for line in first.stdout.splitlines() if "flag of" in line]
    assert ["flag of avg_rating", "none", "green"] in [[cell.strip() for cell in row] for row in flags]
    again = run("--diff", "--tutors", str(town.ann), "--date", "2026-03-09")
    assert again.stdout == ""
    assert "no metric changed" in again.stderr
    assert "1 had metrics of that day, which stay as they were published" in again.stderr


def test_the_command_cleans_up_after_the_work(app: Rows, town: Town, run: Run, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    add_windows(app, town.ann, 1_000)
    result = run("--cleanup", "--retention-days", "300", "--archive", str(archive))
    assert (result.exit_code, len(archive.read_text().splitlines())) == (0, 1)
    assert "window metrics that were too old and are removed: 1" in result.stderr
    assert json.loads(run("--cleanup", "--json").stdout)["removed"] == 0


def test_an_archive_that_cannot_be_written_is_told_before_any_work(
    app: Rows, town: Town, run: Run, tmp_path: Path
) -> None:
    add_windows(app, town.ann, 1_000)
    with pytest.raises(SettingsError, match="--archive"):
        run("--cleanup", "--archive", str(tmp_path / "no" / "such"))
    assert one(app, "select count(*) from caas.tutor_scores") == 0
    assert one(app, "select count(*) from caas.tutor_performance_metrics") == 1


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--verbose", "--quiet"], "not both"),
        (["--archive", "somewhere"], "say --cleanup as well"),
        (["--date", "yesterday"], "--date yesterday: that is no day. Example"),
        (["--date", "2026-02-30"], "--date 2026-02-30: that is no day"),
        (["--date", "10000-01-01"], "that is no day"),
        (["--date", "9999-12-31"], "lies ahead"),
        (["--tutors", "ann"], "--tutors: ann is no id"),
        (["--tutors", f"{LOWEST},12"], "--tutors: 12 is no id"),
        (["--tutors", ""], "name at least one id"),
        (["--tutors", " , "], "name at least one id"),
    ],
)
def test_bad_words_are_a_sentence(app: Rows, run: Run, arguments: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        run(*arguments)
    assert sentence in str(error.value)
    assert one(app, "select count(*) from caas.recalculation_queue") == 0


@pytest.mark.usefixtures("town")
def test_an_empty_date_is_no_day(run: Run) -> None:
    with pytest.raises(SettingsError, match="that is no day"):
        run("--date", "")


@pytest.mark.parametrize("days", ["0", "-1", "36501", "many"])
def test_a_retention_out_of_range_is_refused(run: Run, days: str) -> None:
    assert run("--cleanup", "--retention-days", days).exit_code == 2


def test_an_empty_marketplace_is_a_success(run: Run) -> None:
    said = json.loads(run("--json", "--cleanup", "--include-inactive").stdout)
    assert (said["tutors"], said["rows"], said["success_rate"], said["results"]) == (0, 0, 100.0, [])


def test_a_marketplace_where_nothing_is_installed_is_said(
    database_url: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAAS_DATABASE_URL", database_url)
    with pytest.raises(CaasError, match="caas-worker migrate up"):
        run("--json")


def test_who_waits_for_further_changes_is_not_waited_for(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    patient = make_line(debounce_seconds=3600)
    patient.fold(whole=True)
    assert queue.standings(db, [tutor])[tutor].is_debounced
    assert aggregate(db, patient).successes == 1
    assert total(app, tutor) == 32


def test_who_is_tried_again_much_later_is_a_failure(app: Rows, db: Database, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    worker.drain(make_line(failing(tutor), backoff_seconds=3000), batch_size=10)
    report = aggregate(db, make_line())
    assert (report.failures, report.exit_code) == (1, 1)
    assert report.errors[str(tutor)].startswith("STRATEGY_FAILED: tried again at ")
