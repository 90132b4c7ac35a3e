"""Verify: does this database have all that the product needs, and what to do where it has not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from caas_worker import catalog, roles
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
    "caas_holds": ("caas_holds_are_numbered", "caas_holds_one_at_a_time", "caas_holds_of_a_profile"),
    "caas_touched_cells": ("caas_touched_cells_are_numbered",),
    "caas_cell_states": (
        "caas_cell_states_has_one_row_per_profile",
        "caas_cell_states_to_sweep",
        "caas_cell_states_by_tier",
    ),
    "caas_pair_cells": ("caas_pair_cells_has_one_row_per_pair",),
    "caas_pair_sums": ("caas_pair_sums_has_one_row_per_bucket",),
    "caas_daily_events": ("caas_daily_events_has_one_row_per_day",),
    "tutor_daily_aggregates": ("tutor_daily_aggregates_has_one_row_per_day",),
    "tutor_performance_metrics": (
        "tutor_performance_metrics_has_one_row_per_window_and_day",
        "tutor_performance_metrics_by_day",
    ),
    "tutor_scores": ("tutor_scores_has_one_row_per_type",),
    "session_scores": (
        "session_scores_has_one_row_per_type",
        "session_scores_of_a_tutor",
        "session_scores_of_a_pair",
    ),
    "tutor_alerts": (
        "tutor_alerts_are_named",
        "tutor_alerts_one_at_a_time",
        "tutor_alerts_of_a_tutor",
        "tutor_alerts_to_send",
    ),
    "tutor_performance_summaries": ("tutor_performance_summaries_has_one_row_per_tutor",),
    "tutor_thresholds": ("tutor_thresholds_has_one_row_per_tutor",),
    "email_reports": ("email_reports_has_one_row_per_session", "email_reports_to_send", "email_reports_of_a_tutor"),
}
"""Our tables and the indexes that each must have."""

UP = "run: caas-worker migrate up"
AS_OWNER = "run as the owner of the table"
AS_ADMIN = "run as a superuser, or as the role that created caas_worker"

DRIFT = {
    "open": ("function", "no function is everyone's to execute", "everyone may execute"),
    "path": ("function", "every function pins its search_path", "another search_path, or none, is set for"),
    "rights": ("function", "marks alone are made with their owner's rights", "not with the right ones run"),
    "policy": ("row-level security", "no other policy shows scores", "shown to others than workers, by"),
}
"""By the kind of what was changed after it was installed: area, what is checked, and how a fault begins."""


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
            _drift,
            lambda c: _triggers(c, shipped),
            _roles,
            _cache,
            _grants,
            _strangers,
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
    if not _asking(connection).may_read_ledger:
        yield Check(
            "installed", "caas_migrations", ok=False, todo="this role may not read what is installed; see below"
        )
        return
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
    for what, owner in catalog.intruders(connection, (*COLUMNS, "caas_migrations")):
        todo = f"it bears a name of ours and belongs to {owner}; drop it, and revoke create on schema public"
        yield Check("intruder", what, ok=False, todo=todo)


def _drift(connection: Connection[TupleRow]) -> Iterator[Check]:
    rows = connection.execute(statements("verify")["drift"]).fetchall()
    todos = {kind: f"{DRIFT[kind][2]} {names}; run as their owner: {'; '.join(undo)}" for kind, names, undo in rows}
    for kind, (area, subject, _) in DRIFT.items():
        yield Check(area, subject, kind not in todos, todos.get(kind, ""))


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


@dataclass(frozen=True, slots=True)
class _Asking:
    """The role that verify runs as."""

    role: str
    name: str
    """As SQL writes it, in quotes where it needs them."""
    is_member: bool
    is_worker: bool
    """Member, with the rights of caas_worker at once: not after SET ROLE only."""
    may_read_ledger: bool

    @property
    def todo(self) -> str:
        """What makes a worker of it."""
        grant = f"{AS_ADMIN}: grant {roles.WORKER} to {self.name}"
        if self.is_member:
            return f"it does not inherit; {grant} with inherit true; before PostgreSQL 16: alter role … inherit"
        return grant


def _asking(connection: Connection[TupleRow]) -> _Asking:
    row = connection.execute(statements("verify")["asking"]).fetchone()
    assert row is not None
    return _Asking(*row)


def _roles(connection: Connection[TupleRow]) -> Iterator[Check]:
    present = roles.present(connection)
    for role in roles.PURPOSES:
        if role not in present:
            yield Check(
                "role",
                role,
                ok=False,
                todo=f"run as a superuser or a role with createrole: create role {role}; then as the owner of the "
                "tables: caas-worker migrate up",
                hint=True,
            )
            continue
        lacking = [need for need in roles.needs(connection, role, role) if need.statement]
        yield Check("role", role, ok=True)
        for need in lacking:
            yield Check("grant", f"{role}: {need.what}", ok=False, todo=f"{UP}, or {AS_OWNER}: {need.statement}")
    if roles.SESSIONS in present:
        asking = _asking(connection)
        row = connection.execute(statements("verify")["may_act_as"], {"role": roles.SESSIONS}).fetchone()
        yield Check(
            "role",
            f"{asking.name} may act as {roles.SESSIONS}",
            bool(row and row[0]),
            f"POST /api/sessions is refused; {AS_ADMIN}: grant {roles.SESSIONS} to {asking.name}",
            hint=True,
        )


def _cache(connection: Connection[TupleRow]) -> Iterator[Check]:
    row = connection.execute(statements("verify")["cache_security"]).fetchone()
    if row is None:
        return
    enabled, readers, workers, trigger, unforced, row_security, may_write = row
    asking = _asking(connection)
    where = "its definition stands in migrations/0005_readers.sql"
    todos = {
        "caas_scores": (enabled, f"{AS_OWNER}: alter table caas_scores enable row level security"),
        "policy for readers": (readers, f"missing on caas_scores; {where}"),
        "trigger caas_refuse_strangers": (trigger, f"missing or disabled on caas_scores; {where}"),
        "caas_scores shows its owner every row": (
            unforced,
            f"{AS_OWNER}: alter table caas_scores no force row level security",
        ),
        "row_security": (row_security, f"run: alter role {asking.name} set row_security = on"),
        "caas_scores shows this role every row": (may_write, asking.todo),
    }
    if roles.WORKER in roles.present(connection):
        todos["policy for workers"] = (workers, UP)
    for subject, (ok, todo) in todos.items():
        yield Check("row-level security", subject, ok, todo)


def _grants(connection: Connection[TupleRow]) -> Iterator[Check]:
    """What the role that asks needs to work: by itself, as the owner, or as a member of caas_worker."""
    asking = _asking(connection)
    needs = roles.needs(connection, asking.role)
    if any(need.statement for need in needs) and not asking.is_worker and roles.WORKER in roles.present(connection):
        yield Check("grant", f"{asking.name} may do the work", ok=False, todo=asking.todo)
    else:
        for need in needs:
            yield Check("grant", need.what, need.statement is None, _todo(need))
    queries = statements("verify")
    missing = catalog.missing_columns(connection)
    standing = [table for table in COLUMNS if missing.get(table) != []]
    for (table,) in connection.execute(queries["hidden"], {"tables": standing}).fetchall():
        yield Check(
            "grant",
            f"all rows of {table}",
            ok=False,
            todo="row-level security hides rows from this role; "
            f"run as a superuser: alter role {asking.name} bypassrls",
        )


def _todo(need: roles.Need) -> str:
    unless = ", or set CAAS_FOLLOW_PROFILES=false" if need.what == roles.FOLLOWING else ""
    return f"{AS_OWNER}: {need.statement}{unless}"


def _strangers(connection: Connection[TupleRow]) -> Iterator[Check]:
    queries = statements("verify")
    row = connection.execute(queries["public_create"]).fetchone()
    assert row is not None
    yield Check(
        "grant",
        "create on schema public",
        not row[0],
        "everyone may create objects there; run: revoke create on schema public from public",
        hint=True,
    )
    for role, relations in connection.execute(queries["strangers"], {"ours": catalog.RELATIONS}).fetchall():
        yield Check(
            "grant",
            f"{role} is no worker",
            ok=False,
            todo=f"it may use {', '.join(relations)}; if that is not meant, run as their owner: "
            f"revoke all on {', '.join(relations)} from {role}",
            hint=True,
        )


def _hints(connection: Connection[TupleRow]) -> Iterator[Check]:
    led = connection.execute(statements("verify")["led_columns"]).fetchall()
    missing = catalog.missing_columns(connection)
    for table, columns in INDEXES:
        if table in missing:
            continue
        begin = [index[: len(columns)] for relation, index in led if relation == table]
        subject = f"{table} ({', '.join(columns)})"
        without = (
            f"an index on {columns[0]} alone reads more than it needs"
            if any(first[0] == columns[0] for first in begin)
            else "statistics read the whole table"
        )
        yield Check(
            "application index",
            subject,
            [*columns] in begin,
            f"{without}; run: create index concurrently on {subject}",
            hint=True,
        )
