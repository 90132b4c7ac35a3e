"""What is published beside others who write the same sessions and alerts: another batch, the postman, an operator."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from caas_worker import outbox, tutors, worker
from caas_worker.db import Database
from caas_worker.model import Claim
from caas_worker.pipeline import Line
from tests.conftest import Connect
from tests.interleaving import DEADLINE_SECONDS, Pause, meanwhile, one, until, waiting
from tests.people import Rows, add_client, add_listing, add_no_show, add_session, add_tutor
from tests.proof.tables import QualityTables

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

MakeLine = Callable[..., Line]


@pytest.fixture(autouse=True)
def deadlocks_found_at_once(url: str) -> None:
    """By default the server looks for them after a second."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"alter database {name} set deadlock_timeout = '5ms'".encode())


@pytest.fixture
def worker_line(make_line: MakeLine) -> Callable[[], Line]:
    """Makes workers whose clock stands still."""
    return lambda: replace(make_line(), clock=lambda _: NOW, recipient="admin@example.org")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[set[UUID]]:
    """Whom each transaction that publishes was about, whether it went through or not."""
    attempts: list[set[UUID]] = []
    write = Line.write

    def noted(line: Line, token: UUID, profile_ids: Sequence[UUID], *rest: Any) -> Any:
        attempts.append(set(profile_ids))
        return write(line, token, profile_ids, *rest)

    monkeypatch.setattr(Line, "write", noted)
    return attempts


def fold(line: Line) -> None:
    while line.fold(whole=True).found_any:
        pass


def drain(line: Line) -> None:
    assert worker.drain(line, batch_size=100).failed == 0


def claim_of(app: Rows, line: Line, *profile_ids: UUID) -> Claim:
    """A batch of just these."""
    app.execute("update caas.recalculation_queue set priority = 0 where profile_id = any(%s)", (list(profile_ids),))
    claim = line.claimant.claim(len(profile_ids), whole=True)
    assert set(claim.profile_ids) == set(profile_ids)
    return claim


def nothing_is_left(app: Rows) -> None:
    for table in ("caas.changes", "caas.recalculation_queue", "caas.touched_cells", "caas.dead_entries"):
        assert one(app, f"select count(*) from {table}") == 0, table


# Another batch


def test_sessions_that_moved_crosswise_between_two_batches_are_written_once_more_and_none_is_lost(
    app: Rows, worker_line: Callable[[], Line], written: list[set[UUID]]
) -> None:
    """Each batch has deleted the score of the session that the other is about to write: one of them is undone."""
    client = add_client(app)
    ann, bob, cid, dan = (add_tutor(app) for _ in range(4))
    listings = {tutor: add_listing(app, tutor) for tutor in (ann, bob, cid, dan)}
    anns, cids = (add_session(app, listings[tutor], client, NOW - 40 * DAY) for tutor in (ann, cid))
    one_line, other_line = worker_line(), worker_line()
    drain(one_line)
    written.clear()

    for session, tutor in ((anns, bob), (cids, dan)):
        app.execute("update bookings set listing_id = %s where id = %s", (listings[tutor], session))
    fold(one_line)
    claims = claim_of(app, one_line, ann, dan), claim_of(app, other_line, bob, cid)
    scored = one_line.score(claims[0]), other_line.score(claims[1])
    pause = Pause(app, "caas.session_scores")
    with ThreadPoolExecutor(1) as pool, pause.during(lambda: one_line.publish(claims[0], scored[0])) as first:
        second = pool.submit(lambda: other_line.publish(claims[1], scored[1]))
        until(lambda: waiting(app) == 2, "the other batch to wait for what the first one deleted")
        pause.resume()
        batches = first.result(DEADLINE_SECONDS), second.result(DEADLINE_SECONDS)

    assert [batch.endings for batch in batches] == [{"scored": 2}, {"scored": 2}]
    assert sorted(map(sorted, written)) in (
        sorted(map(sorted, [{ann, dan}, {bob, cid}, again])) for again in ({ann, dan}, {bob, cid})
    )
    assert dict(app.execute("select booking_id, profile_id from caas.session_scores").fetchall()) == {
        anns: bob,
        cids: dan,
    }
    for line in (one_line, other_line):
        line.claimant.settle()
    drain(one_line)
    nothing_is_left(app)
    QualityTables.load(app).compare(NOW)


