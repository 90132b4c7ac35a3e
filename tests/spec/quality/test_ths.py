"""The edges of the tutor health score and of the clauses beside it (scoring 4 and 8), as tables of cases."""

import pytest

from caas_worker.quality.model import WindowSums
from caas_worker.quality.ths import reliability_clause, ths
from tests.spec.quality.sums import tutor, window
from tests.spec.tables import Case, cases

pytestmark = pytest.mark.quick

# a minute late costs 30 / 15 = 2 points
SCORES = """
case                                      | completed | moved | missed | late                             || value | level     | clause
a good week                               | 5         | -     | -      | [0]                              || 100.0 | stable    | null
nobody knows of any start                 | 5         | -     | -      | []                               || 100.0 | stable    | null
a tenth moved                             | 9         | 1     | -      | []                               || 96.0  | stable    | null
all moved, of two                         | -         | 2     | -      | []                               || 60.0  | monitor   | null
a tenth missed                            | 9         | -     | 1      | []                               || 97.0  | stable    | null
one, missed                               | -         | -     | 1      | []                               || 70.0  | monitor   | null
all missed                                | -         | -     | 2      | []                               || 70.0  | high_risk | no_shows
a third each                              | 1         | 1     | 1      | [0]                              || 76.67 | stable    | null
late on one day                           | 1         | -     | -      | [3]                              || 94.0  | stable    | null
late by 15 minutes                        | 1         | -     | -      | [15]                             || 70.0  | monitor   | null
later is no worse                         | 1         | -     | -      | [400]                            || 70.0  | monitor   | null
three days are the newest                 | 3         | -     | -      | [1, 2, 6]                        || 94.0  | stable    | null
the fourth weighs 0.4                     | 4         | -     | -      | [0, 0, 0, 10]                    || 92.0  | stable    | null
the newest weigh 0.6                      | 4         | -     | -      | [10, 10, 10, 0]                  || 88.0  | stable    | null
the older days share the 0.4              | 5         | -     | -      | [0, 0, 0, 10, 0, 0, 0]           || 98.0  | stable    | null
days without a start are no days          | 4         | -     | -      | [null, 0, null, 0, 0, null, 10]  || 92.0  | stable    | null
older days alone are the newest           | 1         | -     | -      | [null, null, null, null, null, null, 5] || 90.0 | stable | null
on time is not unknown                    | 4         | -     | -      | [5, 0, 0, 0]                     || 98.0  | stable    | null
75.00                                     | 1         | -     | -      | [12.5]                           || 75.0  | stable    | null
74.99                                     | 1         | -     | -      | [12.505]                         || 74.99 | monitor   | null
74.995, which is 75.00                    | 1         | -     | -      | [12.5025]                        || 75.0  | stable    | null
55.00                                     | 5         | 3     | -      | [15]                             || 55.0  | monitor   | null
54.996, which is 55.00                    | 6249      | 3751  | -      | [15]                             || 55.0  | monitor   | null
54.99                                     | 6247      | 3753  | -      | [15]                             || 54.99 | high_risk | null
nearly all moved, and the rest late       | 1         | 99999 | -      | [15]                             || 30.0  | high_risk | reschedules
"""  # noqa: E501

CLAUSES = """
case                            | completed | moved | missed || clause
nothing                         | -         | -     | -      || null
one missed, all                 | -         | -     | 1      || null
two missed, half                | 2         | -     | 2      || no_shows
two missed, less than half      | 3         | -     | 2      || null
two missed, with moved ones     | 1         | 1     | 2      || no_shows
three missed, less than half    | 4         | -     | 3      || null
two moved, all                  | -         | 2     | -      || null
three moved, half               | 3         | 3     | -      || reschedules
three moved, less than half     | 4         | 3     | -      || null
three moved, with missed ones   | 2         | 3     | 1      || reschedules
both, the missed ones are named | -         | 3     | 3      || no_shows
"""


@pytest.mark.parametrize("case", cases(SCORES), ids=lambda case: case.name)
def test_health(case: Case) -> None:
    score = ths(tutor({"7day": week(case)}, late=case.given["late"]))
    found = {"value": score.value, "level": score.level, "clause": score.components["reliability_clause"]}
    assert found == case.expected


@pytest.mark.parametrize("case", cases(CLAUSES), ids=lambda case: case.name)
def test_clauses(case: Case) -> None:
    assert reliability_clause(week(case)) == case.expected["clause"]


def test_without_appointments_there_is_no_score() -> None:
    others = {"30day": window(sessions=9, completed=9), "90day": window(sessions=9, completed=9)}
    score = ths(tutor({"7day": window(sessions=3), **others}))  # three that students moved or missed
    assert (score.value, score.level) == (None, None)
    assert score.components["sessions"] == 0


def test_what_students_moved_or_missed_does_not_count() -> None:
    assert ths(tutor({"7day": window(sessions=100, completed=1, reschedules=1)})).value == 80  # not 99.6


def test_health_shows_what_it_comes_from() -> None:
    score = ths(tutor({"7day": window(sessions=12, completed=7, reschedules=2, no_shows=1)}, late=[3, None]))
    assert (score.score_type, score.version, score.value, score.level) == ("ths", "ths-v1", 83, "stable")
    assert score.components == {
        "sessions": 10,
        "sessions_completed": 7,
        "reschedules_tutor_initiated": 2,
        "no_shows": 1,
        "lateness_by_day": [3, None, None, None, None, None, None],
        "weighted_lateness_minutes": 3,
        "reschedule_penalty": 8,
        "no_show_penalty": 3,
        "lateness_penalty": 6,
        "reliability_clause": None,
    }


def week(case: Case) -> WindowSums:
    """The sums of a case's week."""
    names = {"completed": "completed", "moved": "reschedules", "missed": "no_shows"}
    known = {names[word]: number for word, number in case.given.items() if word in names}
    return window(sessions=sum(known.values()), **known)
