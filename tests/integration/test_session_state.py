"""Nothing of ours is a session's: PgBouncer may hand each transaction to another server connection."""

from collections.abc import Callable

from psycopg.rows import dict_row

from caas_worker import queue, worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.sweep import sweep
from tests.people import Rows, add_client, add_review, add_tutor, total

LEFT_BEHIND = """
    select
        (select count(*) from pg_prepared_statements) as prepared_statements,
        (select count(*) from pg_cursors where is_holdable) as cursors,
        (select count(*) from pg_listening_channels()) as channels,
        (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as advisory_locks,
        (select count(*) from pg_class where relnamespace = pg_my_temp_schema()) as temporary_tables,
        (select count(*) from pg_settings where source = 'session' and name <> all (%s)) as settings,
        (current_user <> session_user)::int as roles
"""
OF_EVERY_CLIENT = ["application_name", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings"]
"""What a client says when it connects. PgBouncer sets these for whoever comes next."""

LITTER = (
    "prepare something as select 1",
    "declare something cursor with hold for select 1",
    "listen something",
    "select pg_advisory_lock(1)",
    "create temp table something ()",
    "set lock_timeout = '1min'",
    "set role pg_monitor",
)


def left_behind(session: Rows) -> dict[str, int]:
    """What this server connection still has of those before."""
    found = session.cursor(row_factory=dict_row).execute(LEFT_BEHIND, (OF_EVERY_CLIENT,)).fetchone()
    assert found is not None
    return {name: count for name, count in found.items() if count}


def test_whatever_a_session_may_leave_behind_would_be_seen(connect: Callable[..., Rows]) -> None:
    session = connect()
    for statement in LITTER:
        session.execute(statement.encode())
    assert list(left_behind(session).values()) == [1] * len(LITTER)


def test_the_line_leaves_nothing_behind_in_a_session(
    app: Rows, db: Database, line: Line, drain: Callable[..., worker.Summary]
) -> None:
    tutor, client = add_tutor(app), add_client(app)
    assert drain().processed == 2
    add_review(app, client, tutor, 5)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    queue.recalculate(db, [tutor])
    queue.mark_everyone(db, "backfill")
    sweep(db, 100)
    while drain().processed:
        pass
    assert total(app, tutor) == 36
    line.claimant.release()
    with db._pool.connection() as session:
        assert left_behind(session) == {}
