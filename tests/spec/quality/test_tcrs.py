"""The edges of the tutor churn risk score (scoring 5), as tables of cases.

Sessions are completed ones by day, today first; what is not written is 0. Days: since the first session ever.
"""

import pytest

from caas_worker.quality.tcrs import level, tcrs
from tests.spec.quality.sums import tutor
from tests.spec.tables import Case, cases

pytestmark = pytest.mark.quick

# activity + inconsistency + trend + little data, worked out by hand: a is the mean per day, c the consistency
SCORES = """
case                                  | days | sessions                               || value | level             | trend     | workings
nothing for 14 days                   | 14   | []                                     || 0.95  | high_risk         | stable    | a 0, c 0: 0.5 + 0.45
nothing for 7 days                    | 7    | []                                     || 1.0   | high_risk         | stable    | 0.95 + 0.075, at most 1
nothing for 6 days                    | 6    | []                                     || 1.0   | insufficient_data | stable    | 0.95 + 0.0857, at most 1
two every day                         | 14   | [2,2,2,2,2,2,2,2,2,2,2,2,2,2]          || 0.0   | stable            | stable    | a 2, c 1
three every day                       | 14   | [3,3,3,3,3,3,3,3,3,3,3,3,3,3]          || 0.0   | stable            | stable    | a 3, c 1
one every day                         | 14   | [1,1,1,1,1,1,1,1,1,1,1,1,1,1]          || 0.25  | stable            | stable    | a 1, c 1: 0.25
for a year                            | 365  | [1,1,1,1,1,1,1,1,1,1,1,1,1,1]          || 0.25  | stable            | stable    | only 14 days count
seven every Saturday                  | 14   | [0,0,7,0,0,0,0,0,0,7]                  || 0.25  | stable            | stable    | a 1, c 1: 0.25
one every Saturday                    | 14   | [0,0,1,0,0,0,0,0,0,1]                  || 0.464 | monitor           | stable    | a 1/7, c 1: 0.46429
seven on two weekdays                 | 14   | [0,0,7,0,0,0,0,0,7]                    || 0.543 | monitor           | stable    | a 1, sd 1.87083, c 0.34833: 0.25 + 0.29325
weekdays do not matter with 13 days   | 13   | [7,0,0,0,0,0,0,7]                      || 0.557 | monitor           | stable    | a 14/13, sd 2.52561, c 0.29893: 0.23077 + 0.31548 + 0.01071
seven on one Saturday only            | 14   | [0,0,7]                                || 0.702 | high_risk         | improving | a 0.5, sd 1.32288, c 0.27429: 0.375 + 0.32657
half as many as before                | 14   | [1,1,1,1,1,1,1,2,2,2,2,2,2,2]          || 0.638 | high_risk         | declining | a 1.5, sd 0.5, c 0.75: 0.125 + 0.1125 + 0.4 = 0.6375
twice as many as before               | 14   | [2,2,2,2,2,2,2,1,1,1,1,1,1,1]          || 0.038 | stable            | improving | 0.125 + 0.1125 - 0.2 = 0.0375
many, and more still                  | 14   | [3,3,3,3,3,3,3,2,2,2,2,2,2,2]          || 0.0   | stable            | improving | c 0.83333: 0.075 - 0.2, at least 0
exactly 0.600                         | 14   | [1,1,1,1,1,1,1]                        || 0.6   | high_risk         | improving | a 0.5, sd 0.5, c 0.5: 0.375 + 0.225
0.29957, which is 0.300               | 14   | [0,1,2,1,2,1,1,1,1,2,1,2,1,0]          || 0.3   | monitor           | stable    | a 8/7, sd 0.26726, c 0.81047: 0.21429 + 0.08529
half a session less is no decline     | 8    | [1,1,1,1,2,2,1,1]                      || 0.368 | monitor           | stable    | a 1.25, sd 0.43301, c 0.74271: 0.1875 + 0.11578 + 0.06429
more than half a session less is      | 8    | [1,1,1,1,2,2,2,1]                      || 0.738 | high_risk         | declining | a 1.375, sd 0.48412, c 0.73960: 0.15625 + 0.11718 + 0.4 + 0.06429
half a session more is no improvement | 8    | [2,2,1,1,1,1,1,1]                      || 0.368 | monitor           | stable    | as above
more than half a session more is      | 8    | [2,2,2,1,1,1,1,1]                      || 0.138 | stable            | improving | 0.15625 + 0.11718 - 0.2 + 0.06429
consistency 0.5 is not enough         | 8    | [2,2,2,2,0,0,0,0]                      || 0.539 | monitor           | improving | a 1, sd 1, c 0.5: 0.25 + 0.225 + 0.06429
a little more is                      | 8    | [2,2,2,2,1,0,0,0]                      || 0.286 | stable            | improving | a 1.125, sd 0.92702, c 0.54824: 0.21875 + 0.20329 - 0.2 + 0.06429
the day in the middle is in no half   | 5    | [1,1,9,1,1]                            || 0.345 | insufficient_data | stable    | a 2.6, sd 3.2, c 0.44828: 0.24828 + 0.09643
seven days have halves of three       | 7    | [1,1,1,1,1,2,2]                        || 0.771 | high_risk         | declining | a 9/7, sd 0.45175, c 0.73999: 0.17857 + 0.11700 + 0.4 + 0.075
four days have a trend                | 4    | [0,0,2,2]                              || 0.982 | insufficient_data | declining | a 1, sd 1, c 0.5: 0.25 + 0.225 + 0.4 + 0.10714
three have none                       | 3    | [0,0,4]                                || 0.548 | insufficient_data | null      | a 4/3, sd 1.88562, c 0.41421: 0.16667 + 0.26360 + 0.11786
the first day                         | 1    | [1]                                    || 0.389 | insufficient_data | null      | a 1, c 1: 0.25 + 0.13929
a first day on which nobody came      | 1    | [0]                                    || 1.0   | insufficient_data | null      | 0.95 + 0.13929, at most 1
six days                              | 6    | [2,2,2,2,2,2]                          || 0.086 | insufficient_data | stable    | 0.15 x 8/14
seven days                            | 7    | [2,2,2,2,2,2,2]                        || 0.075 | stable            | stable    | 0.15 x 7/14
"""  # noqa: E501

