"""A hold is set or released while a batch is being published: neither is lost."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caas_worker import holds, worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from tests.people import Rows, add_tutor, total

Drain = Callable[..., worker.Summary]


def _set(db: Database, tutor: UUID) -> None:
    holds.hold(db, tutor, 0, reason="fraud", actor="ann")


def _published(app: Rows, tutor: UUID) -> tuple[Any, ...] | None:
    return app.execute("select total_score, computed_score from caas.scores where profile_id = %s", (tutor,)).fetchone()


def test_a_hold_set_between_the_statistics_and_the_cache(app: Rows, db: Database, line: Line, drain: Drain) -> None:
    tutor = add_tutor(app)
    line.fold()
    claim = line.claimant.claim(10)
    scored = line.score(claim)
    _set(db, tutor)
    line.publish(claim, scored)
    assert _published(app, tutor) == (0, 32)
    drain()
    assert _published(app, tutor) == (0, 32)


def test_a_release_between_the_statistics_and_the_cache(app: Rows, db: Database, line: Line, drain: Drain) -> None:
    tutor = add_tutor(app)
    _set(db, tutor)
    line.fold()
    claim = line.claimant.claim(10)
    scored = line.score(claim)
    holds.release(db, tutor, actor="bob")
    line.publish(claim, scored)
    assert _published(app, tutor) == (32, None)
    drain()
    assert _published(app, tutor) == (32, None)


@pytest.mark.parametrize("hold_first", [True, False])
def test_a_hold_waits_for_the_batch_that_is_publishing_and_outlives_it(
    app: Rows, connect: Callable[..., psycopg.Connection[Any]], db: Database, line: Line, drain: Drain, hold_first: bool
) -> None:
    """The publishing transaction has looked for holds and not committed: the hold comes after it, and wins."""
    tutor = add_tutor(app)
    drain()
    if hold_first:
        _set(db, tutor)
    app.execute("select caas.enqueue(array[%s::uuid], 'test')", (tutor,))
    line.fold()
    claim = line.claimant.claim(10)
    scored = line.score(claim)
    publishing = connect(autocommit=False)
    publishing.execute(
        "select * from caas.cache(%s, %s, %s, '{}', false, %s)",
        (
            claim.token,
            claim.profile_ids,
            f"[{','.join(scored.rows.values())}]",
            psycopg.types.json.Jsonb(line.registry.rules),
        ),
    ).fetchall()

    def act() -> None:
        if hold_first:
            holds.release(db, tutor, actor="bob")
        else:
            _set(db, tutor)

    acting = threading.Thread(target=act)
    acting.start()
    while not app.execute(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    ).fetchone():
        assert acting.is_alive(), "it did not wait"
    publishing.commit()
    acting.join()
    expected = (32, None) if hold_first else (0, 32)
    assert _published(app, tutor) == expected
    drain()
    assert _published(app, tutor) == expected
    assert total(app, tutor) == expected[0]
