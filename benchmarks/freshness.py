"""How soon after its commit a completed session shows in every score, at 200 completions a second with two workers.

A completion counts as visible when the tutor's transaction that covers it is committed: cells, windows, tier, health,
churn, alerts, summary and session quality are written together, and the session's own quality is looked for. The
application's commit times are compared in turn with the triggers and without them.
"""

import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from benchmarks.ground import Ground, say
from benchmarks.reads import p99, service_environment
from caas_worker import rules, worker
from caas_worker.db import Database
from caas_worker.settings import Settings

TUTORS = 5_000
TUTOR_SHARE = 0.3
PER_SECOND = 200
SECONDS = 60
WRITERS = 4
WORKERS = 2
ROUNDS = 3
ROUND_SECONDS = 10
LOOK_SECONDS = 0.01
WARM_UP_SECONDS = 3
LATEST_SECONDS = 30

SESSIONS_TO_COMPLETE = """
insert into bookings (listing_id, client_id, type, status, scheduled_start, scheduled_end, session_number)
select
    b.listing_id,
    b.client_id,
    'paid',
    'Confirmed',
    now() - interval '65 minutes',
    now() - interval '5 minutes',
    2
from bookings as b
inner join listings as l on l.id = b.listing_id
where b.client_id is not null
order by md5(b.id::text)
limit %s
returning id
"""
COMPLETE = """
update bookings
set
    status = 'Completed',
    actual_start = scheduled_start + %s * interval '1 minute',
    actual_end = scheduled_end,
    engagement_score = 0.8,
    learning_objectives_met = true
where id = %s
"""
VISIBLE = "select booking_id from caas.session_scores where score_type = 'sqs' and booking_id = any(%s)"

Committed = dict[UUID, float]


def measure(ground: Ground) -> None:
    """Run it and keep the result."""
    tutors, seconds = (TUTORS // 10, SECONDS / 10) if ground.small else (TUTORS, SECONDS)
    round_seconds = ROUND_SECONDS / 5 if ground.small else ROUND_SECONDS
    conninfo = ground.marketplace("freshness", tutors=tutors, tutor_share=TUTOR_SHARE)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        wanted = int(PER_SECOND * (WARM_UP_SECONDS + seconds + 2 * ROUNDS * round_seconds) * 1.1)
        sessions = [row[0] for row in connection.execute(SESSIONS_TO_COMPLETE, (wanted,)).fetchall()]
        connection.execute("vacuum analyze")
    with Database(conninfo, statement_timeout=600) as db:
        line = worker.line(db, Settings(follow_profiles=False))
        # marks everyone, as the workers would at their start: they are to meet completions only
        rules.publish(db, line.registry)
        say("everyone is computed once")
        worker.drain(line, batch_size=500)
    with _workers(conninfo):
        _play(conninfo, sessions, WARM_UP_SECONDS)
        waits, commits = _play(conninfo, sessions, seconds)
        rounds: dict[str, list[float]] = {"with": [], "without": []}
        for _ in range(ROUNDS):
            for way in rounds:
                with _triggers(conninfo, way == "with"):
                    _, spent = _play(conninfo, sessions, round_seconds, looks=way == "with")
                rounds[way].append(p99(spent))
    p99s = {way: round(statistics.median(figures) * 1000, 2) for way, figures in rounds.items()}
    ground.keep(
        "freshness",
        {
            "tutors": tutors,
            "workers": WORKERS,
            "completions_per_second": PER_SECOND,
            "seconds": seconds,
            "completions": len(waits),
            "visible_after_ms": {
                "p50": round(statistics.median(waits) * 1000),
                "p99": round(p99(waits) * 1000),
                "longest": round(max(waits) * 1000),
            },
            "commit_p99_ms": {**p99s, "ratio": round(p99s["with"] / p99s["without"], 2), "rounds": ROUNDS},
            "commit_p50_ms_with": round(statistics.median(commits) * 1000, 2),
        },
    )


def _play(
    conninfo: str, sessions: list[UUID], seconds: float, *, looks: bool = True
) -> tuple[list[float], list[float]]:
    """Complete sessions at a steady rate; returns seconds until each was visible, and seconds that each commit took."""
    committed: Committed = {}
    spent: list[float] = []
    visible: list[float] = []
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(conninfo, committed, visible, over))
    begun = time.perf_counter()
    writers = [
        threading.Thread(
            target=_write, args=(conninfo, sessions, begun + number / PER_SECOND, seconds, committed, spent)
        )
        for number in range(WRITERS)
    ]
    if looks:
        watching.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    over.set()
    if looks:
        watching.join()
        assert not committed, f"{len(committed)} completions were not visible after {LATEST_SECONDS} s"
    return visible, spent


def _write(
    conninfo: str, sessions: list[UUID], begun: float, seconds: float, committed: Committed, spent: list[float]
) -> None:
    """One of the application's connections: a completion whenever its turn comes, late or not."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        turn = begun
        while turn < begun + seconds:
            time.sleep(max(turn - time.perf_counter(), 0))
            booking = sessions.pop()
            before = time.perf_counter()
            connection.execute(COMPLETE, (random.randrange(12), booking))
            after = time.perf_counter()
            spent.append(after - before)
            committed[booking] = after
            turn += WRITERS / PER_SECOND


def _watch(conninfo: str, committed: Committed, visible: list[float], over: threading.Event) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        deadline = None
        while not (over.is_set() and not committed) and (deadline is None or time.perf_counter() < deadline):
            if over.is_set() and deadline is None:
                deadline = time.perf_counter() + LATEST_SECONDS
            rows = connection.execute(VISIBLE, (list(committed),)).fetchall()
            now = time.perf_counter()
            visible.extend(now - committed.pop(row[0]) for row in rows)
            time.sleep(LOOK_SECONDS)


@contextmanager
def _workers(conninfo: str) -> Iterator[None]:
    command = [sys.executable, "-m", "caas_worker", "run", "--workers", str(WORKERS)]
    with subprocess.Popen(command, env=service_environment(conninfo)) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def _triggers(conninfo: str, enabled: bool) -> Iterator[None]:
    def switch(word: str) -> None:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(f"alter table bookings {word} trigger user".encode())

    if not enabled:
        switch("disable")
    yield
    if not enabled:
        switch("enable")