LEVELS = """
case               | value | days || level
0.600              | 0.6   | 14   || high_risk
0.599              | 0.599 | 14   || monitor
0.300              | 0.3   | 14   || monitor
0.299              | 0.299 | 14   || stable
0.000              | 0.0   | 14   || stable
high, seven days   | 1.0   | 7    || high_risk
high, six days     | 1.0   | 6    || insufficient_data
low, six days      | 0.0   | 6    || insufficient_data
"""


@pytest.mark.parametrize("case", cases(SCORES), ids=lambda case: case.name)
def test_churn(case: Case) -> None:
    score = tcrs(tutor(completed=case.given["sessions"], days=case.given["days"]))
    found = {"value": score.value, "level": score.level, "trend": score.components["trend"]}
    assert found == {name: case.expected[name] for name in found}


@pytest.mark.parametrize("case", cases(LEVELS), ids=lambda case: case.name)
def test_levels(case: Case) -> None:
    assert level(**case.given) == case.expected["level"]


@pytest.mark.parametrize("days", [None, 0, -5], ids=["never", "from tomorrow", "from next week"])
def test_before_the_first_session_there_is_no_score(days: int | None) -> None:
    score = tcrs(tutor(completed=[1] * 14, days=days))
    assert (score.score_type, score.version, score.value, score.level) == ("tcrs", "tcrs-v1", None, None)


def test_churn_shows_what_it_comes_from() -> None:
    score = tcrs(tutor(completed=[1] * 7 + [2] * 7, days=14))
    assert (score.score_type, score.version) == ("tcrs", "tcrs-v1")
    assert score.components == pytest.approx(
        {
            "activity_points": 0.125,
            "inconsistency_points": 0.1125,
            "trend_points": 0.4,
            "little_data_points": 0,
            "days": 14,
            "sessions_completed": 21,
            "average": 1.5,
            "standard_deviation": 0.5,
            "consistency": 0.75,
            "trend": "declining",
            "trend_difference": -1,
        }
    )


def test_few_days_have_no_trend() -> None:
    shown = tcrs(tutor(completed=[0, 0, 4], days=3)).components
    assert (shown["trend"], shown["trend_difference"], shown["trend_points"]) == (None, None, 0)
