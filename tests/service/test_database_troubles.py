"""What callers get while the database is slow, locked by the application, or restarted: an answer, and soon."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from caas_worker import figures
from caas_worker.api import service as limits
from caas_worker.api.app import create
from caas_worker.api.service import Service
from caas_worker.db import Database
from caas_worker.errors import DatabaseBusy, DatabaseUnavailable
from tests.interleaving import until, waiting
from tests.people import Rows, add_tutor
from tests.service.conftest import BEARER, MakeService

HEALTH = "/api/health"
CANCEL = (
    "select pg_cancel_backend(pid) from pg_stat_activity "
    "where wait_event_type = 'Lock' and datname = current_database()"
)
END_ALL = (
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
    "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
)


@pytest.fixture
def locked(app: Rows) -> Iterator[None]:
    """The queue, for as long as the test lasts."""
    with psycopg.connect(app.info.dsn, password=app.info.password or None) as connection:
        connection.execute("lock table caas.recalculation_queue in share row exclusive mode")
        yield
        connection.rollback()


def test_cached_scores_are_read_while_recalculations_and_drains_wait_for_a_lock(
    client: TestClient, app: Rows, drain: Any, request: pytest.FixtureRequest
) -> None:
    tutor = add_tutor(app)
    drain()
    request.getfixturevalue("locked")
    with ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(client.post, f"/api/caas/{tutor}/recalculate", headers=BEARER) for _ in range(6)]
        asked += [
            callers.submit(client.post, "/api/caas/worker/process-queue", headers=BEARER, json={"max_seconds": 1})
            for _ in range(2)
        ]
        until(lambda: waiting(app) >= 3, "two recalculations and a drain to wait")
        answers = [client.get(f"/api/caas/{tutor}") for _ in range(10)] + [client.get(HEALTH) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        assert max(answer.elapsed.total_seconds() for answer in answers) < limits.PATIENCE_SECONDS
        while not all(answer.done() for answer in asked):
            app.execute(CANCEL)


def test_connections_that_a_restart_left_dead_cost_no_caller_an_answer(
    client: TestClient, service: Service, app: Rows, drain: Any
) -> None:
    tutor = add_tutor(app)
    drain()
    together = threading.Barrier(3)

    def hold(_: int) -> None:
        with service.db.transaction() as connection:
            connection.execute("select")
            together.wait(20)

    with ThreadPoolExecutor() as callers:
        list(callers.map(hold, range(3)))  # three connections are in the pool
    app.execute(END_ALL)
    assert [client.get(f"/api/caas/{tutor}").status_code for _ in range(4)] == [200] * 4


def test_a_database_that_hangs_is_answered_for_in_time(
    client: TestClient, service: Service, app: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor, goes_on = add_tutor(app), threading.Event()
    monkeypatch.setattr(limits, "LONGEST_LOOK_SECONDS", 0.2)

    def hang(*_: Any, **__: Any) -> list[Any]:
        goes_on.wait(20)
        return []

    with monkeypatch.context() as stopped:
        stopped.setattr(service.db, "look", hang)
        begun = time.monotonic()
        answer = client.get(f"/api/caas/{tutor}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert time.monotonic() - begun < 5
        goes_on.set()


def test_a_reader_who_gets_no_connection_is_told_so_and_nobody_else_is(
    client: TestClient, service: Service, app: Rows, drain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor = add_tutor(app)
    drain()
    monkeypatch.setattr(limits, "PATIENCE_SECONDS", 0.05)
    with contextlib.ExitStack() as taken:
        for _ in range(service.settings.pool_size):
            taken.enter_context(service.db.transaction())
        answer = client.get(f"/api/caas/{tutor}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DATABASE_BUSY")
        assert int(answer.headers["Retry-After"]) > 0
        monkeypatch.setattr(figures, "PATIENCE_SECONDS", 0.05)
        assert client.get(HEALTH).json()["database"] == "busy"
    assert client.get(f"/api/caas/{tutor}").status_code == 200


def test_a_server_that_cannot_be_reached_is_away_and_not_busy() -> None:
    db = Database("host=/nowhere")
    with db._pool, pytest.raises(DatabaseUnavailable) as raised, db.transaction(patience=0.05):
        pass
    assert not isinstance(raised.value, DatabaseBusy)


def test_who_would_wait_longer_than_a_statement_may_take_is_told_that_it_is_busy(
    make_service: MakeService, app: Rows, request: pytest.FixtureRequest
) -> None:
    tutor = add_tutor(app)
    service = make_service(pool_size=2, statement_timeout=0.2)
    request.getfixturevalue("locked")
    with TestClient(create(service)) as client, ThreadPoolExecutor(2) as callers:
        asked = [callers.submit(client.post, f"/api/caas/{tutor}/recalculate", headers=BEARER) for _ in range(2)]
        first, _ = wait(asked, return_when=FIRST_COMPLETED)
        codes = [answer.result().json()["error"]["code"] for answer in first]
        app.execute(CANCEL)
    assert codes == ["DATABASE_BUSY"]
