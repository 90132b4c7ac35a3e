"""The edges of the agent rule and of the statistics behind it (scoring 1.4), as tables of cases.

Left of the double bar stands what the application wrote (rows.py explains the words), right of it what the cached
score says: statistics, facts and flags by name, and the bucket's `points`. A dash leaves a cell out.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from caas_worker.pipeline import Line
from tests.people import Rows, add_booking, add_client, add_listing, add_profile, add_tutor
from tests.spec.conftest import Published
from tests.spec.rows import changes_in_time, check, recruit, refer, review, score_at, teach

MICROSECOND = timedelta(microseconds=1)
NINETY_DAYS = timedelta(hours=90 * 24)

RECRUITS = """
case                            | recruits                   || recruits | recent_recruits | points
nobody                          | -                          || 0        | 0               | 0
a tutor                         | 1 TUTOR                    || 1        | 1               | 3.2
a tutor in any case             | 1 tuToR                    || 1        | 1               | 3.2
a tutor among other roles       | 1 Agent+client+Tutor       || 1        | 1               | 3.2
a tutor without verification    | 1 TUTOR unverified         || 1        | 1               | 3.2
clients, agents and staff       | 3 CLIENT, 1 AGENT, 1 STAFF || 0        | 0               | 0
part of a role                  | 1 TUTOR_TRAINEE            || 0        | 0               | 0
no answer yet                   | 1 TUTOR PENDING            || 0        | 0               | 0
blocked                         | 1 TUTOR BLOCKED            || 0        | 0               | 0
a friend                        | 1 TUTOR SOCIAL             || 0        | 0               | 0
recruited by a tutor            | 1 TUTOR back               || 0        | 0               | 0
twice the same                  | 1 TUTOR again              || 1        | 1               | 3.2
gained long ago                 | 1 TUTOR old                || 1        | 0               | 1.2
gained long ago, referred again | 1 TUTOR old again          || 1        | 0               | 1.2
asked long ago, gained now      | 1 TUTOR asked              || 1        | 1               | 3.2
three gained now                | 3 TUTOR                    || 3        | 3               | 9.6
four                            | 4 TUTOR                    || 4        | 4               | 12.8
five                            | 5 TUTOR                    || 5        | 5               | 14
nine in all                     | 9 TUTOR old                || 9        | 0               | 10.8
ten                             | 10 TUTOR old               || 10       | 0               | 12
eleven                          | 11 TUTOR old               || 11       | 0               | 12
all there is                    | 7 TUTOR old, 4 TUTOR       || 11       | 4               | 20
"""


def test_recruits_earn_growth_points(app: Rows, published: Published) -> None:
    def write(recruits: str = "") -> UUID:
        agent = add_profile(app, "AGENT")
        recruit(app, agent, recruits)
        return agent

    check(published, RECRUITS, write, "growth")


TEAMS = """
case                    | recruits                    || recruits | scored_recruits | team_score | points
nobody                  | -                           || 0        | 0               | null       | 0
a new tutor of 39       | 1 TUTOR                     || 1        | 1               | 39         | 13.65
an unverified tutor's 0 | 1 TUTOR unverified          || 1        | 1               | 0          | 0
counts like any other   | 2 TUTOR, 1 TUTOR unverified || 3        | 3               | 26         | 9.1
others' scores do not   | 1 TUTOR, 1 CLIENT, 1 AGENT  || 1        | 1               | 39         | 13.65
"""


def test_published_scores_of_recruits_earn_quality_points(app: Rows, published: Published) -> None:
    def write(recruits: str = "") -> UUID:
        agent = add_profile(app, "AGENT")
        recruit(app, agent, recruits)
        return agent

    check(published, TEAMS, write, "team_quality")


def test_a_recruit_without_a_score_is_left_out_of_the_mean(app: Rows, published: Published) -> None:
    agent = add_profile(app, "AGENT")
    recruits = recruit(app, agent, "2 TUTOR, 1 TUTOR unverified")
    assert team(published(agent)) == (3, 3, 26)
    for gone, expected in zip(recruits, [(3, 2, 19.5), (3, 1, 0), (3, 0, None)], strict=True):
        app.execute("delete from caas.scores where profile_id = %s", (gone,))
        app.execute("select caas.enqueue(array[%s], 'test')", (agent,))
        assert team(published(agent)) == expected


def team(score: dict[str, Any]) -> tuple[int, int, float | None]:
    known = score["score_inputs"]
    return known["recruits"], known["scored_recruits"], known["team_score"]


POOLED = """
case                            | first                                                   | ratings  | second                         | others || team_sessions | team_rating | team_retention | points
nothing                         | -                                                       | -        | -                              | -      || 0             | 0           | 0              | 0
sessions of both                | 4 unrecorded                                            | -        | 5 recorded                     | -      || 9             | 0           | 0              | 3.333333333
neither free nor open ones      | 4 unrecorded, 3 free, 2 pending                         | -        | 5 recorded, 1 booked, 1 missed | -      || 9             | 0           | 0              | 3.333333333
every rating weighs the same    | -                                                       | 5, 5, 5  | -                              | 1      || 0             | 4           | 0              | 8
one's own does not              | -                                                       | 3, own 5 | -                              | own 1  || 0             | 3           | 0              | 6
every client weighs the same    | 2 free, 1 free with a                                   | -        | -                              | -      || 0             | 0           | 0              | 0
three of four came back         | 2 recorded with a, 2 recorded with b, 2 recorded with c | -        | 1 recorded                     | -      || 7             | 0           | 0.75           | 10.510299957
one of five                     | 5 recorded with a                                       | -        | 4 recorded                     | -      || 9             | 0           | 0.2            | 5.333333333
a free session is no second one | 1 recorded with a, 1 free with a                        | -        | 8 recorded                     | -      || 9             | 0           | 0              | 3.333333333
"""  # noqa: E501


def test_recruits_sessions_ratings_and_clients_are_pooled(app: Rows, published: Published) -> None:
    def write(first: str = "", ratings: int | str = "", second: str = "", others: int | str = "") -> UUID:
        agent = add_profile(app, "AGENT")
        one, other = recruit(app, agent, "1 TUTOR, 1 TUTOR unverified")
        teach(app, one, first)
        review(app, one, str(ratings))
        teach(app, other, second)
        review(app, other, str(others))
        return agent

    check(published, POOLED, write, "business")


def test_a_client_of_two_recruits_came_back_to_neither(app: Rows, published: Published) -> None:
    agent, client = add_profile(app, "AGENT"), add_client(app)
    for tutor in recruit(app, agent, "2 TUTOR"):
        add_booking(app, add_listing(app, tutor), client)
    assert published(agent)["score_inputs"]["team_retention"] == 0


SESSIONS = """
case                     | sessions || team_sessions | points
none                     | 0        || 0             | 0
the first                | 1        || 1             | 1.003433319
nine are a third         | 9        || 9             | 3.333333333
ninety-nine are two      | 99       || 99            | 6.666666667
one short of all         | 998      || 998           | 9.998551627
a thousand less one: all | 999      || 999           | 10
no more than that        | 5000     || 5000          | 10
"""


def test_sessions_earn_business_points_by_their_logarithm(app: Rows, published: Published) -> None:
    def write(sessions: int) -> UUID:
        agent = add_profile(app, "AGENT")
        (tutor,) = recruit(app, agent, "1 TUTOR")
        app.execute(
            "insert into bookings (listing_id, status, scheduled_start, scheduled_end) "
            "select %s, 'Completed', now(), now() from generate_series(1, %s)",
            (add_listing(app, tutor), sessions),
        )
        return agent

    check(published, SESSIONS, write, "business")


STANDARDS = """
case                   | dbs | hours | business || dbs_valid | business_verified | points
identity alone         | no  | -     | no       || no        | no                | 5
a DBS check            | yes | 1     | no       || yes       | no                | 10
one that has expired   | yes | -1    | no       || no        | no                | 5
one without a date     | yes | -     | no       || no        | no                | 5
a date without a check | no  | 1     | no       || no        | no                | 5
a business             | no  | -     | yes      || no        | yes               | 10
all of them            | yes | 1     | yes      || yes       | yes               | 15
"""


def test_checks_earn_standards_points(app: Rows, published: Published) -> None:
    def write(dbs: bool, business: bool, hours: int | None = None) -> UUID:
        expiry = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)
        return add_profile(app, "AGENT", dbs_verified=dbs, dbs_expiry_date=expiry, business_verified=business)

    check(published, STANDARDS, write, "standards")


# in the session's time zone of score_at, clocks change on the way from all but the first
@pytest.mark.parametrize("gained", ["2026-05-01T08:30Z", "2026-01-31T08:30Z", "2025-09-01T08:30Z"])
def test_a_recruit_is_recent_for_less_than_ninety_days(app: Rows, line: Line, gained: str) -> None:
    begin = datetime.fromisoformat(gained)
    end = begin + NINETY_DAYS
    agent = add_profile(app, "AGENT")
    refer(app, agent, add_tutor(app), created_at=begin)
    scores = [score_at(app, line, agent, moment) for moment in (begin, end - MICROSECOND, end)]
    assert [(score["score_inputs"]["recent_recruits"], score["next_due_at"]) for score in scores] == [
        (1, end),
        (1, end),
        (0, None),
    ]


def test_next_due_at_leads_from_one_change_in_time_to_the_next(app: Rows, line: Line) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    expiry = begin + timedelta(days=100)
    agent = add_profile(app, "AGENT", dbs_verified=True, dbs_expiry_date=expiry)
    days = (5, 20, 30)
    for day in days:
        refer(app, agent, add_tutor(app), created_at=begin + timedelta(days=day))
    first, second, third = (begin + timedelta(days=day) + NINETY_DAYS for day in days)
    now = begin + timedelta(days=31)
    assert changes_in_time(app, line, agent, now, "growth") == [
        (first, 7.6),
        (expiry, 7.6),
        (second, 5.6),
        (third, 3.6),
    ]
    assert changes_in_time(app, line, agent, now, "standards") == [(first, 10), (expiry, 5), (second, 5), (third, 5)]
