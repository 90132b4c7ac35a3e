"""The order of the risk list (scoring 10), as a table of cases."""

import pytest

from caas_worker.quality.risk import risk_order
from tests.spec.tables import Case, cases

pytestmark = pytest.mark.quick

ORDERS = """
case                             | fsrs | ths   | tcrs  | active_alerts || order
nothing known                    | null | null  | null  | 0             || 105.0
an alert                         | null | null  | null  | 1             || 125.0
three alerts                     | null | null  | null  | 3             || 165.0
all is well                      | 0    | 100   | 0     | 0             || 0.0
all is not                       | 120  | 0     | 1     | 3             || 380.0
a harmless first session         | 0    | null  | null  | 0             || 75.0
a first session as if none       | 30   | null  | null  | 0             || 105.0
health of nothing                | null | 0     | null  | 0             || 170.0
health as if none                | null | 65    | null  | 0             || 105.0
no churn risk                    | null | null  | 0.0   | 0             || 65.0
churn risk as if none            | null | null  | 0.4   | 0             || 105.0
decimals without noise           | 25   | 76.67 | 0.123 | 0             || 60.63
"""


@pytest.mark.parametrize("case", cases(ORDERS), ids=lambda case: case.name)
def test_order(case: Case) -> None:
    assert risk_order(**case.given) == case.expected["order"]
