"""Smoke: after a deployment, one profile goes down the whole line in a transaction that is rolled back.

Nothing is left behind and nobody else sees any of it. Every step is the line's own code, over a Database whose
transactions are savepoints of that one. Nobody else's entry is claimed: the claim begins at our entry's own place in
the queue and takes one.

A synthetic profile is inserted, and the trigger marks it, where that runs no code but ours: the role may insert into
`profiles`, and the table has no triggers or rules of the application's, which could send what no rollback takes back.
Elsewhere, and where the insert is refused (a column that must not be null, a key of another table), an existing
profile is marked by hand. For some milliseconds its entry in the queue is locked, for which a worker may wait and the
application never does: it has no business there. (Held by tests/integration/test_smoke.py.)
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, TupleRow, dict_row

from caas_worker import read, rules, worker
from caas_worker.appraisal import Unappraised
from caas_worker.claim import PRIORITIES
from caas_worker.db import Database, translate
from caas_worker.errors import CaasError, DatabaseError, DatabaseUnavailable, NotComputed
from caas_worker.follow import Follower
from caas_worker.model import Claim, Entry, Failure, Scored
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.sql import statements
from caas_worker.strategies import Registry
from caas_worker.telemetry import Telemetry

STEPS = ("mark", "fold", "claim", "stats", "strategy", "cache", "read")
READING = ("CELLS_FAILED", "STATISTICS_FAILED")
"""Errors of the step stats."""
CANDIDATES = 5
LOCK_NOT_AVAILABLE = "55P03"
NEVER = 2**63 - 1
"""A place that no entry has."""

REMEDIES = {
    "mark": "caas-worker verify says which trigger, function or grant is missing",
    "fold": "caas-worker verify; then caas-worker migrate up",
    "claim": "caas-worker queue status; somebody else may hold the entry: try again",
    "stats": "caas-worker verify; caas-worker stats NAME ID runs one function by itself",
    "strategy": "caas-worker score explain ID; the strategy is a Python file of this installation",
    "cache": "caas-worker rules status and caas-worker verify",
    "read": "caas-worker verify: does this role see every row of caas.scores?",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the line."""

    step: str
    ok: bool
    milliseconds: float
    note: str = ""


@dataclass
class Smoke:
    """How it went: the steps up to the first that failed."""

    profile_id: UUID | None = None
    synthetic: bool = False
    total: int | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return len(self.steps) == len(STEPS) and all(step.ok for step in self.steps)

    @property
    def todo(self) -> str:
        """What to do about the step that failed."""
        failed = next((step.step for step in self.steps if not step.ok), None)
        return REMEDIES[failed] if failed else ""


class _Undo(Exception):
    """The end of the transaction."""


class _Failed(Exception):
    """A step failed; the steps say which."""


class _Busy(Exception):
    """Somebody holds what we would have to wait for."""


class Within(Database):
    """A Database inside one open transaction: what it calls transactions are savepoints."""

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self._connection = connection

    @contextlib.contextmanager
    def transaction(
        self,
        *,
        lazily: bool = False,
        share_of_timeout: float = 1,
        patience: float | None = None,
        cells: bool = False,
        for_application: bool = False,
    ) -> Iterator[Connection[TupleRow]]:
        """A savepoint; the time-outs are those of the transaction around it, and statistics count in the rows."""
        del lazily, share_of_timeout, patience, cells, for_application
        try:
            with self._connection.transaction():
                yield self._connection
        except psycopg.Error as error:
            raise translate(error) from error

    def look(self, query: bytes, parameters: Mapping[str, Any], *, patience: float | None = None) -> list[DictRow]:
        """The rows of one statement."""
        with self.transaction(patience=patience) as connection:
            return connection.cursor(row_factory=dict_row).execute(query, parameters).fetchall()


def smoke(db: Database, settings: Settings, registry: Registry, *, insert: bool | None = None) -> Smoke:
    """Send one profile down the line and take everything back.

    Args:
        insert: a synthetic profile, also where that runs the application's own triggers; False: never; None: where it
            runs no code but ours.

    Raises:
        DatabaseUnavailable: the database went away.
    """
    run = Smoke()
    with contextlib.suppress(_Undo), db.transaction() as connection:
        connection.execute(statements("smoke")["brief"])
        within = Within(connection)
        line = worker.line(within, settings.model_copy(update={"follow_profiles": False}), registry, Telemetry())
        with contextlib.suppress(_Failed):
            _try(run, line, insert)
        raise _Undo
    return run


def _try(run: Smoke, line: Line, insert: bool | None) -> None:
    """A synthetic profile, else the first existing one that nobody is working on."""
    why = _why_not(line.db, insert)
    if not why:
        try:
            with line.db.transaction():
                return _walk(run, line, uuid4(), "a synthetic profile, by the trigger", synthetic=True)
        except _Refused as refused:
            why = str(refused)
        except _Busy:
            why = "the synthetic profile had to wait"
    with line.db.transaction() as connection:
        rows = connection.execute(
            statements("smoke")["candidates"], {"from_id": uuid4(), "most": CANDIDATES}
        ).fetchall()
    for (profile_id,) in rows:
        with contextlib.suppress(_Busy), line.db.transaction():
            return _walk(run, line, profile_id, f"by hand: {why}", synthetic=False)
    note = (
        "every profile that was tried is being worked on; try again later"
        if rows
        else "there is no profile, or none that nobody is working on; try again later, or with --insert"
    )
    run.steps[:] = [Step("mark", False, 0, f"{note} ({why})")]
    return None


