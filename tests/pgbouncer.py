"""A PgBouncer of the tests' own in front of their server, in transaction mode: CAAS_TEST_PGBOUNCER asks for it.

It lends each transaction of a client whichever server connection is free, in turn, and cleans none up between two
clients: what one leaves behind meets another. It takes no startup parameter that it does not know itself.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from caas_worker.embedded.account import server_account
from tests.interleaving import until

PORT = 6432
ASKED_FOR = "CAAS_TEST_PGBOUNCER"
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""util-linux's: the kernel ends PgBouncer when the tests are killed. What SIGTERM means to it changed in 1.23."""


def wanted() -> bool:
    """Whether the workers of the tests are to go through PgBouncer."""
    return os.environ.get(ASKED_FOR, "0") not in ("", "0")


def program() -> str:
    """The one that CAAS_TEST_PGBOUNCER names; with 1 the one on the path, where /usr/sbin always counts."""
    asked = os.environ[ASKED_FOR]
    found = shutil.which("pgbouncer" if asked == "1" else asked, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, f"{ASKED_FOR}={asked}, but there is no such program"
    return found


@dataclass(frozen=True)
class PgBouncer:
    """One that runs."""

    folder: Path
    user: str

    def instead_of(self, conninfo: str) -> str:
        """The way through it to the same database."""
        return make_conninfo(
            "", host=str(self.folder), port=PORT, user=self.user, dbname=conninfo_to_dict(conninfo)["dbname"]
        )

    def show(self, what: str, **equal: Any) -> list[dict[str, Any]]:
        """Rows of its console: `show("servers", database="a")`."""
        with psycopg.connect(self.instead_of("dbname=pgbouncer"), autocommit=True, row_factory=dict_row) as console:
            rows = console.execute(f"show {what}".encode()).fetchall()
        return [row for row in rows if equal.items() <= row.items()]


@contextlib.contextmanager
def start(server: str) -> Iterator[PgBouncer]:
    """One in front of this server; ended on leaving, or with this process. Only the main thread may start it."""
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix="caas-pgb-", dir="/tmp"))
    account.give(folder)
    try:
        with psycopg.connect(server) as connection:
            bouncer = PgBouncer(folder, connection.info.user)
            (folder / "pgbouncer.ini").write_text(_settings(folder, connection.info))
        account.give(folder / "pgbouncer.ini")
        command = [*(DIES_WITH_US if shutil.which(DIES_WITH_US[0]) else ()), program(), str(folder / "pgbouncer.ini")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **account.run_as()
            )
        try:
            until(lambda: process.poll() is not None or _answers(bouncer), "PgBouncer to answer")
            assert process.poll() is None, (folder / "log").read_text()
            yield bouncer
        finally:
            process.kill()
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(bouncer: PgBouncer) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        return bool(bouncer.show("version"))
    return False


def _settings(folder: Path, server: psycopg.ConnectionInfo) -> str:
    """Any database, everybody as the tests' own user, a socket that only that user opens, no word of each login."""
    way = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    words = " ".join(f"{name}='{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in way.items() if value)
    return "\n".join(
        (
            "[databases]",
            f"* = {words}",
            "[pgbouncer]",
            f"unix_socket_dir = {folder}",
            "unix_socket_mode = 0700",
            f"listen_port = {PORT}",
            "auth_type = any",
            "pool_mode = transaction",
            "server_round_robin = 1",
            "max_client_conn = 500",
            "default_pool_size = 20",
            "server_login_retry = 1",
            "log_connections = 0",
            "log_disconnections = 0",
            "",
        )
    )
