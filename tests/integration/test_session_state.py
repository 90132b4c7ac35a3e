"""Nothing of ours is a session's: PgBouncer may hand each transaction to another server connection."""

from caas_worker import worker
from caas_worker.db import Database
from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from tests.people import Rows, add_tutor


def test_a_drain_leaves_no_prepared_statement_no_setting_and_no_advisory_lock(app: Rows, url: str) -> None:
    add_tutor(app)
    with Database(url, pool_size=1) as db:
        line = worker.line(db, Settings(), Registry([TutorStrategy()]))
        assert worker.drain(line, batch_size=10).processed == 1
        with db._pool.connection() as session:
            left = session.execute(
                "select (select count(*) from pg_prepared_statements), current_setting('statement_timeout'),"
                " current_setting('synchronous_commit'), current_setting('lock_timeout'),"
                " (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())"
            ).fetchone()
    untouched = app.execute(
        "select 0, current_setting('statement_timeout'), current_setting('synchronous_commit'),"
        " current_setting('lock_timeout'), 0"
    ).fetchone()
    assert left == untouched
