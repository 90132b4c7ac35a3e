"""A session keeps its plans; one made while a table was empty must not walk the whole table once it is full.

Autovacuum analyses a table that is empty after installation as empty. Joins planned on that belief read every row of
an index for every row of a batch: the first backfill of 20,000 profiles ran at 743 a second instead of 6,500.
"""

from collections.abc import Callable, Iterator

import pytest

from caas_worker.application import COLUMNS
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.verify import OUR_TABLES
from caas_worker.worker import Summary
from tests.people import Rows

PEOPLE = 3_000
BATCH = 250
OURS = ", ".join(f"'{table}'" for table in OUR_TABLES)
OF_THE_QUEUE = ("changes", "recalculation_queue")
"""Rows come and go there: until the next vacuum their index entries are read as well."""
LASTING = ", ".join(f"'{table}'" for table in OUR_TABLES if table not in OF_THE_QUEUE)
THEIRS = ", ".join(f"'{table}'" for table in COLUMNS)


@pytest.fixture
def db(pooled_url: str) -> Iterator[Database]:
    """One session only: all that it read is in the server's statistics when that one says so."""
    with Database(pooled_url, pool_size=1) as database:
        yield database


def index_rows_read(app: Rows, tables: str) -> int:
    row = app.execute(
        "select sum(coalesce(idx_tup_fetch, 0) + seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes i"
        f" where i.relid = t.relid)) from pg_stat_user_tables t where relname in ({tables})"
    ).fetchone()
    assert row is not None
    return int(row[0])


def make_indexes_anew(app: Rows) -> None:
    """The application's indexes in the other order: between equals, the planner takes the newest."""
    made = app.execute(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index "
        f"where indrelid::regclass::text in ({THEIRS}) and not indisunique order by indexrelid desc"
    ).fetchall()
    for name, definition in made:
        app.execute(f"drop index {name}".encode())
        app.execute(definition)


def flush_statistics(line: Line) -> None:
    with line.db.transaction() as connection:
        connection.execute("select pg_stat_force_next_flush()")


def fill(app: Rows, drain: Callable[..., Summary]) -> None:
    """Have sessions make their plans for one tutor, and then many tutors come."""
    app.execute("vacuum analyze")
    app.execute("insert into profiles (roles, identity_verified) values ('{TUTOR}', true)")
    drain(batch_size=BATCH)
    app.execute(
        "insert into profiles (roles, identity_verified) select '{TUTOR}', true from generate_series(1, %s)", (PEOPLE,)
    )
    app.execute("insert into listings (profile_id, title) select id, 'x' from profiles")
    app.execute(
        "insert into bookings (listing_id, client_id, status, scheduled_start, scheduled_end)"
        " select l.id, l.profile_id, 'Completed', now(), now() from listings l"
    )
    app.execute(
        "insert into profile_reviews (reviewer_id, reviewee_id, rating) select id, id, 5 from profiles union all"
        " select lead(id, 1) over (order by id), id, 4 from profiles"
    )
    app.execute("insert into session_transcripts (booking_id, turns) select id, '[]' from bookings")


@pytest.mark.parametrize("anew", [False, True], ids=["as created", "indexes made anew"])
@pytest.mark.parametrize("tables", [OURS, THEIRS], ids=["ours", "the application's"])
def test_rows_read_stay_in_proportion_to_what_is_scored(
    app: Rows, line: Line, drain: Callable[..., Summary], tables: str, anew: bool
) -> None:
    if anew:
        make_indexes_anew(app)
    fill(app, drain)

    def rows_read_by_a_drain() -> int:
        app.execute("select pg_stat_reset()")
        assert drain(batch_size=BATCH).processed == PEOPLE + 1
        flush_statistics(line)
        return index_rows_read(app, tables)

    assert rows_read_by_a_drain() < 300 * PEOPLE
    app.execute("update bookings set actual_start = scheduled_start, actual_end = scheduled_end")
    app.execute("update profile_reviews set rating = 3")
    assert rows_read_by_a_drain() < 300 * PEOPLE


@pytest.mark.parametrize("tables", [LASTING, THEIRS], ids=["ours", "the application's"])
def test_one_changed_session_reads_no_more_though_the_tables_are_full(
    app: Rows, line: Line, drain: Callable[..., Summary], tables: str
) -> None:
    """What joined a list of ids, deletes and the totals to be followed, walked whole indexes with every batch."""
    fill(app, drain)
    drain(batch_size=BATCH)
    flush_statistics(line)
    app.execute("update bookings set tech_issue = true where id = (select id from bookings order by id limit 1)")
    app.execute("update profile_reviews set rating = 2 where id = (select id from profile_reviews order by id limit 1)")
    app.execute("select pg_stat_force_next_flush()")
    app.execute("select pg_stat_reset()")
    line.fold()
    batch = line.run_batch(BATCH)
    assert batch
    assert 1 <= batch.size <= 3
    flush_statistics(line)
    assert index_rows_read(app, tables) < PEOPLE // 10
