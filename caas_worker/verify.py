"""Verify: does this database have all that the product needs, and what to do where it has not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow

from caas_worker import catalog, roles
from caas_worker.application import COLUMNS, INDEXES
from caas_worker.catalog import TRIGGERS_PER_RELATION
from caas_worker.db import Database
from caas_worker.ledger import installed_files, opened
from caas_worker.migrate import states
from caas_worker.shipped import Shipped
from caas_worker.sql import statements

OLDEST_SERVER = 14

OUR_TABLES: dict[str, tuple[str, ...]] = {
    "changes": ("changes_are_numbered", "changes_that_mark_everyone"),
    "recalculation_queue": (
        "recalculation_queue_has_one_entry_per_profile",
        "recalculation_queue_ready",
        "recalculation_queue_suspect",
        "recalculation_queue_waiting",
        "recalculation_queue_leased",
    ),
    "dead_entries": ("dead_entries_has_one_entry_per_profile", "dead_entries_by_age"),
    "scores": ("scores_has_one_row_per_profile", "scores_to_sweep"),
    "score_follow": ("score_follow_has_one_row_per_profile", "score_follow_refused"),
    "rules": ("rules_has_one_rule_per_role",),
    "workers": ("workers_are_named",),
    "holds": ("holds_are_numbered", "holds_one_at_a_time", "holds_of_a_profile"),
    "touched_cells": ("touched_cells_are_numbered",),
    "cell_states": (
        "cell_states_has_one_row_per_profile",
        "cell_states_to_sweep",
        "cell_states_by_tier",
    ),
    "pair_cells": ("pair_cells_has_one_row_per_pair",),
    "pair_sums": ("pair_sums_has_one_row_per_bucket",),
    "daily_events": ("daily_events_has_one_row_per_day",),
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
    "source_views": ("source_views_are_named",),
    "email_reports": ("email_reports_has_one_row_per_session", "email_reports_to_send", "email_reports_of_a_tutor"),
}
"""Our tables, all in the schema caas, and the indexes that each must have."""

UP = "run: caas-worker migrate up"
AS_OWNER = "run as the owner of the table"
AS_ADMIN = "run as a superuser, or as the role that created caas_worker"

DRIFT = {
    "open": ("function", "no function is everyone's to execute", "everyone may execute"),
    "path": ("function", "every function pins its search_path", "another search_path, or none, is set for"),
    "rights": ("function", "marks alone are made with their owner's rights", "not with the right ones run"),
    "policies": ("table", "no table of ours has row-level security", "row-level security is enabled on"),
    "barrier": ("view", "public.caas_scores filters, before anything else", "without its filter or security barrier:"),
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
            lambda c: _sources(c, shipped),
            lambda c: _functions(c, shipped),
            _drift,
            lambda c: _triggers(c, shipped),
            _roles,
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
            "installed", "caas.migrations", ok=False, todo="this role may not read what is installed; see below"
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


def _sources(connection: Connection[TupleRow], shipped: Shipped) -> Iterator[Check]:
    """The views that the application's tables are read through, and whether they show this role every row."""
    present = catalog.sources(connection)
    row = connection.execute(statements("verify")["follow_is_filtered"]).fetchone()
    yield Check(
        "application",
        "profiles.caas_score may follow in every row",
        not (row and row[0]),
        f"row-level security binds this role on profiles, whatever its policies: {AS_ADMIN.partition(',')[0]}: "
        f"alter role {_asking(connection).name} bypassrls, or set CAAS_FOLLOW_PROFILES=false",
    )
    for file in shipped.views:
        view = f"caas.source_{file.stem}"
        yield Check("source view", view, file.stem in present, f"run as its owner: select caas.restore(); or {UP}")
        if file.stem in present:
            yield from _hidden(connection, view)


def _hidden(connection: Connection[TupleRow], view: str) -> Iterator[Check]:
    """A fault where the view's owner, who reads on everyone's behalf, may not read every row of the table behind it."""
    may_use = connection.execute(statements("verify")["may_select"], {"view": view}).fetchone()
    if not (may_use and may_use[0]):
        return  # the grant is missing, which is told with the others
    try:
        with connection.transaction():
            connection.execute(statements("verify")["unfiltered"])
            connection.execute(sql.SQL("select from {} limit 0").format(sql.Identifier(*view.split("."))))
    except InsufficientPrivilege:
        yield Check(
            "source view",
            f"all rows of {view}",
            ok=False,
            todo="row-level security binds its owner, or a grant on the table is missing; run as a superuser: "
            f"alter view {view} owner to the table's owner, or: alter role … bypassrls",
        )


def _functions(connection: Connection[TupleRow], shipped: Shipped) -> Iterator[Check]:
    present = catalog.functions(connection)
    for name in [*(f.stem for f in shipped.functions), *(f"mark_{f.stem}" for f in shipped.triggers)]:
        yield Check("function", name, name in present, UP)
    for what, owner in catalog.intruders(connection):
        todo = f"it is in our schema and belongs to {owner}; drop it, and revoke create on schema caas from {owner}"
        yield Check("intruder", what, ok=False, todo=todo)


def _drift(connection: Connection[TupleRow]) -> Iterator[Check]:
    rows = connection.execute(statements("verify")["drift"]).fetchall()
    todos = {kind: f"{DRIFT[kind][2]} {names}; run as their owner: {'; '.join(undo)}" for kind, names, undo in rows}
    for kind, (area, subject, _) in DRIFT.items():
        yield Check(area, subject, kind not in todos, todos.get(kind, ""))


def _triggers(connection: Connection[TupleRow], shipped: Shipped) -> Iterator[Check]:
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


def _grants(connection: Connection[TupleRow]) -> Iterator[Check]:
    """What the role that asks needs to work: by itself, as the owner, or as a member of caas_worker."""
    asking = _asking(connection)
    needs = roles.needs(connection, asking.role)
    if any(need.statement for need in needs) and not asking.is_worker and roles.WORKER in roles.present(connection):
        yield Check("grant", f"{asking.name} may do the work", ok=False, todo=asking.todo)
    else:
        for need in needs:
            yield Check("grant", need.what, need.statement is None, _todo(need))


def _todo(need: roles.Need) -> str:
    unless = ", or set CAAS_FOLLOW_PROFILES=false" if need.what == roles.FOLLOWING else ""
    return f"{AS_OWNER}: {need.statement}{unless}"


def _strangers(connection: Connection[TupleRow]) -> Iterator[Check]:
    """Rights on anything of ours beyond the documented ones, however a role came by them."""
    rights: dict[str, list[tuple[str, str]]] = {}
    for what, grantee, statement in opened(connection):
        rights.setdefault(grantee, []).append((what, statement))
    yield Check("grant", "nothing of ours is open to other roles", not rights, "see below")
    for grantee, found in rights.items():
        names = ", ".join(what for what, _ in found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        yield Check(
            "grant",
            f"{grantee} has no right on ours",
            ok=False,
            todo=f"it may use {names}; {UP}, which takes it back, or {AS_OWNER}: "
            + "; ".join(statement for _, statement in found),
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
