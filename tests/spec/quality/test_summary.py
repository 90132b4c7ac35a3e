"""The performance summary (scoring 9): trends as a table of cases, and what the texts never say."""

import itertools
import re
from dataclasses import asdict

import pytest

from caas_worker.quality.model import SessionQuality
from caas_worker.quality.summary import summarize
from tests.spec.tables import Case, cases

pytestmark = pytest.mark.quick

TRENDS = """
case                              | newest_first             || trend             | average
none                              | []                       || insufficient_data | null
one                               | [80]                     || insufficient_data | 80.0
two                               | [100, 0]                 || insufficient_data | 50.0
three, the newest 5 above         | [85, 80, 80]             || stable            | 81.7
three, more than 5 above          | [86, 80, 80]             || improving         | 82.0
three, the newest 5 below         | [75, 80, 80]             || stable            | 78.3
three, more than 5 below          | [74, 80, 80]             || declining         | 78.0
three, one in the newer half      | [80, 100, 60]            || stable            | 80.0
three, the middle is of the rest  | [80, 100, 80]            || declining         | 86.7
four, two and two                 | [90, 80, 80, 80]         || stable            | 82.5
four, more than 5 above           | [90, 81, 80, 80]         || improving         | 82.8
five, two against three           | [90, 80, 80, 80, 80]     || stable            | 82.0
five, a little more               | [90, 81, 80, 80, 80]     || improving         | 82.2
five, the middle is of the rest   | [80, 80, 62, 80, 80]     || improving         | 76.4
five, 5 below                     | [70, 70, 75, 75, 75]     || stable            | 73.0
five, more than 5 below           | [70, 70, 75, 75, 76]     || declining         | 73.2
a sixth does not count            | [80, 80, 80, 80, 80, 0]  || stable            | 80.0
all of nothing                    | [0, 0, 0]                || stable            | 0.0
a mean of 82.25                   | [82, 82, 82, 83]         || stable            | 82.3
"""

FORBIDDEN = re.compile("concern|poor|bad", re.IGNORECASE)


def session(value: float, late: float = 0, short: float = 0, tech: float = 0) -> SessionQuality:
    return SessionQuality(value, late, short, tech)


@pytest.mark.parametrize("case", cases(TRENDS), ids=lambda case: case.name)
def test_trend(case: Case) -> None:
    found = summarize([session(value) for value in case.given["newest_first"]])
    assert {"trend": found.trend, "average": found.average_sqs} == case.expected


@pytest.mark.parametrize("sessions", range(6))
def test_texts_are_supportive_whatever_happened(sessions: int) -> None:
    deductions = [(100, 0, 0, 0), (20, 30, 40, 10), (70, 30, 0, 0), (60, 0, 40, 0), (90, 0, 0, 10)]
    for taken in itertools.combinations_with_replacement(deductions, sessions):
        for newest in (taken, taken[::-1]):
            found = asdict(summarize([session(*one) for one in newest]))
            for name in ("summary", "what_went_well", "improvement_suggestion"):
                assert found[name].strip()
                assert not FORBIDDEN.search(found[name]), found[name]


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ([], "You are all set for your first sessions."),
        ([session(100)], "Your newest session began on time."),
        ([session(100)] * 2, "All your newest sessions began on time."),
        ([session(90, late=10)] * 3, "All your newest sessions ran to full length."),
        ([session(50, late=10, short=40)] * 3, "All your newest sessions ran without technical trouble."),
        ([session(90, late=10, short=6, tech=10), session(100)], "1 of your 2 newest sessions began on time."),
        ([session(20, late=30, short=40, tech=10)] * 3, "You were there for your students."),
    ],
)
def test_what_went_well_is_what_most_sessions_did(newest: list[SessionQuality], expected: str) -> None:
    assert summarize(newest).what_went_well == expected


@pytest.mark.parametrize(
    ("newest", "word"),
    [
        ([session(100)] * 3, "goal"),
        ([session(98, late=2)], "prompt start"),
        ([session(90, short=10), session(92, late=8)], "whole time"),
        ([session(90, short=10), session(90, late=10)], "prompt start"),
        ([session(90, tech=10), session(91, short=9)], "sound"),
    ],
)
def test_the_suggestion_is_about_what_cost_most(newest: list[SessionQuality], word: str) -> None:
    assert word in summarize(newest).improvement_suggestion


def test_the_summary_in_words() -> None:
    steady = summarize([session(80), session(80), session(80)])
    assert steady.summary == "Your last 3 sessions average 80.0 out of 100 and hold steady."
    few = summarize([session(80)])
    assert few.summary == "One session has a quality score so far. The next ones will show where you are heading."
