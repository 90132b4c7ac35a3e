"""For tests that script an order of events between connections: waiting with a deadline, threads, roles, costs."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

from psycopg import Connection, sql

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


@contextlib.contextmanager
def meanwhile(work: Callable[[], T]) -> Iterator["Future[T]"]:
    """Do `work` in a thread while the block runs; it has to end soon after the block does."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        yield future
        future.result(DEADLINE_SECONDS)


def until_waiting(app: Rows, *, behind: Rows) -> None:
    """Until some backend waits for a lock that the connection `behind` holds."""
    query = "select exists(select from pg_stat_activity where %s = any(pg_blocking_pids(pid)))"
    until(lambda: one(app, query, behind.info.backend_pid), "somebody to wait for the lock")


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
            for kind in ("tables", "sequences", "functions"):
                app.execute(sql.SQL("grant all on all {} in schema public to {}").format(sql.SQL(kind), role))
        yield name
    finally:
        app.execute(sql.SQL("reset role; drop owned by {}; drop role {}").format(role, role))


@contextlib.contextmanager
def acting_as(app: Rows, role: str) -> Iterator[Rows]:
    """The connection as that role."""
    app.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    try:
        yield app
    finally:
        app.execute("reset role")
