"""Workers are killed again and again under traffic, the database once: in the end every score is what it should be.

Credibility and the tutors' quality figures, as of one moment at which nothing is left to do and nothing is due.
"""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from caas_worker import embedded, figures, migrate, rules, worker
from caas_worker.db import Database
from caas_worker.embedded import EmbeddedServer
from caas_worker.fleet import Fleet
from caas_worker.marketplace import people, schema
from caas_worker.marketplace.traffic import Traffic
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.sweep import sweep
from tests.interleaving import Rows, one, until
from tests.oracle import Expected, Tables, expected
from tests.proof.tables import QualityTables

Start = Callable[[], EmbeddedServer]

PEOPLE = 400
SECONDS = 30
TRANSACTIONS_PER_SECOND = 40
FEWEST_KILLS = 10
LEASE_SECONDS = 3
SETTLING_SECONDS = 60
WORKERS = {
    "CAAS_LEASE_SECONDS": str(LEASE_SECONDS),
    "CAAS_BACKOFF_SECONDS": "0.5",
    # small batches without a rest between them, so that a kill meets one under way
    "CAAS_RUN_BATCH_SIZE": "10",
    "CAAS_BUSY_SHARE": "1",
}

LEASED = f"""
    select
        count(*) filter (where lease_until > clock_timestamp() + interval '{LEASE_SECONDS - 0.5} s') as under_way,
        count(*) filter (where lease_until < clock_timestamp() + interval '{LEASE_SECONDS - 0.5} s') as abandoned
    from caas.recalculation_queue
"""
"""Whoever has held a lease for longer than a batch takes is gone."""

UNSETTLED = """
    select
        (select count(*) from caas.changes) + (select count(*) from caas.recalculation_queue)
        + (select count(*) from caas.scores where next_due_at <= now())
        + (select count(*) from caas.cell_states where next_due_at <= now())
"""
"""The day's turn and a session that begins are due as well: without them the quality tables hold for now."""


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the server of one folder, again after it was killed; it keeps what it promised to keep."""
    folder = Path(tempfile.mkdtemp(prefix="caas-kills-", dir="/tmp"))
    folder.chmod(0o755)
    bin_dir = os.environ.get("CAAS_TEST_POSTGRES_BIN")
    with ExitStack() as holds:

        def start_one() -> EmbeddedServer:
            return holds.enter_context(
                embedded.start(folder, Path(bin_dir) if bin_dir else None, say=lambda _: None, grace_seconds=0)
            )

        yield start_one
    shutil.rmtree(folder, ignore_errors=True)


def crash(conninfo: str) -> None:
    """Kill the database server, all of it at once."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        assert one(connection, "show fsync") == one(connection, "show full_page_writes") == "on"
        pid = int(one(connection, "select pg_read_file('postmaster.pid')").splitlines()[0])
    os.kill(pid, signal.SIGKILL)


def set_up(conninfo: str) -> None:
    """People whose scores are all computed, so that from now on nothing but their own changes marks them."""
    with psycopg.connect(conninfo, autocommit=True) as app:
        schema.create(app)
        people.populate(app, people=PEOPLE)
    migrate.up(conninfo, Shipped.load(), lambda _: None)
    with Database(conninfo) as db:
        line = worker.line(db, Settings())
        rules.publish(db, line.registry)
        assert worker.drain(line, batch_size=500).processed >= PEOPLE


