"""What was set aside: listed with its reason, tried again when an operator says so, and gone with its profile."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from caas_worker import queue, worker
from caas_worker.db import Database
from caas_worker.model import Profile, Score, Stats
from caas_worker.pipeline import Line
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.verify import OUR_TABLES
from tests.interleaving import Rows, one
from tests.people import add_tutor, total

MakeLine = Callable[..., Line]


class Moody(TutorStrategy):
    """Fails, with the profile's bio in its message, until it is told not to."""

    is_well = False

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        if not self.is_well:
            raise ValueError(f"cannot read {profile.bio}")
        return super().score(profile, stats, now)


@pytest.fixture
def moody() -> Moody:
    return Moody()


@pytest.fixture
def line(make_line: MakeLine, moody: Moody) -> Line:
    return make_line(moody, max_attempts=1)


def failed(db: Database, **only: Any) -> list[UUID]:
    return [entry["profile_id"] for entry in queue.failed(db, **{"last_seconds": 3600, **only})]


def test_who_was_set_aside_is_listed_with_reason_and_traceback(app: Rows, db: Database, line: Line) -> None:
    tutor = add_tutor(app, bio="secret")
    assert worker.drain(line, batch_size=10).error_types == {"STRATEGY_FAILED": 1}
    [entry] = queue.failed(db, last_seconds=3600)
    assert (entry["profile_id"], entry["error"], entry["attempts"]) == (tutor, "STRATEGY_FAILED", 1)
    assert entry["message"] == "ValueError: cannot read secret"
    assert "Traceback" in entry["detail"]
    assert entry["reasons"] == ["profiles"]


def test_only_the_last_while_and_only_one_error_are_listed_when_asked(app: Rows, db: Database, line: Line) -> None:
    tutor = add_tutor(app)
    worker.drain(line, batch_size=10)
    assert failed(db, error="STRATEGY_FAILED") == [tutor]
    assert failed(db, error="CACHE_REFUSED") == []
    app.execute("update caas.dead_entries set died_at = died_at - interval '2 hours'")
    assert failed(db) == []
    assert failed(db, last_seconds=3 * 3600) == [tutor]


def test_retried_profiles_are_back_in_the_queue_with_no_attempts(
    app: Rows, db: Database, line: Line, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "AT_ONCE", 2)
    tutors = sorted(add_tutor(app) for _ in range(5))
    worker.drain(line, batch_size=10)
    moody.is_well = True
    assert [list(piece) for piece in queue.retry(db)] == [tutors[:2], tutors[2:4], tutors[4:]]
    assert one(app, "select max(attempts) || ' ' || min(priority) from caas.recalculation_queue") == "0 10"
    worker.drain(line, batch_size=10)
    assert {total(app, tutor) for tutor in tutors} == {32}
    assert failed(db) == list(queue.retry(db)) == []


def test_a_retry_of_what_fails_again_ends(app: Rows, db: Database, line: Line) -> None:
    tutors = [add_tutor(app) for _ in range(3)]
    worker.drain(line, batch_size=10)
    assert [len(piece) for piece in queue.retry(db, tutors[:2])] == [2]
    assert [len(piece) for piece in queue.retry(db, error="OTHER")] == []
    worker.drain(line, batch_size=10)
    assert sorted(failed(db)) == sorted(tutors)


def holding(app: Rows, text: str) -> set[str]:
    """Our tables with a row that holds this text anywhere."""
    return {
        table
        for table in OUR_TABLES
        if app.execute(
            sql.SQL("select 1 from {} as t where t::text like %s limit 1").format(sql.Identifier("caas", table)),
            (f"%{text}%",),
        ).fetchone()
    }


@pytest.mark.parametrize("state", ["scored", "dead", "waiting", "in flight", "never scored"])
@pytest.mark.parametrize("how", ["delete from profiles", "truncate profiles cascade"])
def test_a_deleted_profile_leaves_nothing_of_its_own_in_any_table_of_ours(
    app: Rows, make_line: MakeLine, moody: Moody, state: str, how: str
) -> None:
    tutor = add_tutor(app, bio="a secret of hers", display_name="Ana")
    line = make_line(moody, max_attempts=2 if state == "waiting" else 1)
    moody.is_well = state in ("scored", "in flight")
    if state != "never scored":
        worker.drain(line, batch_size=10, max_batches=1)
    if state == "in flight":
        app.execute("select caas.enqueue(%s, 'asked')", ([tutor],))
        line.fold(whole=True)
        claim = line.claimant.claim(10, whole=True)
        scored = line.score(claim)
    expected = {"dead": "dead_entries", "waiting": "recalculation_queue", "never scored": "changes"}
    assert expected.get(state, "scores") in holding(app, str(tutor))
    app.execute(how)
    if state == "in flight":
        line.publish(claim, scored)
    summary = worker.drain(line, batch_size=10)
    assert (summary.exit_code, summary.remaining) == (0, 0)
    assert holding(app, str(tutor)) == holding(app, "secret") == holding(app, "Ana") == set()
