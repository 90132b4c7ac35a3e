"""Connections: every transaction READ COMMITTED by name, driver errors in this product's words, no session state."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from psycopg import ClientCursor, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, TupleRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from caas_worker.errors import (
    FORBIDDEN,
    CaasError,
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    NotInstalled,
    NotPermitted,
    RulesOutdated,
    SettingsError,
)

# Classes of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html: connection exceptions,
# operator intervention (57014, a cancelled statement, is none of these), too many connections.
_GONE = ("08", "57P", "53300")
_UNDEFINED = ("42P01", "42883", "42703", "3F000")
_OUTDATED = "CA001"
"""Raised by our own caas.cache."""
OURS = re.compile(r"\bcaas(\.|\b)")
"""Stands before the names of our tables and functions."""
RAISE = "exec_stmt_raise"
"""The server's function for a RAISE in PL/pgSQL."""
DATA_EXCEPTION = "22000"
SHORTEST_TIMEOUT_SECONDS = 1.0
SILENCE = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
"""Seconds to connect in, and milliseconds after which a network that acknowledges nothing counts as broken."""
LOOK_SECONDS = 2.0
LONGEST_PATIENCE_SECONDS = 10.0
"""How long a free connection is waited for unless a caller says otherwise."""
Found = TypeVar("Found")
Clock = Callable[[Connection[TupleRow]], datetime]
"""Says what time it is, to a transaction: another time than now answers what a score will be then."""
APPLICATIONS_PATH = "; set local search_path = pg_catalog, public, pg_temp"
CELLS = "; set local caas.cells = on"
LOCK_SHARE = 0.5
"""How much of the statement timeout a lock may be waited for."""


def translate(error: psycopg.Error) -> CaasError:
    """The product's error for a driver's: away, not installed, or an answer that repeating will not cure."""
    state = error.sqlstate
    # not the context: that is the text of whole functions
    primary = error.diag.message_primary or str(error).strip()
    further = (error.diag.message_detail, error.diag.message_hint)
    message = ". ".join(part.rstrip(".") for part in (primary, *further) if part)
    if isinstance(error, PoolTimeout) or (state is None and isinstance(error, psycopg.OperationalError)):
        return DatabaseUnavailable(f"The database does not answer: {message}")
    if state is not None and state.startswith(_GONE):
        return DatabaseUnavailable(f"The database went away: {message}")
    if state is None and isinstance(error, psycopg.DataError):
        # the driver itself could not read a value, such as a date outside its calendar
        state = DATA_EXCEPTION
    if state == _OUTDATED:
        return RulesOutdated.against(primary)
    if state == FORBIDDEN:
        return NotPermitted(f"{message}. As this role, caas-worker verify says what is missing")
    if state in _UNDEFINED and OURS.search(primary):
        return NotInstalled(f"{primary}. Run: caas-worker migrate up")
    about = {"table": error.diag.table_name, "column": error.diag.column_name, "constraint": error.diag.constraint_name}
    names = {kind: name for kind, name in about.items() if name}
    is_servers = error.diag.source_function not in (None, RAISE)
    return DatabaseError(f"{message} [{state}]" if state else message, state, names, is_servers=is_servers)


