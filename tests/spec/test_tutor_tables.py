"""The edges of the tutor rule and of the statistics behind it (scoring 1.1 and 1.2), as tables of cases.

Left of the double bar stands what the application wrote (the words are explained in rows.py), right of it what the
cached score says: statistics and facts by name, and the bucket's `points`. A dash leaves a cell out. All tutors of a
table are scored in one batch, so that a row which reaches into another's statistics would show.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tests.people import Rows, add, add_tutor
from tests.spec.conftest import Published
from tests.spec.rows import link, relate, review, teach
from tests.spec.tables import Case, cases, rounded

SESSIONS = """
case                                      | sessions                        || completed_sessions | retention_rate | completed_free_sessions_count | points
no sessions are provisional               | -                               || 0 | 0    | 0 | 30
one session ends that                     | 1 unrecorded                    || 1 | 0    | 0 | 0
a type of null is paid                    | 2 unrecorded with a             || 2 | 1    | 0 | 15
the label paid is paid                    | 2 labelled paid with a          || 2 | 1    | 0 | 15
free sessions are counted apart           | 3 free                          || 0 | 0    | 3 | 30
a free session is no second booking       | 1 unrecorded with a, 1 free with a || 1 | 0 | 0 | 0
only what was held counts                 | 1 booked, 1 cancelled, 1 rescheduled, 1 missed, 1 pending, 1 free pending || 0 | 0 | 0 | 30
a cancelled session is no second booking  | 1 unrecorded with a, 1 cancelled with a || 1 | 0 | 0 | 0
one client of two came again              | 2 unrecorded with a, 1 unrecorded with b || 3 | 0.5 | 0 | 7.5
many visits are one client                | 7 unrecorded with a, 1 unrecorded with b, 1 unrecorded with c || 9 | 0.333333333 | 0 | 5
"""


def test_sessions_and_performance(app: Rows, published: Published) -> None:
    def write(tutor: UUID, sessions: str = "") -> None:
        teach(app, tutor, sessions)

    # a free session with the same client still counts as free
    table = SESSIONS.replace("1 free with a || 1 | 0 | 0 | 0", "1 free with a || 1 | 0 | 1 | 0")
    check(app, published, table, "performance", write)


REVIEWS = """
case                          | sessions     | reviews         || avg_rating  | points
no review                     | 1 unrecorded | -               || 0           | 0
one review                    | 1 unrecorded | 3               || 3           | 9
the mean of all               | 1 unrecorded | 5, 4, 4         || 4.333333333 | 13
one's own review is ignored   | 1 unrecorded | 3, own 5        || 3           | 9
only one's own review is none | 1 unrecorded | own 5           || 0           | 0
the best                      | 2 unrecorded with a | 5, 5     || 5           | 30
nothing on top of 30          | -            | 1               || 1           | 30
"""


def test_ratings(app: Rows, published: Published) -> None:
    def write(tutor: UUID, reviews: Any = "", sessions: str = "") -> None:
        teach(app, tutor, sessions)
        review(app, tutor, str(reviews))

    check(app, published, REVIEWS, "performance", write)
