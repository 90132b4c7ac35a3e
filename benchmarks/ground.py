"""What the benchmarks stand on: a scratch server with ordinary settings, a big marketplace, a place for results."""

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from caas_worker import embedded, migrate
from caas_worker.marketplace import people, schema
from caas_worker.shipped import Shipped

RESULTS = Path(__file__).parent / "results"
TUTORS = 20_000
BOOKINGS = 50
REVIEWS = 10

# Ordinary durability; memory as on a small server of one's own, not as on a laptop's default.
SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "work_mem": "64MB"}


class Ground:
    """A server of its own in a temporary folder; ended and removed with the run."""

    def __init__(self, *, small: bool) -> None:
        self.small = small
        self.tutors = TUTORS // 10 if small else TUTORS
        self._folder = Path(tempfile.mkdtemp(prefix="caas-bench-", dir="/tmp"))
        self._folder.chmod(0o755)

    def __enter__(self) -> "Ground":
        bin_dir = os.environ.get("CAAS_POSTGRES_BIN")
        self._server = embedded.start(self._folder, Path(bin_dir) if bin_dir else None, say=say, options=SERVER)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self, name: str) -> str:
        """An empty database."""
        return self._server.ensure_database(name)

    def marketplace(self, name: str, *, tutors: int | None = None, tutor_share: float = 1) -> str:
        """A migrated marketplace of tutors with 50 bookings and 10 reviews; everybody is one, if nothing is said."""
        conninfo = self._server.ensure_database(name)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            schema.create(connection)
            say(f"{name}: making {tutors or self.tutors:,} tutors")
            people.populate(
                connection,
                people=round((tutors or self.tutors) / tutor_share),
                tutor_share=tutor_share,
                bookings_per_tutor=BOOKINGS,
                reviews_per_tutor=REVIEWS,
            )
        migrate.up(conninfo, Shipped.load(), lambda _: None)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("delete from caas.changes")
            connection.execute("vacuum analyze")
        return conninfo

    @contextmanager
    def copy(self, name: str) -> Iterator[str]:
        """A copy of a database that nobody is connected to; dropped in the end, whoever is connected to it."""
        original, copy = sql.Identifier(name), sql.Identifier(f"{name}_copy")
        with psycopg.connect(self._server.conninfo(), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} template {}").format(copy, original))
            try:
                yield self._server.conninfo(f"{name}_copy")
            finally:
                connection.execute(sql.SQL("drop database {} with (force)").format(copy))

    def keep(self, name: str, result: dict[str, Any]) -> None:
        """Print the result and, unless it was a try, keep it in benchmarks/results/."""
        with psycopg.connect(self._server.conninfo()) as connection:
            row = connection.execute("show server_version").fetchone()
        document = {
            "benchmark": name,
            "at": datetime.now(UTC).date().isoformat(),
            "postgresql": row[0] if row else None,
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            **result,
        }
        text = json.dumps(document, indent=2)
        say(text)
        if not self.small:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def say(text: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(text + "\n")
