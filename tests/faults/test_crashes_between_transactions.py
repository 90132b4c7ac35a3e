"""The server crashes between two transactions of a batch, and keeps of the earlier ones only the first few.

The line commits lazily (`synchronous_commit = off`): a crash undoes the last of its transactions and keeps those before
the last durable commit of anyone. Its worker is between two transactions then, begins the next one over a new
connection and goes on, with what it remembers. Every place of the crash is tried with every prefix that may be kept.
"""

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from caas_worker import audit, embedded, migrate, rules, worker
from caas_worker.db import Database
from caas_worker.errors import CaasError
from caas_worker.marketplace import schema
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from tests.people import (
    LONG_AGO,
    Rows,
    add_client,
    add_listing,
    add_profile,
    add_review,
    add_session,
    add_tutor,
    connect_people,
)

STEPS = ("fold", "expand", "wake", "claim", "cells", "stats", "publish", "follow", "end")
"""What each transaction of a turn with one batch is for: a crash comes before it, or after the last."""
CASES = [(kept, lost) for lost in range(1, len(STEPS)) for kept in range(lost)]
"""How many transactions are durable, and before which one the server crashes."""
SLOWEST_WAL_WRITER = {"wal_writer_delay": "10s", "autovacuum": "off", "checkpoint_timeout": "1h"}
"""Nothing reaches the disk but by a durable commit."""
DEADLINE_SECONDS = 30


class Watched(Database):
    """A worker's database that calls `between` before each transaction of the line."""

    between: Callable[[], object] = staticmethod(lambda: None)

    @contextlib.contextmanager
    def transaction(self, **how: Any) -> Iterator[Connection[Any]]:
        self.between()
        with super().transaction(**how) as connection:
            yield connection


@dataclass
class Town:
    """An agent, its recruit and the recruit's listing, on a server that may be crashed."""

    url: str
    agent: UUID
    tutor: UUID
    listing: UUID

    def app(self) -> contextlib.AbstractContextManager[Rows]:
        return psycopg.connect(self.url, autocommit=True)

    def crash(self) -> None:
        """Kill one backend, as the kernel does when memory runs out; returns when the server is back."""
        victim = psycopg.connect(self.url, autocommit=True)
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                victim.execute("select pg_sleep(0.01)")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the server did not come back"
                time.sleep(0.01)


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    folder = Path(tempfile.mkdtemp(prefix="caas-crashes-", dir=os.environ.get("CAAS_TEST_FOLDER", "/tmp")))
    folder.chmod(0o755)
    bin_dir = os.environ.get("CAAS_TEST_POSTGRES_BIN")
    with embedded.start(
        folder, Path(bin_dir) if bin_dir else None, say=lambda _: None, options=SLOWEST_WAL_WRITER
    ) as server:
        url = server.ensure_database("marketplace")
        with psycopg.connect(url, autocommit=True) as app:
            schema.create(app)
            migrate.up(url, Shipped.load(), lambda _: None)
            app.execute("create table other_work (id int)")
            agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
            connect_people(app, agent, tutor, "AGENT_REFERRAL")
            yield Town(url, agent, tutor, add_listing(app, tutor))
    shutil.rmtree(folder, ignore_errors=True)


def change(town: Town, day: int) -> None:
    """A session with a new client, and a review: another cell, another sum, another score."""
    with town.app() as app:
        client = add_client(app)
        add_session(app, town.listing, client, LONG_AGO + timedelta(days=day))
        add_review(app, client, town.tutor, 5)


def finish(db: Database, settings: Settings) -> None:
    """Drain to the end; leases of claims that nobody remembers are over."""
    for _ in range(5):
        with db.transaction() as connection:
            connection.execute("update caas.recalculation_queue set lease_until = now() where token is not null")
        if worker.drain(worker.line(db, settings), batch_size=100).remaining == 0:
            return
    pytest.fail("the queue is not empty")


def wrong(db: Database, settings: Settings) -> list[Any]:
    """Scores and quality scores that are not what the rows say, and cells that nobody will write."""
    with db.transaction() as connection:
        left = connection.execute("select profile_id, cell, refreshed from caas.touched_cells").fetchall()
        behind = connection.execute(
            "select p.id, p.caas_score, s.total_score from public.profiles as p "
            "inner join caas.scores as s on s.profile_id = p.id where p.caas_score <> s.total_score"
        ).fetchall()
    report = audit.audit(db, worker.line(db, settings), audit.everyone(db, 100))
    assert report.checked > 1
    return [*report.differences, *left, *behind]


def test_a_turn_has_the_transactions_that_are_named_here(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    with Watched(town.url) as db:
        line = worker.line(db, settings)
        rules.publish(db, line.registry)
        finish(db, settings)
        change(town, len(CASES))
        steps: list[str] = []
        running: list[str] = []
        timed = line.telemetry.step

        @contextlib.contextmanager
        def step(name: str) -> Iterator[None]:
            running.append(name)
            with timed(name):
                yield
            running.pop()

        monkeypatch.setattr(line.telemetry, "step", step)
        monkeypatch.setattr(db, "between", lambda: steps.append(running[-1] if running else "publish"))
        line.fold()
        line.run_batch(100)
    named = {"expand": "fold", "wake": "claim"}
    assert steps == [named.get(name, name) for name in STEPS[:-1]]


@pytest.mark.parametrize(
    ("kept", "lost"), CASES, ids=[f"before-{STEPS[lost]}-durable-until-{STEPS[kept]}" for kept, lost in CASES]
)
def test_whatever_a_crash_undoes_everyone_is_right_afterwards(
    town: Town, kept: int, lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(backoff_seconds=0)
    with Watched(town.url) as db:
        line = worker.line(db, settings)
        rules.publish(db, line.registry)
        finish(db, settings)
        change(town, CASES.index((kept, lost)))
        places = itertools.count()

        def between() -> None:
            place = next(places)
            if place == kept:
                with town.app() as app:
                    app.execute("insert into other_work values (1)")
            if place == lost:
                town.crash()

        monkeypatch.setattr(db, "between", between)
        with contextlib.suppress(CaasError):
            line.fold()
            line.run_batch(100)
        between()
        monkeypatch.undo()
        assert next(places) > lost
        db.forget_connections()
        finish(db, settings)
        assert wrong(db, settings) == []
