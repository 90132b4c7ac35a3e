"""What the database's catalogue says of the application's tables and of our objects on them."""

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from caas_worker.application import COLUMNS
from caas_worker.sql import statements

EVENTS = ("insert", "update", "delete", "truncate")
TRIGGERS_PER_RELATION = len(EVENTS)


@dataclass(frozen=True, slots=True)
class Relation:
    """A watched table or one of its partitions: how many of our triggers it has, and how many are enabled."""

    name: str
    triggers: int
    enabled: int
    is_stray: bool = False
    """A partition once, and detached since: its rows are no longer the table's."""
    is_foreign: bool = False
    """A foreign table, which can have no such trigger."""


def relations(connection: Connection[TupleRow], watched: str) -> list[Relation]:
    """The watched table, its partitions and inheritance children, and those that were and still have our triggers."""
    rows = connection.execute(statements("catalog")["relations"], {"watched": watched}).fetchall()
    return [Relation(*row) for row in rows]


def missing_columns(connection: Connection[TupleRow]) -> dict[str, list[str]]:
    """Required tables and columns of the application that are not there; an empty list: the whole table."""
    rows = connection.execute(statements("catalog")["columns"], {"tables": list(COLUMNS)}).fetchall()
    present: dict[str, set[str]] = {}
    for table, column in rows:
        present.setdefault(table, set()).add(column)
    missing: dict[str, list[str]] = {}
    for table, columns in COLUMNS.items():
        if table not in present:
            missing[table] = []
        elif absent := [column for column in columns if column not in present[table]]:
            missing[table] = absent
    return missing


def functions(connection: Connection[TupleRow]) -> set[str]:
    """Names of our functions that exist."""
    return {row[0] for row in connection.execute(statements("catalog")["functions"]).fetchall()}


def sources(connection: Connection[TupleRow]) -> set[str]:
    """Tables of the application that have a source view."""
    return {row[0] for row in connection.execute(statements("catalog")["sources"]).fetchall()}


def intruders(connection: Connection[TupleRow], trusted: Iterable[str] = COLUMNS) -> list[tuple[str, str]]:
    """Objects in the schema caas and those that an installation would take for its own, and their owners, where those
    are neither this role, nor a superuser, nor the owner of the database or of a `trusted` table.
    """
    rows = connection.execute(statements("catalog")["intruders"], {"trusted": list(trusted)}).fetchall()
    return [(what, owner) for what, owner in rows]
