"""Sets the stage: the sample marketplace with its people, our objects in it, every score computed once."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from caas_worker import migrate, queue, rules, worker
from caas_worker.db import Database, connect, translate
from caas_worker.errors import MigrationRefused
from caas_worker.ledger import Say
from caas_worker.marketplace import people, schema
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo plays on."""

    people: people.People
    scored: int
    scored_seconds: float


def set_up(conninfo: str, settings: Settings, *, size: int, fresh: bool, say: Say, progress: Progress) -> Stage:
    """Create or reuse the sample marketplace, install, score everyone who is due.

    Raises:
        DatabaseUnavailable: no connection.
        MigrationRefused: the database holds tables that are not the sample's; the demo leaves them alone.
    """
    try:
        connection = connect(conninfo)
    except psycopg.Error as error:
        raise translate(error) from error
    with connection:
        if fresh:
            _clear(connection, conninfo, say)
        schema.create(connection)
        present = people.count(connection)
        if present.tutors + present.clients == 0:
            present = people.populate(connection, people=size, progress=progress)
        else:
            say(f"reusing the marketplace of {present.tutors + present.clients:,} people (--fresh makes a new one)")
    migrate.up(conninfo, Shipped.load(), lambda _: None)
    with Database(conninfo, statement_timeout=settings.statement_timeout) as db:
        line = worker.line(db, settings)
        rules.publish(db, line.registry)
        queue.mark_everyone(db, "demo")
        summary = worker.drain(line, batch_size=settings.run_batch_size)
    return Stage(present, summary.processed, summary.duration_ms / 1000)


def differences(db: Database, settings: Settings) -> int:
    """Drain, then compute everyone anew: how many totals were not what the line had kept."""
    line = worker.line(db, settings)
    worker.drain(line, batch_size=settings.run_batch_size)
    with db.transaction() as connection:
        kept = dict(connection.execute("select profile_id, total_score from caas.scores").fetchall())
    queue.mark_everyone(db, "demo")
    worker.drain(line, batch_size=settings.run_batch_size)
    with db.transaction() as connection:
        anew = dict(connection.execute("select profile_id, total_score from caas.scores").fetchall())
    return sum(kept.get(key) != anew.get(key) for key in kept.keys() | anew.keys())


def _clear(connection: psycopg.Connection[tuple[object, ...]], conninfo: str, say: Say) -> None:
    row = connection.execute("select to_regclass('public.profiles') is not null").fetchone()
    if not (row and row[0]):
        return
    if not schema.is_sample(connection):
        raise MigrationRefused("This database is not the demo's own: --fresh will not touch it.")
    say("clearing the sample marketplace")
    migrate.uninstall(conninfo, Shipped.load(), lambda _: None)
    schema.drop(connection)