@contextmanager
def running(fleet: Fleet) -> Iterator[None]:
    """The workers at work, each replaced when it falls; afterwards all end by SIGTERM."""
    stop = threading.Event()
    thread = threading.Thread(target=fleet.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(90)
    assert not thread.is_alive()


@dataclass
class Killer:
    """Kills the fleet's workers, one after the other."""

    fleet: Fleet
    conninfo: str
    dice: Random = field(default_factory=lambda: Random(1))
    killed: set[int] = field(default_factory=set)
    abandoned: int = 0

    def kill_until(self, moment: float) -> None:
        """Kill one every second or two, while a batch is leased, until this moment of the monotonic clock."""
        rhythm = threading.Event()
        with psycopg.connect(self.conninfo, autocommit=True) as app:
            while time.monotonic() < moment:
                rhythm.wait(self.dice.uniform(1, 2))
                self.abandoned += one(app, f"select abandoned from ({LEASED}) as leased")
                until(lambda: one(app, f"select under_way from ({LEASED}) as leased"), "a batch under way")
                if alive := [pid for pid in self.fleet.pids if pid not in self.killed]:
                    victim = self.dice.choice(alive)
                    os.kill(victim, signal.SIGKILL)
                    self.killed.add(victim)


def settle(conninfo: str) -> None:
    """Work off what is left, leases that have still to lapse and what falls due meanwhile included."""
    deadline = time.monotonic() + SETTLING_SECONDS
    with Database(conninfo) as db, psycopg.connect(conninfo, autocommit=True) as app:
        line = worker.line(db, Settings(lease_seconds=LEASE_SECONDS))
        while one(app, UNSETTLED):
            assert time.monotonic() < deadline, f"not settled in {SETTLING_SECONDS} s: {figures.status(db)}"
            sweep(db, PEOPLE)
            summary = worker.drain(line, batch_size=100)
            assert (summary.failed, summary.dead) == (0, 0)


def differences(conninfo: str) -> list[str]:
    """The profiles whose cached score is not what the tables say, at the moment of one look at both.

    The quality tables are asserted to be what they should be at that moment.
    """
    with psycopg.connect(conninfo) as app:
        app.execute("set transaction isolation level repeatable read")
        assert one(app, UNSETTLED) == 0
        now: datetime = one(app, "select now()")
        tables = Tables.load(app)
        QualityTables.load(app).compare(now)
        rows = app.cursor(row_factory=dict_row).execute("select * from caas.scores").fetchall()
    wanted = expected(tables, now)
    cached = {row["profile_id"]: row for row in rows}
    assert cached.keys() == wanted.keys()
    followed = {profile["id"]: profile["caas_score"] for profile in tables.profiles}
    return [
        f"{profile_id}: {kept} instead of {due}"
        for profile_id, score in wanted.items()
        if (kept := as_kept(cached[profile_id], followed[profile_id])) != (due := as_expected(score))
    ]


def as_kept(row: Mapping[str, Any], followed: int) -> dict[str, Any]:
    columns = ("role_type", "total_score", "reason", "calculation_version", "gate_failed", "next_due_at")
    return {name: row[name] for name in columns} | {
        "score_breakdown": rounded(row["score_breakdown"]),
        "profiles.caas_score": followed,
    }


def as_expected(score: Expected) -> dict[str, Any]:
    return {
        "role_type": score.role_type,
        "total_score": score.total,
        "reason": score.reason,
        "calculation_version": score.version,
        "gate_failed": score.gate_failed,
        "next_due_at": score.next_due_at,
        "score_breakdown": rounded(score.breakdown),
        "profiles.caas_score": score.total,
    }


def rounded(breakdown: Mapping[str, float]) -> dict[str, float]:
    """To nine decimals, whole numbers and flags alike."""
    return {name: round(float(points), 9) for name, points in breakdown.items()}


def scored_since(app: Rows, moment: datetime) -> int:
    return int(one(app, "select count(*) from caas.scores where calculated_at > %s", moment))


@pytest.mark.timeout(180)
def test_workers_killed_every_other_second_and_a_crash_of_the_database_leave_no_difference(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    conninfo = start().ensure_database("marketplace")
    set_up(conninfo)
    for name, value in WORKERS.items():
        monkeypatch.setenv(name, value)
    fleet = Fleet.of_workers(2, conninfo)
    killer = Killer(fleet, conninfo)
    traffic = Traffic(conninfo, seed=1, per_second=TRANSACTIONS_PER_SECOND)
    with running(fleet):
        begun = time.monotonic()
        with traffic:
            killer.kill_until(begun + SECONDS / 2)
            before = traffic.transactions
            crash(conninfo)
            assert start().ensure_database("marketplace") == conninfo
            with psycopg.connect(conninfo, autocommit=True) as app:
                back: datetime = one(app, "select now()")
            at_restart = traffic.transactions
            killer.kill_until(begun + SECONDS)
        after = traffic.transactions - at_restart
        with psycopg.connect(conninfo, autocommit=True) as app:
            until(lambda: scored_since(app, back), "workers at work after the crash")
    assert min(before, after) > 0
    assert len(killer.killed) >= FEWEST_KILLS
    assert killer.abandoned > 0, "no kill met a batch under way"

    settle(conninfo)
    assert differences(conninfo) == []
    with psycopg.connect(conninfo) as app:
        assert one(app, "select count(*) from caas.dead_entries") == 0
        assert one(app, "select count(*) from caas.scores") == one(app, "select count(*) from profiles") >= PEOPLE
