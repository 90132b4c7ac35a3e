"""For tests that script an order of events between connections: waiting with a deadline, threads, roles, costs."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo

from caas_worker.db import Database
from caas_worker.marketplace.schema import TABLES

Rows = Connection[Any]
T = TypeVar("T")

DEADLINE_SECONDS = 20.0


def until(condition: Callable[[], T], what: str) -> T:
    """Ask again and again until the answer is true; returns it. Fails after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"still waiting for: {what}"
        time.sleep(0.002)
    return answer


def waiting(app: Rows) -> int:
    """How many connections to this database wait for a lock."""
    query = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return int(one(app, query))


@contextlib.contextmanager
def meanwhile(work: Callable[[], T], *, finally_: Callable[[], object] = lambda: None) -> Iterator["Future[T]"]:
    """Do `work` in a thread while the block runs; it has to end soon after the block and `finally_` have."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            yield future
        finally:
            finally_()
        future.result(DEADLINE_SECONDS)


class Pause:
    """Stops the next transaction that writes `table`, in the middle of its statement, until it is resumed."""

    def __init__(self, app: Rows, table: str) -> None:
        self._app = app
        self._held = True
        app.execute("select pg_advisory_lock(4711)")
        app.execute("create sequence paused")
        app.execute(
            "create function pause() returns trigger language plpgsql security definer as $$ begin "
            "if nextval('public.paused') = 1 then perform pg_advisory_xact_lock_shared(4711); end if; "
            "return null; end $$"
        )
        app.execute(
            f"create trigger a_pause after insert or update or delete on {table} for each statement "
            "execute function pause()"
        )

    def until_reached(self) -> None:
        """Until that transaction stands there."""
        until(lambda: waiting(self._app), "a transaction to come to the pause")

    def resume(self) -> None:
        """Let it go on."""
        if self._held:
            self._app.execute("select pg_advisory_unlock(4711)")
            self._held = False

    def during(self, work: Callable[[], T]) -> contextlib.AbstractContextManager["Future[T]"]:
        """Do `work` in a thread until it comes to the pause, where it stands while the block runs."""

        @contextlib.contextmanager
        def block() -> Iterator["Future[T]"]:
            with meanwhile(work, finally_=self.resume) as future:
                self.until_reached()
                yield future

        return block()


def one(app: Rows, query: str, *parameters: Any) -> Any:
    """The single value of a query."""
    row = app.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


def blocks(app: Rows, query: str, *parameters: Any) -> int:
    """Pages that a query touches, those of the functions that it calls included. The query takes effect."""
    [plan] = one(app, f"explain (analyze, buffers, timing off, format json) {query}", *parameters)
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


@contextlib.contextmanager
def plain_role(app: Rows, *, ours: bool = False) -> Iterator[str]:
    """A role with no more than the application's tables, or with ours and our functions too; gone afterwards."""
    name = f"caas_test_{uuid4().hex}"
    role = sql.Identifier(name)
    app.execute(sql.SQL("create role {} login").format(role))
    try:
        for table in TABLES:
            app.execute(sql.SQL("grant all on public.{} to {}").format(sql.Identifier(table), role))
        if ours:
            app.execute(sql.SQL("grant usage on schema caas to {}").format(role))
            for kind in ("tables", "sequences", "functions"):
                app.execute(sql.SQL("grant all on all {} in schema caas to {}").format(sql.SQL(kind), role))
        yield name
    finally:
        app.execute(sql.SQL("reset role; drop owned by {}; drop role {}").format(role, role))


def worker_as(url: str, role: str) -> Database:
    """The pool of a worker that connects as this role."""
    return Database(make_conninfo(url, options=f"-c role={role}"))


@contextlib.contextmanager
def acting_as(app: Rows, role: str) -> Iterator[Rows]:
    """The connection as that role."""
    app.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    try:
        yield app
    finally:
        app.execute("reset role")
