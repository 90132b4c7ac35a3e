"""Cells and quality scores against workers that come too late, and readers that come in between."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.rows import dict_row

from caas_worker import appraisal, worker
from caas_worker.model import Claim
from caas_worker.pipeline import Line
from tests.conftest import Connect
from tests.interleaving import meanwhile, one, until, waiting
from tests.people import (
    Rows,
    add_client,
    add_event,
    add_listing,
    add_no_show,
    add_profile,
    add_review,
    add_session,
    add_transcript,
    add_tutor,
)
from tests.proof.tables import PUBLISHED, QualityTables

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUEUE = ("caas.changes", "caas.recalculation_queue", "caas.touched_cells", "caas.dead_entries")

MakeLine = Callable[..., Line]


def at(line: Line, now: datetime) -> Line:
    """That worker with a clock that stands still."""
    return replace(line, clock=lambda _: now)


@pytest.fixture
def older(make_line: MakeLine) -> Line:
    return at(make_line(), NOW)


@pytest.fixture
def newer(make_line: MakeLine) -> Line:
    return at(make_line(), NOW)


def take(line: Line) -> Claim:
    while line.fold(whole=True).found_any:
        pass
    return line.claimant.claim(100, whole=True)


def lapse(app: Rows, line: Line) -> None:
    """Every lease ends, and this worker notices."""
    app.execute("update caas.recalculation_queue set lease_until = clock_timestamp() - interval '1 s'")
    line.wake(whole=True)


def drain(line: Line) -> None:
    assert worker.drain(line, batch_size=100).failed == 0


def all_is_true(app: Rows) -> None:
    """Nothing is left to do, and every table is what the rows say."""
    assert [one(app, f"select count(*) from {table}") for table in QUEUE] == [0] * len(QUEUE)
    QualityTables.load(app).compare(NOW)
    cells = "select * from caas.pair_cells order by profile_id, bucket, other_id"
    counted = "select * from caas.count_pairs(array(select id from profiles)) order by profile_id, bucket, other_id"
    assert app.execute(cells.encode()).fetchall() == app.execute(counted.encode()).fetchall()


# Workers that come too late


@dataclass(frozen=True)
class School:
    """A tutor with something of everything, and another to whom it may move."""

    app: Rows
    tutor: UUID
    listing: UUID
    others: UUID
    client: UUID
    first: UUID
    second: UUID
    novice: UUID
    """Who has sessions already, and is about to become a tutor."""

    @classmethod
    def founded(cls, app: Rows) -> "School":
        tutor, client = add_tutor(app), add_client(app)
        listing = add_listing(app, tutor)
        first = add_session(app, listing, client, NOW - 20 * DAY, session_number=1)
        second = add_session(app, listing, client, NOW - DAY, late=3)
        add_transcript(app, first, "goal", "share")
        add_review(app, client, tutor, 5, booking_id=first)
        add_no_show(app, listing, client, NOW - DAY)
        add_event(app, tutor, NOW - DAY, 30)
        novice = add_profile(app, "CLIENT")
        add_transcript(app, add_session(app, add_listing(app, novice), client, NOW - 20 * DAY))
        return cls(app, tutor, listing, add_listing(app, add_tutor(app)), client, first, second, novice)


CHANGES = (
    "update bookings set status = 'No-show', no_show_by = 'tutor' where listing_id = '{listing}'",
    "update bookings set scheduled_start = scheduled_start - interval '9 days' where id = '{second}'",
    "update bookings set listing_id = '{others}' where id = '{first}'",
    "update listings set profile_id = (select profile_id from listings where id = '{others}') where id = '{listing}'",
    "delete from bookings where id = '{first}'",
    "update bookings set client_id = null where id = '{second}'",
    "update profile_reviews set rating = 1 where booking_id = '{first}'",
    "delete from profile_reviews where booking_id = '{first}'",
    "delete from session_transcripts where booking_id = '{first}'",
    'update session_transcripts set turns = \'[{{"speaker": "tutor", "text": "hi"}}]\' where booking_id = \'{first}\'',
    "update platform_events set occurred_at = occurred_at - interval '5 days' where profile_id = '{tutor}'",
    "update profiles set roles = '{{CLIENT}}' where id = '{tutor}'",
    "update profiles set roles = '{{TUTOR}}' where id = '{novice}'",
    "delete from profiles where id = '{tutor}'",
    "delete from profiles where id = '{client}'",
)


def snapshot(app: Rows) -> list[Any]:
    """Every row of ours and where it stands."""
    tables = ("caas.pair_cells", "caas.pair_sums", "caas.cell_states", "caas.daily_events", "caas.scores",
              *PUBLISHED, *QUEUE)  # fmt: skip
    query = "select ctid::text, xmin::text, t.* from {} as t order by t.ctid"
    return [app.execute(query.format(table).encode()).fetchall() for table in tables]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("computed", [False, True])
def test_a_worker_that_lost_its_lease_writes_nothing(
    app: Rows, older: Line, newer: Line, known: bool, computed: bool
) -> None:
    """It stood still before its cells, or between its cells and its publishing."""
    for change in CHANGES:
        school = School.founded(app)
        if known:
            drain(newer)
            app.execute("select caas.enqueue_everyone('test', 90)")
        claim = take(older)
        assert school.tutor in claim.profile_ids
        scored = older.score(claim) if computed else None
        app.execute(change.format(**vars(school)).encode())
        lapse(app, newer)
        drain(newer)
        all_is_true(app)
        stands = snapshot(app)
        batch = older.publish(claim, scored or older.score(claim))
        older.claimant.settle()
        assert batch.endings == {"lost": len(claim.entries)}, change
        assert snapshot(app) == stands, change


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("computed", [False, True])
def test_a_worker_that_lost_its_lease_to_one_that_is_not_ready_yet(
    app: Rows, older: Line, newer: Line, known: bool, computed: bool
) -> None:
    """The late one takes nothing away of what the other is about to write."""
    for change in CHANGES:
        school = School.founded(app)
        if known:
            drain(newer)
            app.execute("update bookings set tech_issue = true where id in (%s, %s)", (school.first, school.second))
            app.execute("select caas.enqueue(array[%s::uuid], 'test')", (school.novice,))
        claim = take(older)
        scored = older.score(claim) if computed else None
        lapse(app, newer)
        app.execute(change.format(**vars(school)).encode())
        taken = take(newer)
        half = newer.score(taken)
        batch = older.publish(claim, scored or older.score(claim))
        older.claimant.settle()
        assert batch.endings == {"lost": len(claim.entries)}, change
        newer.publish(taken, half)
        newer.claimant.settle()
        drain(newer)
        all_is_true(app)


@pytest.mark.parametrize("computed", [False, True])
def test_a_change_while_a_batch_is_under_way_is_computed_again(
    app: Rows, older: Line, newer: Line, computed: bool
) -> None:
    for change in CHANGES:
        school = School.founded(app)
        claim = take(older)
        scored = older.score(claim) if computed else None
        app.execute(change.format(**vars(school)).encode())
        if computed:
            newer.fold(whole=True)
        older.publish(claim, scored or older.score(claim))
        older.claimant.settle()
        drain(newer)
        all_is_true(app)


# A session that moves to another tutor while both are computed


def alone(school: School, newer: Line) -> None:
    """Everyone who is marked is computed but the tutor."""
    newer.fold(whole=True)
    school.app.execute("update caas.recalculation_queue set priority = 0 where profile_id <> %s", (school.tutor,))
    for _ in range(one(school.app, "select count(*) from caas.recalculation_queue where priority = 0")):
        newer.run_batch(1, whole=True)


def move_and_overtake(school: School, session: UUID, newer: Line) -> None:
    """The session moves, and its new tutor is computed before the old one is even marked.

    Two folders may share the marks of one statement: each takes what the other has not locked.
    """
    school.app.execute("update bookings set listing_id = %s where id = %s", (school.others, session))
    marks = one(school.app, "select array_agg(id) from caas.changes where listing_id = %s", school.others)
    school.app.execute("select caas.fold(100, 0, %s)", (marks,))
    assert newer.run_batch(100, whole=True)


def test_a_first_session_that_moves_before_its_risk_is_written(
    app: Rows, older: Line, newer: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = School.founded(app)
    drain(newer)
    session = add_session(app, school.listing, add_client(app), NOW - HOUR, actual_end=None)
    add_transcript(app, session, "goal", "share")
    alone(school, newer)
    claim = take(older)
    scored = older.score(claim)
    read = appraisal.read
    moved: list[UUID] = []

    def move_then_read(*arguments: Any) -> Any:
        if not moved:
            moved.append(session)
            move_and_overtake(school, session, newer)
        return read(*arguments)

    monkeypatch.setattr(appraisal, "read", move_then_read)
    older.publish(claim, scored)
    older.claimant.settle()
    drain(newer)
    assert moved
    all_is_true(app)


def test_a_session_that_moves_before_its_quality_is_written(
    app: Rows, connect: Connect, older: Line, newer: Line
) -> None:
    """The statement that judges the old tutor's sessions has seen it, and waits for another session's row."""
    school = School.founded(app)
    drain(newer)
    waited_for, session = (add_session(app, school.listing, None, NOW - HOUR, id=UUID(int=number)) for number in (1, 2))
    alone(school, newer)
    claim = take(older)
    scored = older.score(claim)
    holding = connect(autocommit=False)
    holding.execute(
        "insert into caas.session_scores values (%s, 'sqs', %s, null, now(), 0, 'risk', '{}', 'sqs-v1', now())",
        (waited_for, school.tutor),
    )
    with meanwhile(lambda: older.publish(claim, scored), finally_=holding.rollback):
        until(lambda: waiting(app), "the old tutor's batch to wait")
        move_and_overtake(school, session, newer)
    older.claimant.settle()
    drain(newer)
    all_is_true(app)


# Readers that come in between

ONE_MOMENT = """
    select
        c.calculated_at as credibility_at,
        (c.score_inputs ->> 'completed_sessions')::integer as credibility_sessions,
        s.performance_tier as tier,
        s.taught_until,
        m.performance_tier as shown_tier,
        m.sessions_completed,
        array(
            select distinct t.calculated_at from caas.tutor_scores as t where t.profile_id = c.profile_id
        ) as scores_at,
        array(
            select distinct w.calculated_at
            from caas.tutor_performance_metrics as w
            where w.profile_id = c.profile_id and w.calculation_date = m.calculation_date
        ) as metrics_at,
        (
            select t.calculated_at from caas.tutor_performance_summaries as t where t.profile_id = c.profile_id
        ) as summary_at,
        (
            select t.level from caas.tutor_scores as t where t.profile_id = c.profile_id and t.score_type = 'ths'
        ) as health,
        (
            select count(*) from caas.tutor_alerts as a
            where a.profile_id = c.profile_id and a.alert_type = 'high_reliability_risk' and a.status = 'open'
        ) as alerts,
        (
            select coalesce(sum(d.sessions_completed), 0) from caas.tutor_daily_aggregates as d
            where d.profile_id = c.profile_id
        ) as taught,
        (
            select count(*) from caas.session_scores as q where q.profile_id = c.profile_id and q.score_type = 'sqs'
        ) as judged
    from caas.scores as c
    inner join caas.cell_states as s on s.profile_id = c.profile_id
    inner join lateral (
        select w.*
        from caas.tutor_performance_metrics as w
        where w.profile_id = c.profile_id and w.time_window = '30day'
        order by w.calculation_date desc
        limit 1
    ) as m on true
    where c.profile_id = %s
