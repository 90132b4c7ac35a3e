"""The database is killed under a worker and comes back: the worker goes on, and nothing is lost."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from caas_worker import embedded, migrate, worker
from caas_worker.db import Database
from caas_worker.embedded import EmbeddedServer
from caas_worker.marketplace import schema
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from tests.people import add_tutor, total

Start = Callable[[], EmbeddedServer]


@pytest.fixture
def start() -> Iterator[Start]:
    folder = Path(tempfile.mkdtemp(prefix="caas-crash-", dir="/tmp"))
    folder.chmod(0o755)
    bin_dir = os.environ.get("CAAS_TEST_POSTGRES_BIN")
    holds: list[EmbeddedServer] = []

    def start_one() -> EmbeddedServer:
        holds.append(embedded.start(folder, Path(bin_dir) if bin_dir else None, say=lambda _: None))
        return holds[-1]

    yield start_one
    for hold in holds:
        hold.close()
    shutil.rmtree(folder, ignore_errors=True)


def eventually(look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline, "it did not happen in 30 s"
        time.sleep(0.05)


def postmaster(server: EmbeddedServer) -> int:
    with psycopg.connect(server.conninfo()) as connection:
        row = connection.execute("select pg_read_file('postmaster.pid')").fetchone()
    assert row is not None
    return int(row[0].splitlines()[0])


def test_a_worker_goes_on_after_its_database_was_killed(start: Start) -> None:
    server = start()
    conninfo = server.ensure_database("marketplace")
    with psycopg.connect(conninfo, autocommit=True) as app:
        schema.create(app)
        migrate.up(conninfo, Shipped.load(), lambda _: None)
        tutor = add_tutor(app)
    stop = threading.Event()
    # a claim that reached the disk without its cache is free again when its lease ends
    settings = Settings(lease_seconds=3)
    with Database(conninfo) as db:
        line = worker.line(db, settings, Registry([TutorStrategy()]))
        thread = threading.Thread(target=worker.Worker(line, settings, stop).run)
        thread.start()
        try:
            with psycopg.connect(conninfo, autocommit=True) as app:
                eventually(lambda: total(app, tutor) == 32)
            os.kill(postmaster(server), signal.SIGKILL)
            again = start()
            with psycopg.connect(again.ensure_database("marketplace"), autocommit=True) as app:
                app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
                eventually(lambda: total(app, tutor) == 36)
        finally:
            stop.set()
            thread.join(30)
    assert not thread.is_alive()
