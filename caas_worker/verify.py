"""Verify: does this database have all that the product needs, and what to do where it has not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from caas_worker import catalog
from caas_worker.application import COLUMNS, INDEXES
from caas_worker.catalog import TRIGGERS_PER_RELATION
from caas_worker.db import Database
from caas_worker.ledger import installed_files
from caas_worker.migrate import states
from caas_worker.shipped import Shipped
from caas_worker.sql import statements

OLDEST_SERVER = 14

OUR_TABLES: dict[str, tuple[str, ...]] = {
    "caas_changes": ("caas_changes_are_numbered", "caas_changes_that_mark_everyone"),
    "caas_recalculation_queue": (
        "caas_recalculation_queue_has_one_entry_per_profile",
        "caas_recalculation_queue_ready",
        "caas_recalculation_queue_suspect",
        "caas_recalculation_queue_waiting",
        "caas_recalculation_queue_leased",
    ),
    "caas_dead_entries": ("caas_dead_entries_has_one_entry_per_profile", "caas_dead_entries_by_age"),
    "caas_scores": ("caas_scores_has_one_row_per_profile", "caas_scores_to_sweep"),
    "caas_score_follow": ("caas_score_follow_has_one_row_per_profile",),
    "caas_rules": ("caas_rules_has_one_rule_per_role",),
    "caas_workers": ("caas_workers_are_named",),
}
"""Our tables and the indexes that each must have."""

UP = "run: caas-worker migrate up"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. A hint is no fault: the product works without, more slowly."""

    area: str
    subject: str
    ok: bool
    todo: str = ""
    hint: bool = False


def verify(db: Database, shipped: Shipped) -> list[Check]:
    """Every check, in the order in which faults are best mended."""
    with db.transaction() as connection:
        areas: tuple[Callable[[Connection[TupleRow]], Iterator[Check]], ...] = (
            _server,
            _application,
            lambda c: _files(c, shipped),
            _tables,
            _indexes,
            lambda c: _functions(c, shipped),
            lambda c: _triggers(c, shipped),
            lambda c: _grants(c, shipped),
            _hints,
        )
        return [check for area in areas for check in area(connection)]


def _server(connection: Connection[TupleRow]) -> Iterator[Check]:
    row = connection.execute(statements("verify")["server"]).fetchone()
    assert row is not None
    number, version = row
    yield Check(
        "server",
        f"PostgreSQL {version}",
        number >= OLDEST_SERVER * 10_000,
        f"needs PostgreSQL {OLDEST_SERVER} or later",
    )


def _application(connection: Connection[TupleRow]) -> Iterator[Check]:
    missing = catalog.missing_columns(connection)
    for table, columns in COLUMNS.items():
        if table not in missing:
            yield Check("application", f"{table} ({len(columns)} columns)", ok=True)
        elif not missing[table]:
            yield Check(
                "application", table, ok=False, todo="the table is missing: is this the marketplace's database?"
            )
        else:
            for column in missing[table]:
                yield Check(
                    "application", f"{table}.{column}", ok=False, todo="a rule reads this column; add it to the table"
                )


def _files(connection: Connection[TupleRow], shipped: Shipped) -> Iterator[Check]:
    todo = {
        "pending": UP,
        "changed": UP,
        "edited": "this is not the file that was installed; restore it",
    }
    for file in states(shipped, installed_files(connection)):
        if file.name.startswith("migrations/") or file.state != "installed":
            yield Check("installed", file.name, file.state == "installed", todo.get(file.state, ""))


def _tables(connection: Connection[TupleRow]) -> Iterator[Check]:
    rows = connection.execute(statements("verify")["tables"], {"tables": list(OUR_TABLES)}).fetchall()
    present = {row[0] for row in rows}
    for table in OUR_TABLES:
        yield Check("table", table, table in present, UP)