def _why_not(db: Database, insert: bool | None) -> str:
    """Why no profile is inserted; empty: one is."""
    if insert is False:
        return "no profile is to be inserted"
    with db.transaction() as connection:
        row = connection.execute(statements("smoke")["insertable"]).fetchone()
    assert row is not None
    may, runs_others_code = row
    if not may:
        return "this role may not insert profiles"
    if runs_others_code and not insert:
        return "profiles has triggers, rules or policies of the application's, which --insert would run"
    return ""


class _Refused(Exception):
    """The application's table takes no such profile."""


def _walk(run: Smoke, line: Line, profile_id: UUID, note: str, *, synthetic: bool) -> None:
    """The line, step by step."""
    run.profile_id, run.synthetic, run.steps = profile_id, synthetic, []
    queries, wanted = statements("smoke"), {"profile_id": profile_id}
    with _step(run, "mark", note), line.db.transaction() as connection:
        after = _one(connection, queries["newest_mark"])
        if synthetic:
            _insert(line.db, profile_id)
        else:
            connection.execute(queries["mark"], wanted)
        marks = [row[0] for row in connection.execute(queries["marks"], {**wanted, "after": after[0]})]
        if not marks:
            raise NotComputed("The insert left no mark: the trigger on profiles is missing or disabled.")
    with _step(run, "fold"), line.db.transaction() as connection:
        folded = _one(connection, queries["fold"], marks=marks)
        if folded != (len(marks), 1):
            raise NotComputed(f"{len(marks)} marks became {folded[1]} entries.")
    with _step(run, "claim"), line.db.transaction() as connection:
        claim = _claim(connection, profile_id)
    scored = _score(run, line, claim)
    with _step(run, "cache") as said:
        if published := rules.publish(line.db, line.registry):
            said.append(f"not published yet: {', '.join(published)}; the first worker will, and mark everyone")
        try:
            endings = replace(line, follower=Follower(line.db, is_on=False)).write(claim.token, [profile_id], scored)
        except Unappraised as error:
            raise NotComputed(f"A quality rule failed: {error.failures[profile_id]}") from error
        if (ending := endings.get(profile_id)) is None or ending.outcome != "scored":
            raise NotComputed(f"The score was not written: {ending.outcome if ending else 'lost'}.")
    with _step(run, "read"):
        row = read.read_many(line.db, [profile_id]).get(profile_id)
        if row is None or row["generation"] != claim.entries[0].generation:
            raise NotComputed("The row that was just written is not to be seen.")
        run.total = row["total_score"]


@contextlib.contextmanager
def _step(run: Smoke, name: str, note: str = "") -> Iterator[list[str]]:
    """Time a step; an error ends the run with what it says. What is appended goes into the note."""
    begun = time.perf_counter()
    said: list[str] = [note] if note else []
    try:
        yield said
    except DatabaseUnavailable:
        raise
    except CaasError as error:
        if isinstance(error, DatabaseError) and error.sqlstate == LOCK_NOT_AVAILABLE:
            raise _Busy from error
        run.steps.append(Step(name, False, _milliseconds(begun), str(error)))
        raise _Failed from error
    run.steps.append(Step(name, True, _milliseconds(begun), ", ".join(said)))


def _milliseconds(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 2)


def _one(connection: Connection[TupleRow], statement: bytes, **parameters: Any) -> TupleRow:
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return row


def _insert(db: Database, profile_id: UUID) -> None:
    """Insert the synthetic profile.

    Raises:
        _Refused: the table wants more than we know, such as a value in another column.
        NotInstalled: the refusal is our own trigger's.
    """
    try:
        with db.transaction() as connection:
            connection.execute(statements("smoke")["applications_path"])
            connection.execute(statements("smoke")["insert"], {"profile_id": profile_id})
            connection.execute(statements("smoke")["our_path"])
    except DatabaseError as error:
        if error.sqlstate == LOCK_NOT_AVAILABLE:
            raise
        raise _Refused(f"profiles takes no synthetic profile: {error}") from error


def _claim(connection: Connection[TupleRow], profile_id: UUID) -> Claim:
    """Claim exactly our entry: one, from its own place on, and nothing of another priority.

    Raises:
        _Busy: a worker claimed it since it was chosen.
    """
    priority, place, is_ready = _one(connection, statements("smoke")["entry"], profile_id=profile_id)
    if not is_ready:
        raise _Busy
    token = uuid4()
    rows = connection.execute(
        statements("claim")["claim"],
        {
            "batch_size": 1,
            "token": token,
            "lease_seconds": 60,
            "floors": [place if level == priority else NEVER for level in PRIORITIES],
            "suspects": False,
        },
    ).fetchall()
    claim = Claim(token, tuple(Entry(*row) for row in rows))
    if claim.profile_ids != [profile_id]:
        raise NotComputed("The claim did not return the entry.")
    return claim


def _score(run: Smoke, line: Line, claim: Claim) -> Scored:
    """Statistics and strategy: timed by the line itself."""
    profile_id = claim.profile_ids[0]
    seconds = line.telemetry.step_seconds
    seconds.clear()
    try:
        scored = line.score(claim)
    except DatabaseUnavailable:
        raise
    except CaasError as error:
        run.steps.append(Step("stats", False, round(seconds["stats"] * 1000, 2), str(error)))
        raise _Failed from error
    failure = scored.failures.get(profile_id)
    if profile_id in scored.missing:
        failure = Failure("STATISTICS_FAILED", "caas.profile_facts does not know the profile")
    guilty = None if failure is None else "stats" if failure.error in READING else "strategy"
    for name in ("stats", "strategy"):
        text = failure.message if failure and name == guilty else ""
        run.steps.append(Step(name, not text, round(seconds[name] * 1000, 2), text))
        if text:
            raise _Failed
    return scored