# The postman


def add_alerts(app: Rows, line: Line, count: int, *, backwards: bool) -> list[UUID]:
    """As many alerts, with their tutors, whose ids are in the tutors' order or against it; returns the alerts."""
    client = add_client(app)
    people = sorted(add_tutor(app) for _ in range(count))
    for tutor in people:
        listing = add_listing(app, tutor)
        for hours in (30, 31, 32):
            add_no_show(app, listing, client, NOW - hours * HOUR)
    drain(line)
    alerts = [UUID(int=number + 1) for number in range(count)]
    named = alerts[::-1] if backwards else alerts
    for tutor, alert in zip(people, named, strict=True):
        app.execute("update caas.tutor_alerts set id = %s where profile_id = %s", (alert, tutor))
    assert one(app, "select count(*) from caas.tutor_alerts") == count
    app.execute("select caas.enqueue(%s::uuid[], 'test')", (people,))
    fold(line)
    return alerts


@pytest.mark.parametrize("letters_backwards", [False, True])
@pytest.mark.parametrize("tutors_backwards", [False, True])
def test_a_postman_and_a_batch_over_the_same_alerts_never_deadlock(
    app: Rows,
    db: Database,
    connect: Connect,
    worker_line: Callable[[], Line],
    written: list[set[UUID]],
    tutors_backwards: bool,
    letters_backwards: bool,
) -> None:
    """Both stand behind an application that holds the alert in the middle, with what they locked before."""
    line = worker_line()
    alerts = add_alerts(app, line, 5, backwards=tutors_backwards)
    written.clear()
    results = [
        outbox.Result(outbox.Taken("alert", alert, 1, NOW, NOW), "sent", 1)
        for alert in (reversed(alerts) if letters_backwards else alerts)
    ]
    holding = connect(autocommit=False)
    holding.execute("select from caas.tutor_alerts where id = %s for update", (alerts[2],))
    with (
        meanwhile(lambda: line.run_batch(100, whole=True), finally_=holding.rollback) as batch,
        meanwhile(lambda: outbox.record(db, results), finally_=holding.rollback),
    ):
        until(lambda: waiting(app) == 2, "both to wait")
    done = batch.result()
    assert done
    assert done.endings == {"scored": 5}
    assert len(written) == 1
    states = app.execute(
        "select distinct email_status, last_checked_at, email_attempts from caas.tutor_alerts"
    ).fetchall()
    assert states == [("sent", NOW, 1)]


# An operator


def test_an_alert_that_is_resolved_by_hand_while_its_tutor_is_published_stays_as_it_was_resolved(
    app: Rows, db: Database, worker_line: Callable[[], Line]
) -> None:
    line = worker_line()
    [alert] = add_alerts(app, line, 1, backwards=False)

    def row() -> dict[str, Any]:
        found = app.cursor(row_factory=dict_row).execute("select * from caas.tutor_alerts").fetchone()
        assert found
        return found

    pause = Pause(app, "caas.tutor_alerts")
    with pause.during(lambda: tutors.resolve(db, alert, "ann")) as resolving:
        with meanwhile(lambda: line.run_batch(1, whole=True), finally_=pause.resume) as batch:
            until(lambda: waiting(app) == 2, "the batch to wait for the operator")
        resolved = resolving.result(DEADLINE_SECONDS)
    done = batch.result()
    assert done
    assert done.endings == {"scored": 1}
    stands = row()
    assert (stands["status"], stands["resolved_by"], stands["auto_resolved"]) == ("resolved", "ann", False)
    assert (stands["resolved_at"], stands["score_value"]) == (resolved["resolved_at"], 70)
    app.execute("select caas.enqueue(array(select profile_id from caas.tutor_alerts), 'test')")
    drain(line)
    assert row() == stands  # nor is it raised again
    nothing_is_left(app)
