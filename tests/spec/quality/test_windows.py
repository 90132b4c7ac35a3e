"""The edges of the window metrics and of the tier (scoring 3), as tables of cases."""

from dataclasses import asdict
from typing import Any

import pytest

from caas_worker.quality.windows import metrics, tier
from tests.spec.quality.sums import window
from tests.spec.tables import Case, cases

pytestmark = pytest.mark.quick

NUMBERS = """
case                                  | sums                                                          || metric                      | value
no session, none completed            | {}                                                            || sessions_completed          | 0
completed sessions                    | {"sessions": 5, "completed": 3}                               || sessions_completed          | 3
no rating                             | {"sessions": 5}                                               || avg_rating                  | null
a mean of ratings                     | {"ratings": 3, "rating_sum": 14}                              || avg_rating                  | 4.67
halves of hundredths go up            | {"ratings": 200, "rating_sum": 899}                           || avg_rating                  | 4.5
no first rating                       | {"ratings": 1, "rating_sum": 5}                               || first_session_success_rate  | null
no good first rating                  | {"first_ratings": 3}                                          || first_session_success_rate  | 0.0
two of three                          | {"first_ratings": 3, "first_ratings_good": 2}                 || first_session_success_rate  | 66.67
no session to reschedule              | {}                                                            || reschedule_rate             | null
none rescheduled                      | {"sessions": 4, "completed": 1}                               || reschedule_rate             | 0.0
of all sessions, not of the completed | {"sessions": 8, "completed": 2, "reschedules": 1}             || reschedule_rate             | 12.5
no no-show                            | {"sessions": 4}                                               || no_show_count               | 0
no-shows                              | {"sessions": 4, "no_shows": 2}                                || no_show_count               | 2
no answer about objectives            | {"sessions": 4}                                               || learning_objectives_met_pct | null
none met                              | {"sessions": 4, "objectives_answered": 2}                     || learning_objectives_met_pct | 0.0
one of three met                      | {"objectives_answered": 3, "objectives_met": 1}               || learning_objectives_met_pct | 33.33
no message answered                   | {"sessions": 4}                                               || response_time_avg_minutes   | null
answered at once                      | {"responses": 2}                                              || response_time_avg_minutes   | 0.0
minutes to answer                     | {"responses": 3, "response_minutes": 200}                     || response_time_avg_minutes   | 66.67
minutes beyond measure                | {"responses": 1, "response_minutes": 1e300}                   || response_time_avg_minutes   | 1e300
"""  # noqa: E501

ENGAGEMENT = """
case                                     | sums                                                                    || value
no session                               | {"logins": 9, "engagement_count": 1, "engagement_sum": 1, "started": 1} || null
nothing but sessions                     | {"sessions": 2}                                                         || 20.0
a log-in for two sessions                | {"sessions": 2, "logins": 1}                                            || 40.0
a log-in for each                        | {"sessions": 2, "logins": 2}                                            || 60.0
more are no better                       | {"sessions": 2, "logins": 9}                                            || 60.0
recorded engagement instead of the 50    | {"sessions": 2, "engagement_count": 2, "engagement_sum": 1.5}           || 30.0
recorded as none at all                  | {"sessions": 2, "engagement_count": 2}                                  || 0.0
of the recorded ones only                | {"sessions": 9, "engagement_count": 1, "engagement_sum": 1}             || 40.0
half of the starts on time               | {"sessions": 9, "completed": 9, "started": 4, "on_time": 2}             || 30.0
all starts on time                       | {"sessions": 9, "completed": 9, "started": 4, "on_time": 4}             || 40.0
everything                               | {"sessions": 1, "logins": 1, "engagement_count": 1, "engagement_sum": 1, "started": 1, "on_time": 1} || 100.0
two decimals                             | {"sessions": 3, "logins": 1}                                            || 33.33
"""  # noqa: E501

