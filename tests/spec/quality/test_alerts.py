"""When alerts are raised and resolved (scoring 8), from sums."""

import pytest

from caas_worker.quality.alerts import conditions
from caas_worker.quality.model import TutorSums, WindowSums
from caas_worker.quality.tcrs import tcrs
from caas_worker.quality.ths import ths
from tests.spec.quality.sums import tutor, window

pytestmark = pytest.mark.quick


def raised(sums: TutorSums) -> tuple[bool | None, bool | None]:
    found = conditions(ths(sums), tcrs(sums))
    assert list(found) == ["high_reliability_risk", "churn_risk"]
    return found["high_reliability_risk"], found["churn_risk"]


@pytest.mark.parametrize(
    ("week", "late", "expected"),
    [
        pytest.param(window(), [], None, id="no session"),
        pytest.param(window(sessions=4), [], None, id="only sessions that students moved"),
        pytest.param(window(completed=3), [0], False, id="a good week"),
        pytest.param(window(completed=5, reschedules=3), [15], False, id="health 55.00"),
        pytest.param(window(completed=6247, reschedules=3753), [15], True, id="health 54.99"),
        pytest.param(window(completed=2, no_shows=2), [0], True, id="health 85, but half missed"),
        pytest.param(window(completed=3, no_shows=2), [0], False, id="less than half missed"),
        pytest.param(window(completed=1, no_shows=1), [0], False, id="half missed, but one"),
        pytest.param(window(completed=3, reschedules=3), [0], True, id="health 80, but half moved"),
        pytest.param(window(completed=2, reschedules=2), [0], False, id="half moved, but two"),
        pytest.param(window(completed=4, reschedules=3), [0], False, id="less than half moved"),
    ],
)
def test_high_reliability_risk(week: WindowSums, late: list[float], expected: bool | None) -> None:
    assert raised(tutor({"7day": week}, late=late))[0] is expected


@pytest.mark.parametrize(
    ("days", "completed", "expected"),
    [
        pytest.param(None, [], None, id="never taught"),
        pytest.param(6, [], None, id="nothing in 6 days"),
        pytest.param(7, [], True, id="nothing in 7 days"),
        pytest.param(14, [], True, id="nothing in 14 days"),
        pytest.param(14, [1] * 7, True, id="0.600"),
        pytest.param(14, [0, 0, 7, 0, 0, 0, 0, 0, 7], False, id="0.543"),
        pytest.param(14, [2] * 14, False, id="0.000"),
    ],
)
def test_churn_risk(days: int | None, completed: list[int], expected: bool | None) -> None:
    assert raised(tutor(completed=completed, days=days))[1] is expected
