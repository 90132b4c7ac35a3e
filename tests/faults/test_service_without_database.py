"""The database is killed under `serve` and `run` and comes back: both go on by themselves, and nothing is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from tests.faults.test_database_crash import Start, eventually, postmaster, start
from tests.people import Rows, add_tutor, total

KEY = "a-key-that-is-long-enough"

__all__ = ["start"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts commands as processes of their own; ends them with the test."""
    running: list[subprocess.Popen[bytes]] = []
    with ExitStack() as files:

        def one(conninfo: str, *arguments: str) -> subprocess.Popen[bytes]:
            log = files.enter_context((tmp_path / f"{arguments[0]}.log").open("wb"))
            kept = {name: value for name, value in os.environ.items() if not name.startswith("CAAS_")}
            settings = {"CAAS_DATABASE_URL": conninfo, "CAAS_WORKER_API_KEY": KEY, "CAAS_LEASE_SECONDS": "3"}
            command = [sys.executable, "-m", "caas_worker", *arguments]
            running.append(subprocess.Popen(command, env=kept | settings, stdout=log, stderr=log))
            return running[-1]

        yield one
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            assert process.wait(30) == 0
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()


def ask(port: int, path: str, method: str = "GET") -> tuple[int, Any]:
    """Status and body; (0, None) while nobody listens."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method, headers={"Authorization": f"Bearer {KEY}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return 0, None


def change(app: Rows, tutor: UUID) -> None:
    app.execute("update profiles set available_free_help = not available_free_help where id = %s", (tutor,))


@pytest.mark.timeout(240)
def test_service_and_worker_outlive_their_database(
    start: Start,
    launch: Callable[..., subprocess.Popen[bytes]],
) -> None:
    server = start()
    conninfo = server.ensure_database("marketplace")
    with psycopg.connect(conninfo, autocommit=True) as app:
        schema.create(app)
        migrate.up(conninfo, Shipped.load(), lambda _: None)
        tutors = [add_tutor(app) for _ in range(20)]
        port = free_port()
        processes = [launch(conninfo, "serve", "--port", str(port)), launch(conninfo, "run")]
        eventually(lambda: all(total(app, tutor) == 32 for tutor in tutors))
        eventually(lambda: ask(port, "/api/caas/health")[0] == 200)
    with psycopg.connect(conninfo, autocommit=True) as app:
        for tutor in tutors:
            change(app, tutor)  # committed, and perhaps claimed, when the database falls
        expected = {
            tutor: 36 if helps else 32
            for tutor, helps in app.execute("select id, available_free_help from profiles").fetchall()
        }
        pid = postmaster(server)
        os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()
    eventually(lambda: ask(port, "/api/caas/health")[0] == 503)
    assert time.monotonic() - begun < 5
    status, body = ask(port, "/api/caas/health")
    assert (status, body["database"], body["queue_depth"]) == (503, "away", None)
    begun = time.monotonic()
    status, body = ask(port, f"/api/caas/{tutors[0]}")
    assert (status, body["error"]["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert time.monotonic() - begun < 5
    status, body = ask(port, f"/api/caas/{tutors[0]}/recalculate?wait=1", "POST")
    assert (status, body["error"]["code"]) == (503, "DATABASE_UNAVAILABLE")
    status, body = ask(port, "/api/caas/worker/process-queue", "POST")
    assert (status, body["error"]["code"]) == (503, "DATABASE_UNAVAILABLE")
    server = start()
    eventually(lambda: ask(port, "/api/caas/health")[0] == 200)
    with psycopg.connect(server.ensure_database("marketplace"), autocommit=True) as app:
        eventually(lambda: {key: total(app, key) for key in expected} == expected)
        new = add_tutor(app)
    eventually(lambda: ask(port, f"/api/caas/{new}")[0] == 200)
    status, body = ask(port, f"/api/caas/{new}/recalculate?wait=20", "POST")
    assert (status, body["total_score"]) == (200, 32)
    assert [process.poll() for process in processes] == [None, None]
