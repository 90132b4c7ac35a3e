"""What the application's columns can hold and nobody expects: nobody is set aside because of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from caas_worker import worker
from caas_worker.pipeline import Line
from caas_worker.quality.rules import QualityRules
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from tests.interleaving import one
from tests.people import Rows, add_booking, add_client, add_event, add_listing, add_profile, add_session, add_tutor

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

FAR = (
    "-infinity",
    "4714-11-24 00:00:00+00 BC",
    "4714-11-25 12:00:00+00 BC",
    "0001-01-01 00:00:00+00 BC",
    "0001-01-01 00:00:00+00",
    "0001-01-03 00:00:00+00",
    "9998-12-31 23:59:59.999999+00",
    "9999-12-31 23:59:59.999999+00",
    "294276-12-31 23:59:59.999999+00",
    "infinity",
)
ZONES = ("UTC", "America/New_York", "Pacific/Kiritimati")

Work = Callable[..., None]


@pytest.fixture
def work(line: Line) -> Work:
    """Drains; nobody fails or is left: `work()`, `work("Asia/Tokyo")`."""

    def run(zone: str = "UTC") -> None:
        registry = Registry([TutorStrategy()], QualityRules(zone=zone))
        done = worker.drain(replace(line, registry=registry, clock=lambda _: NOW), batch_size=100)
        assert (done.failed, done.remaining) == (0, 0)

    return run


def taught(app: Rows) -> dict[UUID, int]:
    """How many sessions each tutor's days hold."""
    return dict(app.execute("select profile_id, sum(sessions) from caas.tutor_daily_aggregates group by 1").fetchall())


# Far dates


def add_school(app: Rows) -> tuple[UUID, UUID]:
    """A tutor who taught an hour ago, and the session."""
    tutor = add_tutor(app)
    return tutor, add_session(app, add_listing(app, tutor), add_client(app), NOW - HOUR)


FAR_DATES = {
    "the only session's start": "update bookings set scheduled_start = '{}' where id = '{session}'",
    "another session's start": (
        "insert into bookings (listing_id, client_id, status, scheduled_start, scheduled_end) "
        "select listing_id, client_id, 'Completed', '{}', scheduled_end from bookings where id = '{session}'"
    ),
    "its end": "update bookings set scheduled_end = '{}' where id = '{session}'",
    "when it began": "update bookings set actual_start = '{}' where id = '{session}'",
    "when it ended": "update bookings set actual_end = '{}' where id = '{session}'",
    "a log-in": "update platform_events set occurred_at = '{}' where profile_id = '{tutor}'",
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("known", [True, False], ids=["a day", "every day"])
def test_a_date_at_the_far_ends_of_the_calendar_fails_nobody(app: Rows, work: Work, zone: str, known: bool) -> None:
    """Days that a mark names are written singly, those of a tutor who is not known yet all together."""
    tutors = {}
    for statement in FAR_DATES.values():
        for far in FAR:
            tutor, session = add_school(app)
            add_event(app, tutor, NOW - HOUR)
            tutors[statement.format(far, tutor=tutor, session=session)] = tutor
    if known:
        work(zone)
    for change in tutors:
        app.execute(change.encode())
    work(zone)
    sessions = taught(app)
    for change, tutor in tutors.items():
        is_moved_out = "set scheduled_start" in change and "0001-01-03" not in change
        is_one_more = "insert" in change and "0001-01-03" in change
        assert sessions.get(tutor, 0) == 1 - is_moved_out + is_one_more, change


# Numbers


@pytest.mark.parametrize(
    ("engagement", "counted"),
    [("1e-400", 0), ("0.00000000049", 0), ("1", 1), ("0.5", 0.5), ("-1e-400", None), ("1e400", None), ("NaN", None)],
)
def test_an_engagement_of_any_size_is_counted_or_left_out(
    app: Rows, work: Work, engagement: str, counted: float | None
) -> None:
    """Also where the application has no constraint on it. Punctual, and without any log-in."""
    app.execute("alter table bookings drop constraint an_engagement_score_is_a_fraction")
    tutor, session = add_school(app)
    app.execute("update bookings set engagement_score = %s::numeric where id = %s", (engagement, session))
    work()
    assert one(app, "select engagement_sum from caas.tutor_daily_aggregates") == (counted or 0)
    assert one(app, "select engagement_count from caas.tutor_daily_aggregates") == (counted is not None)
    query = (
        "select engagement_score from caas.tutor_performance_metrics where profile_id = %s and time_window = '30day'"
    )
    assert one(app, query, tutor) == 40 * (0.5 if counted is None else counted) + 20


@pytest.mark.parametrize(
    ("late", "engagement"), [(timedelta(minutes=10), 40), (timedelta(minutes=10, microseconds=1), 20)]
)
def test_ten_minutes_late_is_on_time_to_the_microsecond(
    app: Rows, work: Work, late: timedelta, engagement: int
) -> None:
    _, session = add_school(app)
    app.execute("update bookings set actual_start = scheduled_start + %s where id = %s", (late, session))
    work()
    assert (
        one(app, "select engagement_score from caas.tutor_performance_metrics where time_window = '7day'") == engagement
    )


@pytest.mark.parametrize(("minutes", "answers"), [("-0.0000001", 0), ("-0.0", 1), ("0.0000001", 1), ("1e400", 1)])
def test_an_answer_before_its_message_counts_nowhere(app: Rows, work: Work, minutes: str, answers: int) -> None:
    tutor, _ = add_school(app)
    answer = add_event(app, tutor, NOW - HOUR, 5)
    metadata = f'{{"response_time_minutes": {minutes}}}'
    app.execute("update platform_events set metadata = %s::jsonb where id = %s", (metadata, answer))
    work()
    assert app.execute("select responses from caas.daily_events").fetchall() == [(1,)] * answers


# Ids

CLIENTS = 300


def test_clients_whose_ids_end_alike_are_spread_over_the_buckets(app: Rows, work: Work) -> None:
    """As those of some generators do; in one bucket, each change of a client would sum all of them."""
    listing = add_listing(app, add_tutor(app))
    for number in range(CLIENTS):
        add_booking(app, listing, add_profile(app, "CLIENT", id=UUID(int=(number + 1) << 64 | 0x7F)))
    work()
    assert one(app, "select count(*) from caas.pair_cells where bucket < 256") == CLIENTS
    assert one(app, "select count(*) from caas.pair_sums where bucket < 256") > 100
    assert one(app, "select max(n) from (select count(*) as n from caas.pair_cells group by bucket) as b") < 12