"""


def fault(row: dict[str, Any]) -> str | None:
    """What of a tutor was not computed together."""
    at = row["credibility_at"]
    times = [*row["scores_at"], *row["metrics_at"], row["summary_at"], row["taught_until"]]
    if times != [at] * len(times):
        return f"computed at {at}, but also at {times}"
    if row["tier"] != row["shown_tier"]:
        return f"tier {row['tier']} and {row['shown_tier']}"
    if (row["health"] == "high_risk") != bool(row["alerts"]):
        return f"{row['health']} with {row['alerts']} alerts"
    counts = {row[name] for name in ("credibility_sessions", "sessions_completed", "taught", "judged")}
    return None if len(counts) == 1 else f"{counts} sessions"


def test_a_reader_sees_figures_of_one_computation(app: Rows, connect: Connect, older: Line) -> None:
    tutor, client = add_tutor(app), add_client(app)
    listing = add_listing(app, tutor)
    add_session(app, listing, client, NOW - DAY)
    drain(older)
    reader = connect().cursor(row_factory=dict_row)
    over = threading.Event()

    def read() -> set[datetime]:
        seen = set()
        while not over.is_set():
            [row] = reader.execute(ONE_MOMENT.encode(), (tutor,)).fetchall()
            assert fault(row) is None
            seen.add(row["credibility_at"])
        return seen

    with meanwhile(read, finally_=over.set) as reading:
        for number in range(40):
            if reading.done():
                break
            now = NOW + number * timedelta(minutes=17)
            if number % 4 == 3:
                app.execute("delete from bookings where status = 'No-show'")
            else:
                add_no_show(app, listing, client, now - HOUR)
            add_session(app, listing, client, now - HOUR)
            drain(at(older, now))
    assert len(reading.result()) > 10