class Database:
    """A pool of connections to one database.

    Transactions set what they need with SET LOCAL and prepare nothing, so that PgBouncer in transaction mode may
    stand between. READ COMMITTED is said by name: under another default, set by the database's owner, workers would
    fail to serialise and make the application's SERIALIZABLE transactions fail with them.
    """

    def __init__(self, conninfo: str, *, pool_size: int = 4, statement_timeout: float = 30) -> None:
        self.conninfo = conninfo
        self._statement_timeout = statement_timeout
        # counted here: the pool itself does not tell one that is lent out from one that can't be had
        self._free = threading.BoundedSemaphore(pool_size)
        self._pool: ConnectionPool[Connection[TupleRow]] = ConnectionPool(
            _patient(conninfo),
            min_size=1,
            max_size=pool_size,
            timeout=LONGEST_PATIENCE_SECONDS,
            open=False,
            reconnect_timeout=5,
            kwargs={"autocommit": True, "prepare_threshold": None, "application_name": "caas-worker"},
        )

    def __enter__(self) -> "Database":
        try:
            connect(self.conninfo).close()
        except psycopg.Error as error:
            raise translate(error) from error
        self._pool.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    @contextlib.contextmanager
    def transaction(
        self,
        *,
        lazily: bool = False,
        share_of_timeout: float = 1,
        patience: float | None = None,
        cells: bool = False,
        for_application: bool = False,
    ) -> Iterator[Connection[TupleRow]]:
        """One READ COMMITTED transaction.

        Args:
            lazily: do not wait for the disk. Right for the steps of the line: a crash undoes such a transaction as a
                whole, the marks or entries that it took are there again, and the work is done again. The marks
                themselves were made durable by the application's own commit.
            share_of_timeout: of the statement timeout; at least SHORTEST_TIMEOUT_SECONDS are given.
            patience: how many seconds to wait for a free connection; None: as long as ever.
            cells: statistics read cells where they are built, instead of the application's rows.
            for_application: the application's tables are written, whose own triggers may need `public` on the path.

        Raises:
            DatabaseBusy: no connection was free in time.
            DatabaseUnavailable: the server is away; nothing is known of the transaction.
            DatabaseError, NotInstalled: the server refused a statement; the transaction is undone.
        """
        begin = self._begin(lazily, share_of_timeout) + (CELLS if cells else "")
        begin += APPLICATIONS_PATH if for_application else ""
        try:
            with self._begun(patience, lambda connection: connection.execute(begin)) as (connection, _):
                yield connection
                connection.execute("commit")
        except psycopg.Error as error:
            raise translate(error) from error

    def look(self, query: bytes, parameters: Mapping[str, Any], *, patience: float | None = None) -> list[DictRow]:
        """The rows of one statement that reads by key, in a transaction like any other but in one round trip.

        It may take LOOK_SECONDS: whoever reads by key is no longer there after that.

        Args:
            patience: how many seconds to wait for a free connection; None: as long as ever.

        Raises:
            DatabaseBusy, DatabaseUnavailable, DatabaseError, NotInstalled: as `transaction` does.
        """
        begin = self._begin(lazily=True, share_of_timeout=LOOK_SECONDS / self._statement_timeout)
        whole = b";".join((begin.encode(), query.strip().rstrip(b";"), b"commit"))

        def read(connection: Connection[TupleRow]) -> list[DictRow]:
            # bound here and not by the server, which takes one statement at a time when it binds
            cursor = ClientCursor(connection, row_factory=dict_row)
            cursor.execute(whole, parameters)
            while cursor.description is None and cursor.nextset():
                pass
            return cursor.fetchall()

        try:
            with self._begun(patience, read) as (_, rows):
                return rows
        except psycopg.Error as error:
            raise translate(error) from error

    @contextlib.contextmanager
    def _begun(
        self, patience: float | None, first: Callable[[Connection[TupleRow]], Found]
    ) -> Iterator[tuple[Connection[TupleRow], Found]]:
        """A connection, and what it did first, which may be repeated: not those that a restarted server left dead."""
        with self._turn(LONGEST_PATIENCE_SECONDS if patience is None else patience):
            for others in reversed(range(self._pool.max_size + 1)):
                with self._pool.connection(timeout=patience) as connection:
                    try:
                        found = first(connection)
                    except psycopg.OperationalError:
                        if connection.closed and others:
                            continue
                        raise
                    yield connection, found
                    return

    @contextlib.contextmanager
    def _turn(self, patience: float) -> Iterator[None]:
        """The right to one of the pool's connections: with it, having to wait means that the server is away."""
        if not self._free.acquire(timeout=patience):
            raise DatabaseBusy
        try:
            yield
        finally:
            self._free.release()

    def _begin(self, lazily: bool, share_of_timeout: float) -> str:
        """All that a transaction needs to be told, in one round trip.

        The lock timeout comes first, so that a table that the application has locked is not taken for the fault of
        the profiles whose statistics wait for it.
        """
        seconds = max(
            self._statement_timeout * min(share_of_timeout, 1), min(self._statement_timeout, SHORTEST_TIMEOUT_SECONDS)
        )
        return (
            "begin isolation level read committed; set local search_path = pg_catalog, pg_temp; "
            f"set local statement_timeout = {round(seconds * 1000)}; "
            f"set local lock_timeout = {round(seconds * 1000 * LOCK_SHARE)}; "
            f"set local idle_in_transaction_session_timeout = {round(self._statement_timeout * 1000)}"
            f"{'; set local synchronous_commit = off' if lazily else ''}"
        )

    def forget_connections(self) -> None:
        """Drop connections that a restarted server left dead."""
        self._pool.check()


def _patient(conninfo: str) -> str:
    """The connection string with an end to waiting for a silent server, where it says nothing of that itself."""
    try:
        given = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        return conninfo  # `connect` says so
    return make_conninfo(conninfo, **{name: value for name, value in SILENCE.items() if name not in given})


def connect(conninfo: str, **options: Any) -> Connection[TupleRow]:
    """One connection outside any pool, in autocommit.

    Raises:
        SettingsError: that is no connection string. The message does not repeat it: it may hold a password.
    """
    try:
        conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        raise SettingsError(
            "CAAS_DATABASE_URL is no connection string. Examples: postgresql://user@host/database, "
            "or: host=/var/run/postgresql dbname=database"
        ) from None
    return psycopg.connect(
        conninfo, autocommit=True, prepare_threshold=None, connect_timeout=SILENCE["connect_timeout"], **options
    )
