"""Verify's hints: an index of the application's counts if it begins with the columns that a read follows."""

import pytest

from caas_worker.application import INDEXES
from caas_worker.db import Database
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from caas_worker.verify import verify
from tests.interleaving import Rows

BY_TIME = "bookings_of_a_listing_by_time"
MAKE = "run: create index concurrently on bookings (listing_id, scheduled_start)"


def hints(db: Database) -> dict[str, str]:
    """Subject and what to do, of the indexes that are missing."""
    checks = [check for check in verify(db, Shipped.load()) if check.area == "application index"]
    assert [check.subject for check in checks] == [f"{table} ({', '.join(columns)})" for table, columns in INDEXES]
    assert all(check.hint for check in checks)
    return {check.subject: check.todo for check in checks if not check.ok}


def test_the_sample_marketplace_has_every_index(db: Database) -> None:
    assert hints(db) == {}
    assert {table for table, _ in INDEXES} <= {*schema.TABLES}


@pytest.mark.parametrize(
    ("instead", "todo"),
    [
        ("(listing_id, scheduled_start)", None),
        ("(listing_id, scheduled_start desc, status)", None),
        ("(listing_id, scheduled_start) include (status)", None),
        ("(listing_id)", f"an index on listing_id alone reads more than it needs; {MAKE}"),
        ("(listing_id) include (scheduled_start)", f"an index on listing_id alone reads more than it needs; {MAKE}"),
        ("(listing_id, status, scheduled_start)", f"an index on listing_id alone reads more than it needs; {MAKE}"),
        ("(scheduled_start, listing_id)", f"statistics read the whole table; {MAKE}"),
        ("((id is null), listing_id, scheduled_start)", f"statistics read the whole table; {MAKE}"),
        ("(listing_id, scheduled_start) where status = 'Completed'", f"statistics read the whole table; {MAKE}"),
        (None, f"statistics read the whole table; {MAKE}"),
    ],
)
def test_an_index_counts_if_it_begins_with_the_columns(
    app: Rows, db: Database, instead: str | None, todo: str | None
) -> None:
    app.execute(f"drop index {BY_TIME}".encode())
    if instead:
        app.execute(f"create index on bookings {instead}".encode())
    assert hints(db) == ({"bookings (listing_id, scheduled_start)": todo} if todo else {})
