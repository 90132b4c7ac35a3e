"""Workers behind PgBouncer in transaction mode. Collected with CAAS_TEST_PGBOUNCER only."""

import contextlib
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from caas_worker.db import Database
from caas_worker.pipeline import Line
from tests.integration.test_session_state import left_behind
from tests.interleaving import Rows, meanwhile, one
from tests.people import add_tutor
from tests.pgbouncer import PgBouncer


@pytest.fixture(autouse=True)
def workers_go_through_it(bouncer: PgBouncer | None) -> None:
    assert bouncer, "set CAAS_TEST_PGBOUNCER=1"


@pytest.fixture
def servers(bouncer: PgBouncer, url: str) -> Callable[[], set[int]]:
    """The server processes that PgBouncer has for the test's database."""
    name = conninfo_to_dict(url)["dbname"]
    return lambda: {server["remote_pid"] for server in bouncer.show("servers", database=name)}


def server_process(db: Database) -> int:
    """The one that a transaction gets."""
    with db.transaction() as connection:
        return int(one(connection, "select pg_backend_pid()"))


def test_transactions_are_what_it_pools(bouncer: PgBouncer, db: Database, url: str) -> None:
    server_process(db)
    [pool] = bouncer.show("pools", database=conninfo_to_dict(url)["dbname"])
    assert pool["pool_mode"] == "transaction"


def test_every_worker_goes_through_it(app: Rows, drain: Callable[..., object], servers: Callable[[], set[int]]) -> None:
    add_tutor(app)
    drain()
    workers = app.execute(
        "select pid from pg_stat_activity where datname = current_database() and application_name = 'caas-worker'"
    ).fetchall()
    assert {pid for (pid,) in workers} == servers() != set()


def test_two_workers_take_turns_on_one_server_connection(db: Database, pooled_url: str) -> None:
    with Database(pooled_url) as another:
        assert len({server_process(worker) for worker in (db, another) * 3}) == 1


def test_a_worker_gets_another_server_connection_from_one_transaction_to_the_next(
    db: Database, pooled_url: str
) -> None:
    with Database(pooled_url) as another:
        with db.transaction():
            server_process(another)
        assert len({server_process(db) for _ in range(4)}) == 2


def test_workers_at_once_leave_nothing_behind_on_any_server_connection(
    app: Rows, pooled_url: str, make_line: Callable[..., Line], servers: Callable[[], set[int]]
) -> None:
    tutors = [add_tutor(app) for _ in range(30)]
    one_worker, another = make_line(), make_line()
    one_worker.fold()
    with meanwhile(lambda: [one_worker.run_batch(3) for _ in range(20)]):
        for _ in range(20):
            another.run_batch(3)
    assert one(app, "select count(*) from caas.scores") == len(tutors)
    seen = set()
    with contextlib.ExitStack() as sessions:
        for _ in servers():
            session = sessions.enter_context(psycopg.connect(pooled_url, prepare_threshold=None))
            seen.add(one(session, "select pg_backend_pid()"))
            assert left_behind(session) == {}
    assert seen == servers()