FLAGS = """
case                                | sums                                                                 || metric                      | flag
rated 4.50                          | {"ratings": 200, "rating_sum": 900}                                  || avg_rating                  | green
rated 4.495, which is 4.50          | {"ratings": 200, "rating_sum": 899}                                  || avg_rating                  | green
rated 4.49                          | {"ratings": 100, "rating_sum": 449}                                  || avg_rating                  | null
rated 3.50                          | {"ratings": 100, "rating_sum": 350}                                  || avg_rating                  | null
rated 3.49                          | {"ratings": 100, "rating_sum": 349}                                  || avg_rating                  | red
not rated                           | {"sessions": 1}                                                      || avg_rating                  | null
firsts 85.00                        | {"first_ratings": 100, "first_ratings_good": 85}                     || first_session_success_rate  | green
firsts 84.99                        | {"first_ratings": 10000, "first_ratings_good": 8499}                 || first_session_success_rate  | null
firsts 70.00                        | {"first_ratings": 100, "first_ratings_good": 70}                     || first_session_success_rate  | null
firsts 69.99                        | {"first_ratings": 10000, "first_ratings_good": 6999}                 || first_session_success_rate  | red
firsts 0.00                         | {"first_ratings": 1}                                                 || first_session_success_rate  | red
no firsts                           | {"sessions": 1}                                                      || first_session_success_rate  | null
moved 0.00                          | {"sessions": 1}                                                      || reschedule_rate             | green
moved 10.00                         | {"sessions": 10, "reschedules": 1}                                   || reschedule_rate             | green
moved 10.004, which is 10.00        | {"sessions": 100000, "reschedules": 10004}                           || reschedule_rate             | green
moved 10.01                         | {"sessions": 10000, "reschedules": 1001}                             || reschedule_rate             | null
moved 15.00                         | {"sessions": 20, "reschedules": 3}                                   || reschedule_rate             | null
moved 15.01                         | {"sessions": 10000, "reschedules": 1501}                             || reschedule_rate             | red
moved nothing of nothing            | {}                                                                   || reschedule_rate             | null
missed none                         | {"sessions": 50}                                                     || no_show_count               | green
missed one of 19, 5.3 %             | {"sessions": 19, "no_shows": 1}                                      || no_show_count               | null
missed one of 20, 5 %               | {"sessions": 20, "no_shows": 1}                                      || no_show_count               | null
missed two of 19, 10.5 %            | {"sessions": 19, "no_shows": 2}                                      || no_show_count               | null
missed two of 20, 10 %              | {"sessions": 20, "no_shows": 2}                                      || no_show_count               | red
missed three of 3                   | {"sessions": 3, "no_shows": 3}                                       || no_show_count               | null
missed three of 60, 5 %             | {"sessions": 60, "no_shows": 3}                                      || no_show_count               | null
missed three of 59, 5.1 %           | {"sessions": 59, "no_shows": 3}                                      || no_show_count               | red
missed four of 4                    | {"sessions": 4, "no_shows": 4}                                       || no_show_count               | red
missed four of 1000                 | {"sessions": 1000, "no_shows": 4}                                    || no_show_count               | red
engaged 80.00                       | {"sessions": 1, "logins": 1, "engagement_count": 1, "engagement_sum": 1}         || engagement_score | green
engaged 79.995, which is 80.00      | {"sessions": 1, "logins": 1, "engagement_count": 8000, "engagement_sum": 7999}   || engagement_score | green
engaged 79.99                       | {"sessions": 1, "logins": 1, "engagement_count": 4000, "engagement_sum": 3999}   || engagement_score | null
engaged 60.00                       | {"sessions": 1, "logins": 1}                                         || engagement_score            | null
engaged 59.99                       | {"sessions": 1, "logins": 1, "engagement_count": 4000, "engagement_sum": 1999}   || engagement_score | red
no sessions to be engaged in        | {"logins": 1}                                                        || engagement_score            | null
met 90.00                           | {"objectives_answered": 10, "objectives_met": 9}                     || learning_objectives_met_pct | green
met 89.99                           | {"objectives_answered": 10000, "objectives_met": 8999}               || learning_objectives_met_pct | null
met 80.00                           | {"objectives_answered": 10, "objectives_met": 8}                     || learning_objectives_met_pct | null
met 79.99                           | {"objectives_answered": 10000, "objectives_met": 7999}               || learning_objectives_met_pct | red
no objectives                       | {"sessions": 1}                                                      || learning_objectives_met_pct | null
quick answers have no flag          | {"responses": 1}                                                     || response_time_avg_minutes   | null
"""  # noqa: E501

TIERS = """
case           | green | red || tier
six of six     | 6     | 0   || Exemplary
five           | 5     | 0   || Exemplary
five and a red | 5     | 1   || Needs Attention
four           | 4     | 0   || Strong
three          | 3     | 0   || Strong
two            | 2     | 0   || Developing
nothing        | 0     | 0   || Developing
a red          | 0     | 1   || Needs Attention
three and one  | 3     | 1   || Needs Attention
two reds       | 4     | 2   || Needs Attention
three reds     | 0     | 3   || At Risk
three of each  | 3     | 3   || At Risk
six reds       | 0     | 6   || At Risk
"""


@pytest.mark.parametrize("case", cases(NUMBERS), ids=lambda case: case.name)
def test_metrics(case: Case) -> None:
    assert seen(case)[case.expected["metric"]] == case.expected["value"]


@pytest.mark.parametrize("case", cases(ENGAGEMENT), ids=lambda case: case.name)
def test_engagement(case: Case) -> None:
    assert seen(case)["engagement_score"] == case.expected["value"]


@pytest.mark.parametrize("case", cases(FLAGS), ids=lambda case: case.name)
def test_flags(case: Case) -> None:
    assert seen(case)["flags"].get(case.expected["metric"]) == case.expected["flag"]


@pytest.mark.parametrize("case", cases(TIERS), ids=lambda case: case.name)
def test_tiers(case: Case) -> None:
    assert tier(**case.given) == case.expected["tier"]


def test_the_tier_follows_from_the_flags() -> None:
    found = metrics(
        window(sessions=20, completed=15, reschedules=4, no_shows=1, ratings=2, rating_sum=9, responses=1, logins=20)
    )
    assert found.flags == {"avg_rating": "green", "reschedule_rate": "red"}
    assert (found.green, found.red, found.performance_tier) == (1, 1, "Needs Attention")


def test_without_sessions_there_is_no_tier() -> None:
    assert metrics(window(logins=3, responses=2, response_minutes=5)).performance_tier is None
    assert metrics(window(sessions=1)).performance_tier is not None


def seen(case: Case) -> dict[str, Any]:
    return asdict(metrics(window(**case.given["sums"])))
