"""A user's side: a hold on the server, which is there as long as somebody has one."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from caas_worker.embedded.account import server_account
from caas_worker.embedded.folder import PORT, default_data_dir, make_folder
from caas_worker.embedded.programs import find_programs
from caas_worker.embedded.starter import Starter, take_hold
from caas_worker.errors import EmbeddedServerError

GRACE_SECONDS = 1.5
# Longer than all that a supervisor may take: an earlier server's end, initdb, and crash recovery.
START_SECONDS = 600

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


class EmbeddedServer:
    """One user's hold on the server of a folder. A context manager; `close` may be called twice.

    The hold ends with the process at the latest. A child made by fork without exec (multiprocessing's "fork") has a
    part in it and keeps the server until that child ends too.
    """

    def __init__(self, data_dir: Path, version: int, socket_dir: str, hold: int) -> None:
        self.data_dir = data_dir
        self.version = version
        self._socket_dir = socket_dir
        self._hold: int | None = hold

    def conninfo(self, database: str = "postgres") -> str:
        """A libpq connection string: the superuser, over the socket, without a password."""
        # Not at the top: the supervisor lives as long as the server and has no use for a driver in its memory.
        from psycopg.conninfo import make_conninfo

        return make_conninfo("", host=self._socket_dir, port=PORT, user="postgres", dbname=database)

    def ensure_database(self, name: str) -> str:
        """The connection string of a database, which is made if missing, also by two at once.

        Raises:
            EmbeddedServerError: the server refused.
        """
        import psycopg
        from psycopg import errors, sql

        try:
            with psycopg.connect(self.conninfo(), autocommit=True) as connection:
                if not connection.execute("select from pg_database where datname = %s", [name]).fetchall():
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except (errors.DuplicateDatabase, errors.UniqueViolation):
            pass
        except psycopg.Error as error:
            raise EmbeddedServerError(f"The embedded server could not make the database {name}: {error}") from error
        return self.conninfo(name)

    def close(self) -> None:
        """Let go. The server ends a moment later unless somebody else holds it."""
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(
    data_dir: Path | None = None,
    bin_dir: Path | None = None,
    *,
    say: Callable[[str], None],
    options: Mapping[str, str] = NO_OPTIONS,
    grace_seconds: float = GRACE_SECONDS,
) -> EmbeddedServer:
    """A hold on the server of `data_dir`, which is set up and started unless it runs already.

    `bin_dir` has PostgreSQL's programs (unset: the wheel's). `say` gets a sentence about whatever takes time or was
    put right. `options` are PostgreSQL settings and `grace_seconds` is how long the server outlives its last user;
    both count for the call that starts the server only.

    Raises:
        EmbeddedServerError: there are no programs, the folder can't be used, or the server doesn't start; the
            message says what to do, and ends with the server's log where that may tell more.
    """
    data_dir = (data_dir or default_data_dir()).absolute()
    try:
        programs = find_programs(bin_dir)
        account = server_account()
        folder = make_folder(data_dir, programs.major, account)
        deadline = time.monotonic() + START_SECONDS
        hold = take_hold(folder, deadline, say)
        try:
            report = Starter(folder, programs, account, dict(options), grace_seconds, say).await_server(deadline)
        except BaseException:
            os.close(hold)
            raise
    except OSError as error:
        raise EmbeddedServerError(
            f"The embedded server can't be started in {data_dir}: {error}. Set CAAS_DATA_DIR to a folder of yours, or "
            "CAAS_DATABASE_URL to use a server of your own."
        ) from error
    return EmbeddedServer(data_dir, programs.major, report.socket_dir, hold)
