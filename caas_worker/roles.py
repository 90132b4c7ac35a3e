"""The roles caas_worker, caas_reader and caas_sessions: made where that is permitted, and granted what they need.

A deployment grants them to its login roles. They are the whole server's, and each database grants to them by itself.
They are made without a login, and left as they are where they exist.
"""

import json
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from caas_worker.application import COLUMNS, WRITES
from caas_worker.ledger import OWNERS, Ledger
from caas_worker.sql import statements

WORKER = "caas_worker"
READER = "caas_reader"
SESSIONS = "caas_sessions"

FOLLOWING = "update on profiles (caas_score)"
"""The one write to the application's tables, which can be switched off."""

PURPOSES = {
    WORKER: "Does the work of caas_worker: computes and writes scores.",
    READER: "Reads the scores of caas_worker.",
    SESSIONS: "Writes sessions on the application's behalf, for caas_worker's POST /api/sessions.",
}


@dataclass(frozen=True, slots=True)
class Need:
    """What a role has to be granted."""

    what: str
    relation: str | None
    """What it is granted on, if that is not ours: a table of the application's, or the schema."""
    statement: str | None
    """Grants what is missing; None: nothing is."""


def present(connection: Connection[TupleRow]) -> set[str]:
    """Which of the roles exist."""
    rows = connection.execute(statements("roles")["present"], {"roles": list(PURPOSES)}).fetchall()
    return {row[0] for row in rows}


def needs(connection: Connection[TupleRow], role: str, purpose: str = WORKER) -> list[Need]:
    """What `role` needs for a purpose, WORKER, READER or SESSIONS, whether by itself, as a member or as the owner."""
    query = {WORKER: "worker_needs", READER: "reader_needs", SESSIONS: "sessions_needs"}[purpose]
    rows = connection.execute(
        statements("roles")[query],
        {
            "role": role,
            "writes": json.dumps(WRITES),
            "owners": list(OWNERS),
        },
    ).fetchall()
    return [Need(*row) for row in rows]


def admit(ledger: Ledger) -> int:
    """Make the roles where they are missing and may be made, and grant what they lack; returns how many steps.

    What this role may not do is said and left: the product works without, as long as the tables' owner does the work.
    """
    steps = sum(_create(ledger, role) for role in PURPOSES if role not in present(ledger.connection))
    here = present(ledger.connection)
    steps += sum(_grant(ledger, role) for role in PURPOSES if role in here)
    if WORKER in here:
        steps += _take_back(ledger)
    for role in PURPOSES:
        if role not in here:
            ledger.say(f"{role} is missing, and this role may not create it; caas-worker verify says who may, and how")
        elif any(need.statement for need in needs(ledger.connection, role, role)):
            ledger.say(f"{role} lacks grants that this role may not give; caas-worker verify says which")
    return steps


def dismiss(ledger: Ledger) -> None:
    """Take back what the roles hold on the application's tables. The roles stay: they are the server's."""
    for role in present(ledger.connection):
        held = ledger.connection.execute(
            statements("roles")["held"], {"role": role, "tables": list(COLUMNS)}
        ).fetchall()
        for relation, statement in held:
            ledger.say(f"take back what {role} may do with {relation}")
            _attempt(ledger, relation, statement)


def _create(ledger: Ledger, role: str) -> int:
    row = ledger.connection.execute(statements("roles")["may_create"]).fetchone()
    if not (row and row[0]):
        return 0

    def work(connection: Connection[TupleRow]) -> None:
        connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(role)))
        connection.execute(sql.SQL("comment on role {} is {}").format(sql.Identifier(role), PURPOSES[role]))

    try:
        ledger.patiently(None, work)
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return 0  # the migration of another database made it just now
    except psycopg.errors.InsufficientPrivilege:
        return 0
    ledger.say(f"role {role}")
    return 1


def _grant(ledger: Ledger, role: str) -> int:
    """Ours in one transaction, then each table of the application's in one of its own."""
    missing: dict[str | None, list[str]] = {}
    for need in needs(ledger.connection, role, role):
        if need.statement:
            missing.setdefault(need.relation, []).append(need.statement)
    if not missing:
        return 0
    for relation, grants in missing.items():
        if not _attempt(ledger, relation, *grants) and len(grants) > 1:
            for grant in grants:
                _attempt(ledger, relation, grant)
    # who may grant only some of it is warned, not refused: what was given is what is no longer missing
    left = sum(need.statement is not None for need in needs(ledger.connection, role, role))
    given = sum(map(len, missing.values())) - left
    if given:
        ledger.say(f"{role}: {given} grants")
    return given


def _attempt(ledger: Ledger, relation: str | None, *texts: str) -> bool:
    """Execute these in one transaction; false where this role may not, and then nothing was done."""

    def work(connection: Connection[TupleRow]) -> None:
        for text in texts:
            connection.execute(text.encode())

    try:
        ledger.patiently(relation, work)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def _take_back(ledger: Ledger) -> int:
    """What earlier releases granted to workers on the application's tables and this one does not need."""
    rows = ledger.connection.execute(
        statements("roles")["surplus"], {"role": WORKER, "tables": list(COLUMNS)}
    ).fetchall()
    return sum(_attempt(ledger, relation, statement) for relation, statement in rows)
