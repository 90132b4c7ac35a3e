"""The SQL that pages about quality scores print: each statement runs as printed, and finds what it says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.docs.example import ROOT, blocks
from tests.interleaving import Rows, plain_role
from tests.people import add_booking, add_client, add_listing, add_no_show, add_session, add_transcript, add_tutor

ANYBODY = "14563fbe-a3fe-4794-839c-2b2b83a7195c"
"""Whom the pages ask about."""
DAY = timedelta(days=1)


@pytest.fixture
def tutor(app: Rows, drain: Callable[..., Any]) -> UUID:
    """A tutor whose first session went badly, who missed one since, and whose tier fell from yesterday's."""
    app.execute("set time zone 'UTC'")  # so that current_date is a day of the scores, as the page says
    now = datetime.now(UTC)
    tutor, client = add_tutor(app), add_client(app)
    listing = add_listing(app, tutor)
    first = add_booking(app, listing, client, scheduled_start=now - 9 * DAY, session_number=1)
    add_transcript(app, first, "goal", "confusion", "wrap-up")
    add_session(app, listing, client, now - 2 * DAY)
    for days in range(3, 7):
        add_no_show(app, listing, client, now - days * DAY)
    drain()
    app.execute(
        "insert into caas.tutor_performance_metrics (profile_id, time_window, calculation_date, sessions_completed,"
        " no_show_count, performance_tier, flags, calculated_at)"
        " select profile_id, time_window, calculation_date - 1, 3, 0, 'Strong', '{}', now()"
        " from caas.tutor_performance_metrics"
    )
    return tutor


def found(app: Rows, text: str) -> list[list[tuple[Any, ...]]]:
    """The rows of each query in a block."""
    cursor = app.execute(text.encode())
    results = []
    while True:
        if cursor.description:
            results.append(cursor.fetchall())
        if not cursor.nextset():
            return results


def page(app: Rows, name: str, tutor: UUID) -> list[list[tuple[Any, ...]]]:
    """The rows of each query of a page, asked about this tutor; statements that make something are executed too."""
    results: list[list[tuple[Any, ...]]] = []
    with plain_role(app) as role:
        for block in blocks(ROOT / "docs/how-to" / name, "sql"):
            text = block.replace(ANYBODY, str(tutor)).replace("back_office", role)
            if "concurrently" in text:  # not as several statements at once, which would be one transaction
                for statement in filter(str.strip, text.split(";")):
                    app.execute(statement.encode())
            else:
                results += found(app, text)
    return results


def test_quality_scores(app: Rows, tutor: UUID) -> None:
    scores, windows, tiers, weeks, firsts = page(app, "quality-scores.md", tutor)
    assert {row[0] for row in scores} == {"ths", "tcrs", "reschedule_risk"}
    assert {row[0] for row in windows} == {"7day", "30day", "90day"}
    assert tiers == [("Needs Attention", 1)]
    assert sum(row[3] for row in weeks) == 4
    assert [row[1] for row in firsts] == [tutor]


def test_why_a_tier_fell(app: Rows, tutor: UUID) -> None:
    flags, moved, days, _, by_rows, by_cells = page(app, "why-a-tier-fell.md", tutor)
    assert ("no_show_count", "red") in [row[2:] for row in flags]
    assert moved == [(tutor, "Strong", "Needs Attention")]
    assert len(days) == 6
    assert (by_rows[0][0], by_cells[0][0]) == ("rows", "cells")
    assert by_rows[0][1:] == by_cells[0][1:]


def test_watch_tutors(app: Rows, tutor: UUID) -> None:
    (alerts,) = page(app, "watch-tutors.md", tutor)
    assert {row[1] for row in alerts} == {tutor}
    assert {"poor_first_session", "high_reliability_risk"} <= {row[2] for row in alerts}
