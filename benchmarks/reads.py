"""A cached score read from the view that the application reads, from the table behind it, and over HTTP, in turn.

The service is `caas-worker serve` in a process of its own; readers keep their connections, as a web tier does. The
readers' own processor time is in the figures on both sides.
"""

import http.client
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from uuid import UUID

import psycopg

from benchmarks.ground import Ground, say
from caas_worker import queue, worker
from caas_worker.db import Database
from caas_worker.settings import Settings

ROUNDS = 7
READS = 2_000
READERS = 8
LOOKUPS = {
    "table": "select * from caas.scores where profile_id = %s",
    "view": "select * from public.caas_scores where profile_id = %s",
}

Read = Callable[[UUID], None]
Opener = Callable[[], AbstractContextManager[Read]]


def measure(ground: Ground) -> None:
    """Run it and keep the result."""
    conninfo = ground.marketplace("reads", tutors=ground.tutors // 4)
    with Database(conninfo) as db:
        queue.mark_everyone(db, "benchmark")
        worker.drain(worker.line(db, Settings(follow_profiles=False)), batch_size=2_000)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        profiles = [row[0] for row in connection.execute("select profile_id from caas.scores").fetchall()]
    reads = READS // 10 if ground.small else READS
    times: dict[str, list[list[float]]] = {way: [] for way in (*LOOKUPS, "http")}
    crowd: dict[str, list[float]] = {way: [] for way in times}
    with _service(conninfo) as port:
        openers: dict[str, Opener] = {
            **{way: partial(_sql, conninfo, lookup) for way, lookup in LOOKUPS.items()},
            "http": partial(_http, port),
        }
        for number in range(ROUNDS + 1):
            for way, opener in openers.items():
                spent = _one_reader(opener, profiles, reads)
                rate = _several_readers(opener, profiles, reads // READERS)
                if number:  # the first round warms up
                    times[way].append(spent)
                    crowd[way].append(rate)
    result = {
        way: {
            "median_ms": _ms(statistics.median(statistics.median(spent) for spent in times[way])),
            "p99_ms": _ms(statistics.median(p99(spent) for spent in times[way])),
            f"reads_per_second_of_{READERS}_readers": round(statistics.median(crowd[way])),
        }
        for way in times
    }
    ratios = {
        f"{way}_to_{base}": {
            figure: round(result[way][f"{figure}_ms"] / result[base][f"{figure}_ms"], 2) for figure in ("median", "p99")
        }
        for way, base in (("view", "table"), ("http", "view"))
    }
    ground.keep("reads", {"scores": len(profiles), "rounds": ROUNDS, "reads": reads, **result, **ratios})


def _one_reader(opener: Opener, profiles: list[UUID], reads: int) -> list[float]:
    """Seconds of each read."""
    spent = []
    with opener() as read:
        for profile_id in random.sample(profiles, reads):
            begun = time.perf_counter()
            read(profile_id)
            spent.append(time.perf_counter() - begun)
    return spent


def _several_readers(opener: Opener, profiles: list[UUID], reads: int) -> float:
    """Reads a second of all readers together."""
    threads = [threading.Thread(target=_one_reader, args=(opener, profiles, reads)) for _ in range(READERS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return READERS * reads / (time.perf_counter() - begun)


@contextmanager
def _sql(conninfo: str, lookup: str) -> Iterator[Read]:
    with psycopg.connect(conninfo, autocommit=True) as connection:

        def read(profile_id: UUID) -> None:
            assert connection.execute(lookup, (profile_id,)).fetchone()

        yield read


@contextmanager
def _http(port: int) -> Iterator[Read]:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def read(profile_id: UUID) -> None:
        connection.request("GET", f"/api/caas/{profile_id}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200

    yield read
    connection.close()


@contextmanager
def _service(conninfo: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    command = [sys.executable, "-m", "caas_worker", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=service_environment(conninfo)) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert time.monotonic() < deadline, "the service did not start"
                time.sleep(0.05)
            say(f"the service listens at port {port}")
            yield port
        finally:
            process.terminate()


def service_environment(conninfo: str) -> dict[str, str]:
    """What a process of the product needs to know of this database."""
    return {**os.environ, "CAAS_DATABASE_URL": conninfo, "CAAS_LOG_LEVEL": "warning"}


def p99(spent: list[float]) -> float:
    """What one in a hundred exceeds."""
    return sorted(spent)[int(len(spent) * 0.99)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
