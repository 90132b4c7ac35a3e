"""The record of what is installed, the lock that lets one migration run at a time, and retried short transactions."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from caas_worker.application import COLUMNS
from caas_worker.db import connect, translate
from caas_worker.errors import MigrationRefused
from caas_worker.shipped import TRIGGER_MAKERS
from caas_worker.sql import statements

LOCK_TIMEOUT_MS = 200
"""How long an attempt may queue for a table's lock: writers of the application stand behind it meanwhile."""
PATIENCE_SECONDS = 60.0
"""How long a busy table is tried again before the migration says who is in the way."""

OURS = "a table of caas_worker"

OWNERS = (*TRIGGER_MAKERS, "release", "restore")
"""Functions for whoever migrates, and nobody else."""

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

    def create(self) -> int:
        """Create the schema and the ledger where they are missing; returns how much was open to other roles.

        Raises:
            MigrationRefused: this role may not create a schema.
        """
        with self.transaction():
            if not has_schema(self.connection):
                try:
                    self.connection.execute(self.sql["schema"])
                except psycopg.errors.InsufficientPrivilege:
                    role, database = self.connection.info.user, self.connection.info.dbname
                    raise MigrationRefused(
                        "This role may not create the schema caas. Let it, for the migration: "
                        f'grant create on database "{database}" to "{role}". Or make the schema for it. '
                        f'Run as the database\'s owner: create schema caas authorization "{role}"'
                    ) from None
            if home(self.connection) is None:
                self.connection.execute(self.sql["ledger"])
                self.connection.execute(self.sql["describe_ledger"])
            return self.close()

    def close(self) -> int:
        """Take ours away from roles that default privileges or earlier grants gave it to, in this transaction."""
        found = opened(self.connection)
        for what, grantee, statement in found:
            self.say(f"close {what} to {grantee}")
            self.connection.execute(statement.encode())
        return len(found)

    def forget(self, name: str) -> None:
        """Note a file as no longer installed, in the running transaction."""
        self.connection.execute(_of(home(self.connection), self.sql["forget"]), {"name": name})

    def record(self, name: str, sha256: str) -> None:
        """Note a file as installed, in the running transaction."""
        self.connection.execute(_of(home(self.connection), self.sql["record"]), {"name": name, "sha256": sha256})

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection[TupleRow]]:
        """A READ COMMITTED transaction that gives up a lock after LOCK_TIMEOUT_MS."""
        with self.connection.transaction():
            self.connection.execute("set local transaction isolation level read committed")
            self.connection.execute(f"set local lock_timeout = {LOCK_TIMEOUT_MS}")
            yield self.connection

    def patiently(self, relation: str | None, work: Callable[[Connection[TupleRow]], object]) -> None:
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
        holders = self.connection.execute(self.sql["holders"], {"relation": relation}).fetchall()
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
    if (where := home(connection)) is None:
        return {}
    return dict(connection.execute(_of(where, statements("migrate")["installed"])).fetchall())


def home(connection: Connection[TupleRow]) -> str | None:
    """The name of the ledger: an installation from before the schema caas has it in public; None where none is."""
    row = connection.execute(statements("migrate")["home"], {"trusted": list(COLUMNS)}).fetchone()
    return row[0] if row else None


def opened(connection: Connection[TupleRow]) -> list[tuple[str, str, str]]:
    """What of ours a role has a right on that is not documented, which role, and the statement that takes it back."""
    rows = connection.execute(statements("migrate")["opened"], {"owners": list(OWNERS)}).fetchall()
    return [(what, grantee, statement) for what, grantee, statement in rows]


def has_schema(connection: Connection[TupleRow]) -> bool:
    """Whether the schema caas is there."""
    row = connection.execute(statements("migrate")["has_schema"]).fetchone()
    return bool(row and row[0])


def _of(ledger: str | None, statement: bytes) -> bytes:
    """A statement about the ledger, under the name that it has."""
    return statement if ledger is None else statement.replace(b"caas.migrations", ledger.encode())


@contextlib.contextmanager
def open_ledger(conninfo: str, say: Say, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[Ledger]:
    """The ledger under the migration lock; waits for another host's migration to end.

    Raises:
        DatabaseUnavailable: no connection.
        MigrationRefused: another migration holds the lock for longer than the patience, or the role lacks a right.
    """
    try:
        with connect(conninfo) as connection, _rights_of(connection.info.user):
            connection.execute("set search_path = pg_catalog, pg_temp")
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
