"""The record of what is installed, the lock that lets one migration run at a time, and retried short transactions."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from caas_worker.catalog import RELATIONS
from caas_worker.db import connect, translate
from caas_worker.errors import MigrationRefused
from caas_worker.sql import statements

LOCK_TIMEOUT_MS = 200
"""How long an attempt may queue for a table's lock: writers of the application stand behind it meanwhile."""
PATIENCE_SECONDS = 60.0
"""How long a busy table is tried again before the migration says who is in the way."""

OURS = "a table of caas_worker"

Say = Callable[[str], None]


class Ledger:
    """A direct connection that holds the migration lock. Not through PgBouncer: the lock is the session's."""

    def __init__(self, connection: Connection[TupleRow], say: Say, patience_seconds: float) -> None:
        self.connection = connection
        self.say = say
        self.sql = statements("migrate")
        self._patience_seconds = patience_seconds

    def installed(self) -> Mapping[str, str]:
        """Hash of each installed file, by name; empty where nothing was ever installed."""
        return installed_files(self.connection)

    def create(self) -> None:
        """Create the ledger where it is missing."""
        self.connection.execute(self.sql["ledger"])
        self.connection.execute(self.sql["describe_ledger"])

    def drop(self) -> None:
        """Drop the ledger itself."""
        self.connection.execute(self.sql["drop_ledger"])

    def forget(self, name: str) -> None:
        """Note a file as no longer installed, in the running transaction."""
        self.connection.execute(self.sql["forget"], {"name": name})

    def record(self, name: str, sha256: str) -> None:
        """Note a file as installed, in the running transaction."""
        self.connection.execute(self.sql["record"], {"name": name, "sha256": sha256})

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection[TupleRow]]:
        """A READ COMMITTED transaction that gives up a lock after LOCK_TIMEOUT_MS."""
        with self.connection.transaction():
            self.connection.execute("set local transaction isolation level read committed")
            self.connection.execute(f"set local lock_timeout = {LOCK_TIMEOUT_MS}")
            yield self.connection

    def patiently(self, relation: str | None, work: Callable[[Connection[TupleRow]], None]) -> None:
        """Do `work` in a transaction of its own, again and again while `relation` (None: a table of ours) is locked.

        Raises:
            MigrationRefused: the table stayed locked; the message says by whom.
        """
        deadline = time.monotonic() + self._patience_seconds
        pause = 0.05
        while True:
            try:
                with self.transaction() as connection:
                    work(connection)
                return
            except psycopg.Error as error:
                if not _is_busy(error):
                    raise
                if time.monotonic() >= deadline:
                    raise MigrationRefused(self._in_the_way(relation)) from None
                if pause == 0.05:
                    self.say(f"{relation or OURS} is busy; trying again without holding anybody up")
                time.sleep(pause)
                pause = min(pause * 2, 2.0)

    def _in_the_way(self, relation: str | None) -> str:
        holders = self.connection.execute(self.sql["holders"], {"relation": relation, "ours": RELATIONS}).fetchall()
        who = "; ".join(f"pid {pid} {name} {state} for {age or 0:.0f} s" for pid, name, state, age in holders)
        return (
            f"{relation or OURS} stayed locked for {self._patience_seconds:.0f} s"
            + (f" by {who}" if who else "")
            + ". Nothing of the application's was harmed; what was done so far stays. Run the command again later."
        )


def _is_busy(error: psycopg.Error) -> bool:
    """Whether somebody else had the table, or just now changed the same row of the catalog, as another grant does."""
    return isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected) or (
        isinstance(error, psycopg.errors.InternalError_) and "tuple concurrently" in str(error)
    )


def installed_files(connection: Connection[TupleRow]) -> Mapping[str, str]:
    """Hash of each installed file, by name; empty where nothing was ever installed."""
    queries = statements("migrate")
    row = connection.execute(queries["has_ledger"]).fetchone()
    if not (row and row[0]):
        return {}
    return dict(connection.execute(queries["installed"]).fetchall())


@contextlib.contextmanager
def open_ledger(conninfo: str, say: Say, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[Ledger]:
    """The ledger under the migration lock; waits for another host's migration to end.

    Raises:
        DatabaseUnavailable: no connection.
        MigrationRefused: another migration holds the lock for longer than the patience, or the role lacks a right.
    """
    try:
        with connect(conninfo) as connection, _rights_of(connection.info.user):
            connection.execute("set search_path = public, pg_temp")
            queries = statements("migrate")
            deadline = time.monotonic() + patience_seconds
            told = False
            while True:
                row = connection.execute(queries["lock"]).fetchone()
                if row and row[0]:
                    break
                if time.monotonic() >= deadline:
                    raise MigrationRefused("Another migration is running on this database. Try again when it is done.")
                if not told:
                    say("another migration is running; waiting for it")
                    told = True
                time.sleep(0.1)
            yield Ledger(connection, say, patience_seconds)
    except psycopg.Error as error:
        raise translate(error) from error


@contextlib.contextmanager
def _rights_of(role: str) -> Iterator[None]:
    """What the role may not do becomes a sentence, with what helps."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        message = error.diag.message_primary or ""
        told = f"This role may not do that: {message}. Migrate as the owner of the application's tables"
        if "public" in message:  # "permission denied for schema public", in any language
            told = f'{told}, who may create others beside them: grant create on schema public to "{role}"'
        raise MigrationRefused(told) from error
