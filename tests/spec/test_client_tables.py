"""The edges of the client rule and of the statistics behind it (scoring 1.3), as tables of cases.

Left of the double bar stands what the application wrote (rows.py explains the words), right of it what the cached
score says: statistics, facts and flags by name, and the bucket's `points`. A dash leaves a cell out.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from caas_worker.pipeline import Line
from caas_worker.sweep import sweep
from tests.people import Rows, add, add_client, add_profile
from tests.spec.conftest import Published
from tests.spec.rows import answer, book, changes_in_time, check, review, score_at

MICROSECOND = timedelta(microseconds=1)

SETTLED = """
case                                       | bookings                                                  || settled_bookings | attended_bookings | cancelled_bookings | provisional | points
no booking is provisional                  | -                                                         || 0                | 0                 | 0                  | yes         | 50
the first one ends that                    | 1 Completed + free                                        || 1                | 1                 | 0                  | null        | 50
cancelled by the client                    | 1 Cancelled + cancelled by client + free                  || 1                | 0                 | 1                  | null        | 10
cancelled by nobody in particular          | 1 Cancelled + free                                        || 1                | 0                 | 0                  | null        | 25
missed by the client                       | 1 No-show + missed by client + free                       || 1                | 0                 | 0                  | null        | 25
missed by nobody in particular             | 1 No-show + free                                          || 1                | 0                 | 0                  | null        | 25
only a cancelled one was cancelled         | 1 Completed + cancelled by client + free                  || 1                | 1                 | 0                  | null        | 50
not one that was missed, either            | 1 No-show + cancelled by client + free                    || 1                | 0                 | 0                  | null        | 25
the tutor cancelled                        | 1 Cancelled + cancelled by tutor                          || 0                | 0                 | 0                  | yes         | 50
the tutor stayed away                      | 1 No-show + missed by tutor                               || 0                | 0                 | 0                  | yes         | 50
the tutor cancelled, whatever became of it | 1 Completed + cancelled by tutor                          || 0                | 0                 | 0                  | yes         | 50
missed after the tutor cancelled           | 1 No-show + cancelled by tutor + missed by client         || 0                | 0                 | 0                  | yes         | 50
the tutor missed, whatever became of it    | 1 Completed + missed by tutor                             || 0                | 0                 | 0                  | yes         | 50
cancelled after the tutor missed           | 1 Cancelled + cancelled by client + missed by tutor       || 0                | 0                 | 0                  | yes         | 50
the tutor's fault weighs nothing           | 1 Completed + free, 3 Cancelled + cancelled by tutor      || 1                | 1                 | 0                  | null        | 50
pending is not settled                     | 1 Pending                                                 || 0                | 0                 | 0                  | yes         | 50
confirmed is not settled                   | 1 Confirmed                                               || 0                | 0                 | 0                  | yes         | 50
not yet logged is not settled              | 1 Pending log                                             || 0                | 0                 | 0                  | yes         | 50
rescheduled is not settled                 | 1 Rescheduled + cancelled by client                       || 0                | 0                 | 0                  | yes         | 50
what is open weighs nothing                | 1 Cancelled + cancelled by client + free, 3 Confirmed     || 1                | 0                 | 1                  | null        | 10
one of each                                | 1 Completed, 1 Cancelled + cancelled by client, 2 No-show || 4                | 1                 | 1                  | null        | 18
"""  # noqa: E501

PAYMENTS = """
case                            | bookings                                                                             || payable_bookings | paid_bookings | points
all paid                        | 2 Completed + paid                                                                   || 2                | 2             | 50
the label paid is not payment   | 2 Completed + labelled paid                                                          || 2                | 0             | 40
and does not hinder it          | 2 Completed + labelled paid + paid                                                   || 2                | 2             | 50
nothing payable                 | 2 Completed + free                                                                   || 0                | 0             | 50
free help is left out           | 1 Completed, 1 Completed + free + paid                                               || 1                | 0             | 40
only Succeeded is paid          | 1 Completed + paid, 1 Completed + owed, 1 Completed + failed, 1 Completed + refunded || 4                | 1             | 43
halves go up                    | 3 Completed + paid, 1 Completed                                                      || 4                | 3             | 48
a cancelled booking can be paid | 1 Cancelled + cancelled by client + paid                                             || 1                | 1             | 10
a missed booking can be owed    | 1 No-show + missed by client                                                         || 1                | 0             | 15
what is not settled is not owed | 1 Completed + paid, 2 Confirmed, 1 Cancelled + cancelled by tutor                    || 1                | 1             | 50
nor paid                        | 1 Completed, 2 Confirmed + paid, 1 Cancelled + cancelled by tutor + paid             || 1                | 0             | 40
"""  # noqa: E501


@pytest.mark.parametrize("table", [SETTLED, PAYMENTS], ids=["settled", "payments"])
def test_settled_bookings_earn_reliability_points(app: Rows, published: Published, table: str) -> None:
    def write(bookings: str = "") -> UUID:
        client = add_client(app)
        book(app, client, bookings)
        return client

    check(published, table, write, "reliability")


ROUNDED_BY_ITSELF = """
case                | bookings                             | ratings       || reliability | reviews | total_score
rounded up before   | 3 Completed + paid, 1 Completed      | 5, 5, 5, 4    || 48          | 28.5    | 77
rounded down before | 1 Completed + paid, 2 No-show + paid | 5, 5, 4, 4, 4 || 33          | 26.4    | 59
"""


def test_reliability_is_rounded_before_the_sum_is(app: Rows, published: Published) -> None:
    def write(bookings: str, ratings: str) -> UUID:
        client = add_client(app)
        book(app, client, bookings)
        review(app, client, ratings)
        return client

    check(published, ROUNDED_BY_ITSELF, write, "reviews")


REVIEWS = """
case                          | ratings             || avg_rating  | points
no review                     | -                   || 0           | 0
the worst                     | 1                   || 1           | 6
the best                      | 5                   || 5           | 30
the mean of all               | 5, 4, 4             || 4.333333333 | 26
whoever reviewed              | tutor 5, tutor 3, 4 || 4           | 24
one's own review is ignored   | 3, own 5            || 3           | 18
only one's own review is none | own 5               || 0           | 0
"""


def test_ratings_received_earn_review_points(app: Rows, published: Published) -> None:
    def write(ratings: int | str = "") -> UUID:
        client = add_client(app)
        review(app, client, str(ratings))
        return client

    check(published, REVIEWS, write, "reviews")


PROFILES = """
case                       | bio           | avatar             || long_bio | avatar | points
nothing                    | -             | -                  || no       | no     | 0
fifty characters           | 50 x          | -                  || no       | no     | 0
fifty-one                  | 51 x          | -                  || yes      | no     | 5
characters and not bytes   | 50 é          | -                  || no       | no     | 0
fifty-one blanks           | 51 blank      | -                  || no       | no     | 0
blanks count with the rest | 50 blank, 1 x | -                  || yes      | no     | 5
an avatar                  | -             | "https://a.test/1" || no       | yes    | 5
an empty avatar            | -             | ""                 || no       | no     | 0
a blank avatar             | -             | " \\n"             || no       | no     | 0
both                       | 400 x         | "https://a.test/1" || yes      | yes    | 10
"""


def test_a_long_bio_and_an_avatar_earn_engagement_points(app: Rows, published: Published) -> None:
    def write(bio: str | None = None, avatar: str | None = None) -> UUID:
        parts = re.findall(r"(\d+) (\w+)", bio or "")
        text = "".join(int(number) * {"blank": " "}.get(sign, sign) for number, sign in parts)
        return add_profile(app, "CLIENT", bio=text if bio else None, avatar_url=avatar)

    check(published, PROFILES, write, "engagement")


NAMED = ["platform_events.metadata.response_time_minutes"]

ANSWERS = """
case                            | minutes             || median_response_minutes | unforeseen | points
no answer                       | -                   || null                    | null       | 0
at once                         | [0]                 || 0                       | null       | 10
after six hours                 | [360]               || 360                     | null       | 7.5
the middle one of an odd number | [1440, 0, 720]      || 720                     | null       | 5
between two of an even number   | [1440, 0, 480, 960] || 720                     | null       | 5
and not only whole minutes      | [0.5, 1]            || 0.75                    | null       | 9.994791667
the median, not the mean        | [0, 0, 9000]        || 0                       | null       | 10
a minute less than a day        | [1439]              || 1439                    | null       | 0.006944444
a day                           | [1440]              || 1440                    | null       | 0
more than a day                 | [1441]              || 1441                    | null       | 0
far more than a day             | [3000000000]        || 1000000000              | null       | 0
a negative time is ignored      | [-1]                || null                    | null       | 0
among others, too               | [-5, -1, 360]       || 360                     | null       | 7.5
no time given                   | [null]              || null                    | null       | 0
among others, no zero           | [null, 360]         || 360                     | null       | 7.5
a text                          | ["5"]               || null                    | named      | 0
a truth value                   | [true]              || null                    | named      | 0
a list                          | [[5]]               || null                    | named      | 0
an object                       | [{"minutes": 5}]    || null                    | named      | 0
the rest still counts           | ["5", false, 360]   || 360                     | named      | 7.5
"""


def test_the_median_time_to_answer_earns_engagement_points(app: Rows, published: Published) -> None:
    def write(minutes: list[Any] | None = None) -> UUID:
        client = add_client(app)
        for each in minutes or ():
            answer(app, client, json.dumps(each))
        return client

    check(published, ANSWERS.replace("named ", json.dumps(NAMED)), write, "engagement")


@pytest.mark.parametrize("metadata", [None, "{}", "[]", "7", '"late"', "null", '[{"response_time_minutes": 5}]'])
def test_an_answer_without_a_time_is_none(app: Rows, published: Published, metadata: str | None) -> None:
    client = add_client(app)
    app.execute(
        "insert into platform_events (profile_id, event_type, occurred_at, metadata) "
        "values (%s, 'message_response', now(), %s)",
        (client, metadata),
    )
    known = published(client)["score_inputs"]
    assert (known["median_response_minutes"], "unforeseen" in known) == (None, False)


@pytest.mark.parametrize("event", ["login", "page_view", "MESSAGE_RESPONSE"])
def test_other_events_are_no_answers(app: Rows, published: Published, event: str) -> None:
    client = add_client(app)
    answer(app, client, "5", event=event)
    answer(app, client, '"5"', event=event)
    answer(app, add_client(app), "5")
    known = published(client)["score_inputs"]
    assert (known["median_response_minutes"], "unforeseen" in known) == (None, False)


@pytest.mark.parametrize(
    ("minutes", "points"),
    [
        ("1e400", 0),
        ("9" * 1000, 0),
        ("1e-300", 10),
        ("-1e400", 0),
        ("1e-400", 10),
    ],
    ids=lambda value: str(value)[:8],
)
def test_a_time_of_any_size_does_no_harm(app: Rows, published: Published, minutes: str, points: float) -> None:
    client = add_client(app)
    answer(app, client, minutes)
    assert published(client)["score_breakdown"]["engagement"] == points


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("2025-09-16T08:30Z", "2026-03-16T08:30Z"),
        ("2025-08-31T08:30Z", "2026-02-28T08:30Z"),
        ("2023-08-31T08:30Z", "2024-02-29T08:30Z"),
        ("2025-12-31T23:30Z", "2026-06-30T23:30Z"),
        ("2025-08-30T13:00Z", "2026-02-28T13:00Z"),
    ],
)
def test_bookings_and_answers_count_for_six_calendar_months(app: Rows, line: Line, begins: str, ends: str) -> None:
    start, end = datetime.fromisoformat(begins), datetime.fromisoformat(ends)
    booked, answered = add_client(app), add_client(app)
    book(app, booked, "1 No-show + missed by client", start)
    answer(app, answered, "720", start)
    gone = end + MICROSECOND
    seen = []
    for moment in (start - MICROSECOND, start, end, gone):
        booking, event = (score_at(app, line, client, moment) for client in (booked, answered))
        points = booking["score_breakdown"]["reliability"], event["score_breakdown"]["engagement"]
        seen.append((*points, booking["next_due_at"], event["next_due_at"]))
    assert seen == [(50, 0, start, start), (15, 5, gone, gone), (15, 5, gone, gone), (50, 0, None, None)]


def test_next_due_at_leads_from_one_change_in_time_to_the_next(app: Rows, line: Line) -> None:
    client = add_client(app)
    september, october = datetime(2025, 9, 1, 10, tzinfo=UTC), datetime(2025, 10, 1, 10, tzinfo=UTC)
    march, april = datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 4, 1, 10, tzinfo=UTC)
    book(app, client, "1 Completed", september)
    book(app, client, "1 Cancelled + cancelled by client", october)
    assert changes_in_time(app, line, client, september - MICROSECOND, "reliability") == [
        (september, 40),
        (october, 20),
        (march + MICROSECOND, 0),
        (april + MICROSECOND, 50),
    ]
    answer(app, client, "0", september)
    answer(app, client, "1440", october)
    assert changes_in_time(app, line, client, september - MICROSECOND, "engagement") == [
        (september, 10),
        (october, 5),
        (march + MICROSECOND, 0),
        (april + MICROSECOND, 0),
    ]


def test_what_never_counts_makes_no_score_fall_due(app: Rows, line: Line) -> None:
    client = add_client(app)
    now = datetime.now(UTC)
    for start in (now - timedelta(days=1), now + timedelta(days=1)):
        book(app, client, "1 Confirmed, 1 Pending, 1 Pending log, 1 Rescheduled", start)
        book(app, client, "1 Cancelled + cancelled by tutor, 1 No-show + missed by tutor", start)
        answer(app, client, "-1", start)
        answer(app, client, "null", start)
        answer(app, client, "5", start, event="login")
    book(app, client, "1 Completed", now - timedelta(days=200))
    for never in ("infinity", "-infinity"):
        add(app, "platform_events", profile_id=client, event_type="message_response", occurred_at=never)
    assert score_at(app, line, client, now)["next_due_at"] is None


def test_the_sweep_takes_a_booking_out_that_became_too_old(app: Rows, line: Line, published: Published) -> None:
    client = add_client(app)
    book(app, client, "1 No-show + missed by client", datetime(2025, 8, 31, 10, tzinfo=UTC))
    end = datetime(2026, 2, 28, 10, tzinfo=UTC)
    assert score_at(app, line, client, end)["total_score"] == 15
    swept = "select swept from caas.scores where profile_id = %s"
    sweep(line.db, 1000, end)
    assert app.execute(swept, (client,)).fetchone() == (False,)
    assert sweep(line.db, 1000, end + MICROSECOND) >= 1
    assert app.execute(swept, (client,)).fetchone() == (True,)
    marks = app.execute("select reason, priority, changed_at from caas.changes where profile_id = %s", (client,))
    assert marks.fetchall() == [("time", 50, end + MICROSECOND)]
    assert published(client)["total_score"] == 50
    assert app.execute(swept, (client,)).fetchone() == (False,)
