"""The queue at a glance: what is counted, what the ages mean, and that a look costs the same at any backlog."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from caas_worker import figures, holds
from caas_worker.db import Database
from caas_worker.errors import DatabaseUnavailable
from caas_worker.pipeline import Line
from caas_worker.queue import purge
from caas_worker.sql import statements
from tests.people import Rows, add_tutor, forget_marks
from tests.scripted import failing


def test_an_idle_installation_is_all_zeros(db: Database) -> None:
    now = figures.status(db)
    assert now["depth"] == {"manual": 0, "live": 0, "time": 0, "backfill": 0}
    assert {name: value for name, value in now.items() if name != "depth" and value} == {}


def test_each_state_is_counted(app: Rows, db: Database, make_line: Any, drain: Any) -> None:
    tutors = [add_tutor(app) for _ in range(6)]
    drain()
    holds.hold(db, tutors[0], 1, reason="a test", actor="tests")
    drain()
    app.execute("select caas.enqueue(%s, 'a', 10)", (tutors[:2],))
    app.execute("select caas.enqueue(%s, 'b', 90)", (tutors[2:4],))
    line: Line = make_line(failing(*tutors[:2]), backoff_seconds=60)
    line.fold()
    line.run_batch(1)
    line.claimant.claim(1)
    app.execute("select caas.enqueue(%s, 'c', 50)", (tutors[4:5],))
    app.execute("update caas.scores set next_due_at = now() - interval '1 hour' where profile_id = %s", (tutors[5],))
    now = figures.status(db)
    states = {name: now[name] for name in ("marks", "ready", "waiting", "in_flight", "dead", "due", "scores", "holds")}
    assert states == {
        "marks": 1, "ready": 2, "waiting": 1, "in_flight": 1, "dead": 0, "due": 1,
        "scores": 6, "holds": 1,
    }  # fmt: skip
    assert sum(now["depth"].values()) == now["ready"] + now["waiting"] + now["in_flight"]
    assert now["depth"]["backfill"] == 2
    assert figures.remaining(db) == 1 + sum(now["depth"].values())


def test_the_oldest_is_live_and_the_stalest_is_anything(app: Rows, db: Database) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    app.execute("select caas.enqueue(%s, 'old', 90)", ([tutor],))
    app.execute("update caas.changes set changed_at = now() - interval '1 hour'")
    now = figures.status(db)
    assert (now["oldest_seconds"], round(now["stalest_seconds"] / 60)) == (0, 60)
    app.execute("select caas.enqueue(%s, 'new', 10)", ([tutor],))
    assert 0 < figures.status(db)["oldest_seconds"] < 60
    app.execute("select caas.fold(10, 0)")
    now = figures.status(db)
    assert round(now["oldest_seconds"] / 60) == round(now["stalest_seconds"] / 60) == 60  # one entry by now: it is live


def test_a_dead_entry_and_an_overdue_score_are_stale_too(app: Rows, db: Database, make_line: Any, drain: Any) -> None:
    tutor, other = add_tutor(app), add_tutor(app)
    drain()
    app.execute("select caas.enqueue(%s, 'test')", ([tutor],))
    app.execute("update caas.changes set changed_at = now() - interval '2 hours'")
    line: Line = make_line(failing(tutor), max_attempts=1)
    line.fold()
    line.run_batch(1)
    now = figures.status(db)
    assert (now["dead"], now["oldest_seconds"], round(now["stalest_seconds"] / 3600)) == (1, 0, 2)
    assert [len(piece) for piece in purge(db)] == [1]
    assert figures.status(db)["stalest_seconds"] == 0
    due = datetime.now(UTC) - timedelta(hours=3)
    app.execute("update caas.scores set next_due_at = %s where profile_id = %s", (due, other))
    assert round(figures.status(db)["stalest_seconds"] / 3600) == 3


def test_beyond_what_is_counted_the_planner_is_asked(app: Rows, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    app.execute(
        "insert into caas.changes (reason, priority, profile_id) "
        "select 'test', 90, gen_random_uuid() from generate_series(1, 3000)"
    )
    app.execute("select caas.fold(1000, 0)")
    app.execute("vacuum analyze caas.changes, caas.recalculation_queue")
    monkeypatch.setattr(figures, "COUNTED", 500)
    now = figures.status(db)
    assert now["marks"] == pytest.approx(2000, rel=0.1)
    assert now["depth"]["backfill"] == now["ready"] == pytest.approx(1000, rel=0.1)


def test_a_look_reads_no_more_at_a_large_backlog(app: Rows, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "COUNTED", 100)
    pages = []
    for size in (1_000, 50_000):
        app.execute(
            "insert into caas.recalculation_queue (profile_id, generation, priority, place, reasons, first_changed_at, "
            "last_changed_at) select gen_random_uuid(), n, 10, nextval('caas.generation'), '{test}', now(), now() "
            "from generate_series(1, %s) as n",
            (size,),
        )
        app.execute("vacuum analyze caas.recalculation_queue")
        with db.transaction() as connection:
            plan = connection.execute(
                b"explain (analyze, buffers, format json) " + statements("figures")["figures"],
                {"most": figures.COUNTED, "most_scores": figures.COUNTED_SCORES},
            ).fetchone()
        assert plan is not None
        top = plan[0][0]["Plan"]
        pages.append(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
    assert pages[1] <= pages[0] * 2, pages


def test_probes_ask_once_a_second_and_are_told_soon(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def look(*_: object, **__: object) -> dict[str, Any]:
        asked.append(1)
        raise DatabaseUnavailable

    monkeypatch.setattr(figures, "status", look)
    kept = figures.KeptFigures(db)
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable):
            kept()
    assert len(asked) == 1
