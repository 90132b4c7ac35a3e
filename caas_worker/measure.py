"""Measure: one statistics function for one profile: its row, its time, what it read, its plan."""

import difflib
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection, sql
from psycopg.errors import Diagnostic
from psycopg.rows import TupleRow, dict_row
from psycopg.types.numeric import FloatLoader

from caas_worker.db import Database, connect, translate
from caas_worker.errors import NotInstalled, SettingsError
from caas_worker.model import Profile
from caas_worker.sql import statements
from caas_worker.strategies import Registry

CALLS = 5

ARGUMENTS = {
    ("uuid[]", "timestamp with time zone"): "array[%(profile_id)s::uuid], now()",
    ("uuid[]",): "array[%(profile_id)s::uuid]",
    ("uuid",): "%(profile_id)s::uuid",
}
"""How a function with such parameters is called for one profile."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What one call read of a table, in the tables themselves: what an index alone answered counts no rows."""

    table: str
    seq_scans: int
    rows_by_seq_scan: int
    index_scans: int
    rows_by_index: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One function, one profile."""

    function: str
    profile_id: UUID
    row: Mapping[str, Any] | None
    milliseconds: float
    """Median of CALLS calls, the way to the server included."""
    calls: Sequence[float]
    touched: Sequence[Touched]
    plan: Sequence[str] = ()


def measure(db: Database, registry: Registry, function: str, profile_id: UUID, *, plan: bool = False) -> Measured:
    """Call a statistics function for one profile, as the line would for a batch.

    Args:
        function: one that a strategy of the registry needs, or another of ours (caas_…_stats, get_…_stats,
            caas.profile_facts, caas.teaching_sums).
        plan: also run it once to explain it.

    Raises:
        SettingsError: there is no such function; the message names the nearest.
        NotInstalled: a strategy needs it, and the database does not have it.
    """
    with db.transaction() as connection:
        query = _query(connection, registry, function)
        wanted = {"profile_id": profile_id}
        cursor = connection.cursor(row_factory=dict_row)
        cursor.adapters.register_loader("numeric", FloatLoader)
        before = _touched(connection)
        row = cursor.execute(query, wanted).fetchone()
        touched = _difference(before, _touched(connection))
        calls: list[float] = []
        for _ in range(CALLS):
            begun = time.perf_counter()
            cursor.execute(query, wanted).fetchall()
            calls.append(round((time.perf_counter() - begun) * 1000, 3))
    return Measured(
        function=function,
        profile_id=profile_id,
        row=row,
        milliseconds=statistics.median(calls),
        calls=calls,
        touched=touched,
        plan=_plan(db, query, wanted) if plan else (),
    )


def _query(connection: Connection[TupleRow], registry: Registry, function: str) -> sql.Composed:
    needed = needed_by(registry)
    rows = connection.execute(statements("measure")["functions"], {"needed": sorted(needed)}).fetchall()
    known = {name: ARGUMENTS[tuple(types)] for name, types in rows if tuple(types) in ARGUMENTS}
    if function not in known:
        if function in needed:
            raise NotInstalled(f"The function {function} is missing in this database. Run: caas-worker migrate up")
        if not known:
            raise NotInstalled
        near = difflib.get_close_matches(function, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
        raise SettingsError(f"{function!r} is no statistics function. {hint}")
    return sql.SQL("select * from {}({})").format(sql.Identifier("caas", function), sql.SQL(known[function]))


def needed_by(registry: Registry) -> set[str]:
    """Functions that any strategy of the registry needs."""
    profiles = (Profile(UUID(int=0), frozenset({role}), identity_verified=True) for role in registry.roles)
    return {function for profile in profiles for function in registry.needs(profile)}


def _touched(connection: Connection[TupleRow]) -> dict[str, tuple[int, ...]]:
    return {table: tuple(counts) for table, *counts in connection.execute(statements("measure")["touched"])}


def _difference(before: Mapping[str, Sequence[int]], after: Mapping[str, Sequence[int]]) -> list[Touched]:
    found = []
    for table, counts in sorted(after.items()):
        grown = [new - old for new, old in zip(counts, before.get(table, (0, 0, 0, 0)), strict=True)]
        if any(grown):
            found.append(Touched(table, *grown))
    return found


def _plan(db: Database, query: sql.Composed, wanted: Mapping[str, Any]) -> list[str]:
    """The plans of the function's own statements for a superuser; for others the call as a whole.

    On a connection of its own, so that the loaded explainer ends with it.
    """
    said: list[str] = []
    try:
        with connect(db.conninfo) as connection, connection.transaction():
            connection.execute("set local search_path = pg_catalog, pg_temp")
            if _load_explainer(connection):
                connection.execute(query, wanted)  # compiles; its own look-ups are not of interest
                connection.execute(statements("measure")["explain_inner"])
                connection.add_notice_handler(lambda notice: said.extend(_lines(notice)))
                connection.execute(query, wanted)
            else:
                rows = connection.execute(sql.SQL("explain (analyze, buffers) {}").format(query), wanted)
                said = [row[0] for row in rows]
    except psycopg.Error as error:
        raise translate(error) from error
    return said


def _load_explainer(connection: Connection[TupleRow]) -> bool:
    try:
        with connection.transaction():
            connection.execute(statements("measure")["explainer"])
    except psycopg.Error:
        return False
    return True


def _lines(notice: Diagnostic) -> Iterable[str]:
    return (notice.message_primary or "").splitlines()
