"""A session keeps its plans; one made while a table was empty must not walk the whole table once it is full.

Autovacuum analyses a table that is empty after installation as empty. Joins planned on that belief read every row of
an index for every row of a batch: the first backfill of 20,000 profiles ran at 743 a second instead of 6,500.
"""

from collections.abc import Callable

import pytest

from caas_worker.pipeline import Line
from caas_worker.worker import Summary
from tests.people import Rows

PEOPLE = 3_000
BATCH = 250
OURS = "'caas_changes', 'caas_recalculation_queue', 'caas_scores', 'caas_score_follow', 'caas_dead_entries'"
THEIRS = "'profiles', 'role_details', 'listings', 'bookings', 'profile_reviews', 'profile_graph'"


def index_rows_read(app: Rows, tables: str) -> int:
    row = app.execute(
        "select sum(coalesce(idx_tup_fetch, 0) + seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes i"
        f" where i.relid = t.relid)) from pg_stat_user_tables t where relname in ({tables})"
    ).fetchone()
    assert row is not None
    return int(row[0])


def flush_statistics(line: Line) -> None:
    with line.db.transaction() as connection:
        connection.execute("select pg_stat_force_next_flush()")


@pytest.mark.parametrize("tables", [OURS, THEIRS], ids=["ours", "the application's"])
def test_rows_read_stay_in_proportion_to_what_is_scored(
    app: Rows, line: Line, drain: Callable[..., Summary], tables: str
) -> None:
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
    app.execute("select pg_stat_reset()")
    summary = drain(batch_size=BATCH)
    assert summary.processed == PEOPLE + 1
    flush_statistics(line)
    assert index_rows_read(app, tables) < 300 * PEOPLE
