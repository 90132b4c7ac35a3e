"""The edges of the reschedule risk (scoring 7), as tables of cases. Windows: tutor's reschedules, all sessions."""

import pytest

from caas_worker.quality.model import WINDOWS
from caas_worker.quality.reschedule import reschedule_risk
from tests.spec.quality.sums import tutor, window
from tests.spec.tables import Case, cases

pytestmark = pytest.mark.quick

RISKS = """
case                               | 7day   | 30day         | 90day     | threshold || value | level  | is_high_risk | low_sample | reschedule_rate_7d | reschedule_rate_30d | reschedule_rate_90d
no session at all                  | [0, 0] | [0, 0]        | [0, 0]    | -         || 0.0   | low    | no           | yes        | 0.0                | 0.0                 | 0.0
sessions, none rescheduled         | [0, 3] | [0, 9]        | [0, 30]   | -         || 0.0   | low    | no           | no         | 0.0                | 0.0                 | 0.0
two sessions judge nobody          | [2, 2] | [2, 2]        | [2, 2]    | -         || 0.0   | low    | no           | yes        | 100.0              | 100.0               | 100.0
three do                           | [0, 0] | [3, 3]        | [3, 3]    | -         || 100.0 | high   | yes          | yes        | 0.0                | 100.0               | 100.0
four sessions are a low sample     | [0, 0] | [0, 4]        | [0, 40]   | -         || 0.0   | low    | no           | yes        | 0.0                | 0.0                 | 0.0
five are not                       | [0, 0] | [0, 5]        | [0, 40]   | -         || 0.0   | low    | no           | no         | 0.0                | 0.0                 | 0.0
the 7 days judge                   | [1, 3] | [1, 20]       | [1, 90]   | -         || 33.33 | high   | yes          | no         | 33.33              | 5.0                 | 1.11
the 30 days judge                  | [0, 3] | [4, 20]       | [4, 90]   | -         || 20.0  | high   | yes          | no         | 0.0                | 20.0                | 4.44
the 90 days judge                  | [0, 3] | [0, 20]       | [15, 90]  | -         || 16.67 | medium | yes          | no         | 0.0                | 0.0                 | 16.67
15.00 is not high                  | [0, 0] | [3, 20]       | [3, 20]   | -         || 15.0  | medium | no           | no         | 0.0                | 15.0                | 15.0
15.01 is                           | [0, 0] | [1501, 10000] | [0, 3]    | -         || 15.01 | medium | yes          | no         | 0.0                | 15.01               | 0.0
15.004, which is 15.00, is not     | [0, 0] | [3751, 25000] | [0, 3]    | -         || 15.0  | medium | no           | no         | 0.0                | 15.0                | 0.0
15.005, which is 15.01, is         | [0, 0] | [3001, 20000] | [0, 3]    | -         || 15.01 | medium | yes          | no         | 0.0                | 15.01               | 0.0
the tutor's own threshold          | [0, 0] | [3, 20]       | [3, 20]   | 14.99     || 15.0  | medium | yes          | no         | 0.0                | 15.0                | 15.0
a threshold as high as the rate    | [0, 0] | [1, 4]        | [1, 4]    | 25.0      || 25.0  | high   | no           | yes        | 0.0                | 25.0                | 25.0
a threshold of nothing             | [0, 9] | [0, 9]        | [0, 9]    | 0.0       || 0.0   | low    | no           | no         | 0.0                | 0.0                 | 0.0
the smallest rate is above nothing | [0, 9] | [0, 9]        | [1, 9000] | 0.0       || 0.01  | low    | yes          | no         | 0.0                | 0.0                 | 0.01
20.00 is high                      | [0, 0] | [1, 5]        | [1, 5]    | -         || 20.0  | high   | yes          | no         | 0.0                | 20.0                | 20.0
19.99 is medium                    | [0, 0] | [1999, 10000] | [0, 3]    | -         || 19.99 | medium | yes          | no         | 0.0                | 19.99               | 0.0
10.00 is medium                    | [0, 0] | [1, 10]       | [1, 10]   | -         || 10.0  | medium | no           | no         | 0.0                | 10.0                | 10.0
9.99 is low                        | [0, 0] | [999, 10000]  | [0, 3]    | -         || 9.99  | low    | no           | no         | 0.0                | 9.99                | 0.0
"""  # noqa: E501


@pytest.mark.parametrize("case", cases(RISKS), ids=lambda case: case.name)
def test_risk(case: Case) -> None:
    given = dict(case.given)
    windows = {name: window(reschedules=given[name][0], sessions=given.pop(name)[1]) for name in WINDOWS}
    score = reschedule_risk(tutor(windows, **given))
    shown = {"value": score.value, "level": score.level, **score.components}
    assert {name: shown[name] for name in case.expected} == case.expected


def test_risk_shows_what_it_comes_from() -> None:
    windows = {
        "7day": window(sessions=2, reschedules=1),
        "30day": window(sessions=8, reschedules=1, completed=5),
        "90day": window(sessions=30, reschedules=4),
    }
    score = reschedule_risk(tutor(windows, threshold=12.5))
    assert (score.score_type, score.version) == ("reschedule_risk", "reschedule-risk-v1")
    assert score.components == {
        "reschedule_rate_7d": 50.0,
        "sessions_7d": 2,
        "tutor_reschedules_7d": 1,
        "reschedule_rate_30d": 12.5,
        "sessions_30d": 8,
        "tutor_reschedules_30d": 1,
        "reschedule_rate_90d": 13.33,
        "sessions_90d": 30,
        "tutor_reschedules_90d": 4,
        "is_high_risk": True,
        "threshold": 12.5,
        "low_sample": False,
    }
    assert (score.value, score.level) == (13.33, "medium")


def test_zero_is_a_value() -> None:
    score = reschedule_risk(tutor())
    assert score.value == 0.0
    assert isinstance(score.value, float)
    assert isinstance(score.components["reschedule_rate_7d"], float)
