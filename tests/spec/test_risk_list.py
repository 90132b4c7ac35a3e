"""The order of the risk list (scoring 10), as a table of cases."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from caas_worker import tutors
from caas_worker.db import Database
from tests.people import Rows
from tests.spec.tables import Case, cases

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
ALERTS = ("poor_first_session", "high_reliability_risk", "churn_risk")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("case", cases(ORDERS), ids=lambda case: case.name)
def test_order(case: Case, app: Rows, db: Database) -> None:
    tutor, given = uuid4(), case.given
    for kind, value in (("ths", given["ths"]), ("tcrs", given["tcrs"]), ("reschedule_risk", 0)):
        app.execute(
            "insert into caas.tutor_scores values (%s, %s, %s, 'x', '{}', 'x-v1', %s)", (tutor, kind, value, NOW)
        )
    if given["fsrs"] is not None:
        for hours, value in ((1, 99), (0, given["fsrs"])):  # the newest counts
            app.execute(
                "insert into caas.session_scores values "
                "(gen_random_uuid(), 'fsrs', %s, null, %s - %s * interval '1 hour', %s, 'x', '{}', 'x-v1', %s)",
                (tutor, NOW, hours, value, NOW),
            )
    for kind in ALERTS[: given["active_alerts"]]:
        app.execute(
            "insert into caas.tutor_alerts (profile_id, alert_type, score_value, raised_at, last_checked_at) "
            "values (%s, %s, 1, %s, %s)",
            (tutor, kind, NOW, NOW),
        )
    [row] = [row for row in tutors.ranked(db, 100, 0).items if row["profile_id"] == tutor]
    assert float(row["risk"]) == case.expected["order"]
