"""What an application transaction left open costs fold and claim, with and without the floor (caas_worker/floor.py).

Every entry that was ever taken stays in the index behind the open transaction. Both ways take turns in one run: a
worker that searches from the head each time, and one that begins where it was.
"""

import statistics
import time
from uuid import uuid4

import psycopg

from benchmarks.ground import Ground, say
from caas_worker import worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.settings import Settings

BATCH = 500
ROUNDS = 21


def measure(ground: Ground) -> None:
    """Run it and keep the result."""
    conninfo = ground.marketplace("horizon", tutors=ground.tutors // 10)
    checkpoints = [0, 30_000, 100_000, 300_000] if not ground.small else [0, 3_000, 10_000]
    figures = []
    with (
        psycopg.connect(conninfo) as open_transaction,
        psycopg.connect(conninfo, autocommit=True) as application,
        Database(conninfo) as db,
    ):
        open_transaction.execute("select txid_current()")
        line = worker.line(db, Settings(follow_profiles=False))
        taken = 0
        for checkpoint in checkpoints:
            while taken < checkpoint:
                taken += _round(line, application)
            time.sleep(2.1)
            with_floor: list[float] = []
            from_head: list[float] = []
            for _ in range(ROUNDS):
                taken += _round(line, application, with_floor)
                taken += _round(line, application, from_head, whole=True)
            figures.append(
                {
                    "entries_taken": checkpoint,
                    "from_the_head_ms": round(statistics.median(from_head) * 1000, 1),
                    "with_the_floor_ms": round(statistics.median(with_floor) * 1000, 1),
                }
            )
            say(str(figures[-1]))
    ground.keep("horizon", {"batch": BATCH, "rounds": ROUNDS, "fold_and_claim": figures})


def _round(
    line: Line,
    application: psycopg.Connection[tuple[object, ...]],
    times: list[float] | None = None,
    *,
    whole: bool = False,
) -> int:
    """Mark a batch of made-up profiles, fold, claim and finish it; only fold and claim are timed."""
    application.execute("select caas.enqueue(%s, 'benchmark')", ([uuid4() for _ in range(BATCH)],))
    begun = time.perf_counter()
    line.fold(whole=whole)
    claim = line.claimant.claim(BATCH, whole=whole)
    if times is not None:
        times.append(time.perf_counter() - begun)
    line.publish(claim, line.score(claim))
    line.claimant.settle()
    return len(claim.entries)
