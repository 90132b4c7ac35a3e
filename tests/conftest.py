"""Real PostgreSQL for every test: CAAS_TEST_DATABASE_URL, else a container, else the embedded server.

CAAS_TEST_POSTGRES_BIN chooses the embedded server's programs, CAAS_TEST_FOLDER where it keeps its files: a folder in
memory saves time. Each test gets a database of its own, cloned from a template that is made once. With
CAAS_TEST_PGBOUNCER the workers reach it through PgBouncer (pgbouncer.py); the application and migrations never do.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from caas_worker import embedded, migrate, worker
from caas_worker.db import Database
from caas_worker.marketplace import schema
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from tests import pgbouncer
from tests.pgbouncer import PgBouncer

Connect = Callable[..., psycopg.Connection[Any]]

collect_ignore = [] if pgbouncer.wanted() else ["integration/test_pgbouncer.py"]
if not os.environ.get("CAAS_TEST_MODEL"):
    collect_ignore.append("model")  # needs spin and gcc: `make test-model`

FAST_AND_LOOSE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}


@pytest.fixture(autouse=True)
def no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say what they set; the developer's own CAAS_ variables do not leak in."""
    for name in [*os.environ]:
        if name.startswith("CAAS_") and not name.startswith("CAAS_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("SENTRY_DSN", raising=False)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A conninfo of a server on which databases may be created."""
    if url := os.environ.get("CAAS_TEST_DATABASE_URL"):
        yield url
        return
    if container := _container():
        with container:
            yield container.get_connection_url(driver=None)
        return
    folder = Path(tempfile.mkdtemp(prefix="caas-", dir=os.environ.get("CAAS_TEST_FOLDER", "/tmp")))
    folder.chmod(0o755)
    bin_dir = os.environ.get("CAAS_TEST_POSTGRES_BIN")
    try:
        with embedded.start(folder, Path(bin_dir) if bin_dir else None, say=print, options=FAST_AND_LOOSE) as running:
            yield running.conninfo()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _container() -> Any:
    if not shutil.which("docker") or os.environ.get("CAAS_TEST_POSTGRES_BIN"):
        return None
    if subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode:
        return None
    from testcontainers.community.postgres import PostgresContainer

    return PostgresContainer("postgres:18", driver=None)


class Databases:
    """Creates and drops databases on the tests' server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._names = (f"caas_test_{os.getpid()}_{number}" for number in itertools.count())

    def create(self, template: str | None = None) -> str:
        """The conninfo of a new database, empty or a clone."""
        name = next(self._names)
        with psycopg.connect(self._server, autocommit=True) as connection:
            # copying files is seven times as fast as logging every page; before 15 it was the only way
            strategy = "strategy file_copy" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"create database {name} template {template or 'template0'} {strategy}")
        return make_conninfo(self._server, dbname=name)

    def drop(self, conninfo: str) -> None:
        """Drop it, whoever is still connected."""
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"drop database {conninfo_to_dict(conninfo)['dbname']} with (force)")


@pytest.fixture(scope="session")
def databases(server: str) -> Databases:
    return Databases(server)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A fresh empty database."""
    conninfo = databases.create()
    yield conninfo
    databases.drop(conninfo)


@pytest.fixture(scope="session")
def template(databases: Databases) -> Iterator[str]:
    """A marketplace without people, migrated; the mark of everyone that a migration leaves is folded away."""
    conninfo = databases.create()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        schema.create(connection)
    migrate.up(conninfo, Shipped.load(), lambda _: None)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("delete from caas.changes")
    yield str(conninfo_to_dict(conninfo)["dbname"])
    databases.drop(conninfo)


@pytest.fixture
def url(databases: Databases, template: str) -> Iterator[str]:
    """A migrated marketplace without people."""
    conninfo = databases.create(template)
    yield conninfo
    databases.drop(conninfo)


@pytest.fixture(scope="session")
def bouncer(server: str) -> Iterator[PgBouncer | None]:
    """The PgBouncer in front of that server, if the workers are to go through one."""
    if not pgbouncer.wanted():
        yield None
        return
    with pgbouncer.start(server) as running:
        yield running


@pytest.fixture
def pooled_url(url: str, bouncer: PgBouncer | None) -> str:
    """The workers' way to that marketplace: through PgBouncer, if there is one."""
    return bouncer.instead_of(url) if bouncer else url


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """Opens connections of the application; autocommit unless told otherwise; closed afterwards."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one(**options: Any) -> psycopg.Connection[Any]:
        connection = psycopg.connect(url, **{"autocommit": True, **options})
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def app(connect: Connect) -> psycopg.Connection[Any]:
    """A connection of the application, in autocommit."""
    return connect()


@pytest.fixture
def settings() -> Settings:
    """The defaults, with retries at once."""
    return Settings(backoff_seconds=0)


@pytest.fixture
def db(pooled_url: str) -> Iterator[Database]:
    """The pool of a worker."""
    with Database(pooled_url) as database:
        yield database


@pytest.fixture
def make_line(db: Database, settings: Settings) -> Callable[..., Line]:
    """Makes further workers' lines over the same database: `make_line(lease_seconds=1)`."""

    def make(*strategies: Any, **changes: Any) -> Line:
        changed = settings.model_copy(update=changes)
        return worker.line(db, changed, Registry(strategies or [TutorStrategy(), ClientStrategy(), AgentStrategy()]))

    return make


@pytest.fixture
def line(make_line: Callable[..., Line]) -> Line:
    """A worker's line with the built-in strategies."""
    return make_line()


@pytest.fixture
def drain(line: Line) -> Callable[..., worker.Summary]:
    """Drains the queue: `drain()`, `drain(max_batches=1)`."""

    def run(**limits: Any) -> worker.Summary:
        return worker.drain(replace(line), **{"batch_size": 100, **limits})

    return run