def _indexes(connection: Connection[TupleRow]) -> Iterator[Check]:
    rows = connection.execute(statements("verify")["indexes"], {"tables": list(OUR_TABLES)}).fetchall()
    valid: dict[str, bool] = dict(rows)
    for table, indexes in OUR_TABLES.items():
        for index in indexes:
            if index not in valid:
                yield Check("index", index, ok=False, todo=f"missing on {table}; its definition stands in migrations/")
            else:
                yield Check("index", index, valid[index], f"invalid; run: reindex index concurrently {index}")


def _functions(connection: Connection[TupleRow], shipped: Shipped) -> Iterator[Check]:
    present = catalog.functions(connection)
    for name in [*(f.stem for f in shipped.functions), *(f"caas_mark_{f.stem}" for f in shipped.triggers)]:
        yield Check("function", name, name in present, UP)


def _triggers(connection: Connection[TupleRow], shipped: Shipped) -> Iterator[Check]:
    guarded = catalog.guards(connection)
    for file in shipped.triggers:
        for relation in catalog.relations(connection, file.stem):
            if relation.is_stray:
                yield Check("trigger", relation.name, ok=False, todo=f"no longer part of {file.stem}; {UP}")
            elif relation.triggers < TRIGGERS_PER_RELATION:
                yield Check("trigger", relation.name, ok=False, todo=f"{relation.triggers} of 4 triggers; {UP}")
            else:
                yield Check(
                    "trigger",
                    relation.name,
                    relation.enabled == relation.triggers,
                    "disabled: changes go unseen; run: caas-worker triggers enable",
                )
        yield Check("guard", f"caas_guard_{file.stem}", file.stem in guarded, UP)


def _grants(connection: Connection[TupleRow], shipped: Shipped) -> Iterator[Check]:
    queries = statements("verify")
    missing = catalog.missing_columns(connection)
    for table in COLUMNS:
        if table not in missing:
            row = connection.execute(queries["table_grants"], {"table": f"public.{table}"}).fetchone()
            assert row is not None
            yield Check("grant", f"select on {table}", row[0], f"run: grant select on {table} to this role")
            if row[2]:
                yield Check(
                    "grant",
                    f"all rows of {table}",
                    ok=False,
                    todo="row-level security hides rows from this role; run: alter role … bypassrls",
                )
    rows = connection.execute(queries["tables"], {"tables": list(OUR_TABLES)}).fetchall()
    for (table,) in sorted(rows):
        row = connection.execute(queries["table_grants"], {"table": f"public.{table}"}).fetchone()
        assert row is not None
        yield Check(
            "grant",
            f"read and write {table}",
            row[0] and row[1],
            f"run: grant select, insert, update, delete on {table}",
        )
    row = connection.execute(queries["sequence_grant"]).fetchone()
    if row:
        yield Check("grant", "usage on caas_generation", row[0], "run: grant usage on sequence caas_generation")
    row = connection.execute(queries["public_create"]).fetchone()
    assert row is not None
    yield Check(
        "grant",
        "create on schema public",
        not row[0],
        "everyone may create objects there; run: revoke create on schema public from public",
        hint=True,
    )
    refused = connection.execute(
        queries["function_grants"], {"functions": [file.stem for file in shipped.functions]}
    ).fetchall()
    yield Check(
        "grant",
        "execute on every function",
        not refused,
        f"run: grant execute on function {', '.join(row[0] for row in refused)}",
    )
    row = connection.execute(queries["follow_grant"]).fetchone()
    if row:
        yield Check(
            "grant",
            "update (caas_score) on profiles",
            row[1],
            "run: grant update (caas_score) on profiles, or set CAAS_FOLLOW_PROFILES=false",
        )


def _hints(connection: Connection[TupleRow]) -> Iterator[Check]:
    led = set(connection.execute(statements("verify")["led_columns"]).fetchall())
    missing = catalog.missing_columns(connection)
    for table, column in INDEXES:
        if table not in missing:
            yield Check(
                "application index",
                f"{table} ({column})",
                (table, column) in led,
                f"statistics read the whole table; run: create index concurrently on {table} ({column})",
                hint=True,
            )
