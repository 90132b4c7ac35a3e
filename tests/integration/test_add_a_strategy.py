"""Follows docs/how-to/add-a-strategy.md on a database: its table, function, watch list and strategy, as printed."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from caas_worker import migrate, worker
from caas_worker.pipeline import Line
from caas_worker.shipped import Shipped
from caas_worker.strategies.tutor import TutorStrategy
from tests.docs.example import ADD_A_STRATEGY, blocks, files, load
from tests.people import add_profile, add_tutor, total

ROOT = ADD_A_STRATEGY.parents[2]


@pytest.fixture
def shipped(tmp_path: Path) -> Shipped:
    """What this repository ships, and beside it the page's files."""
    for folder in ("migrations", "triggers", "views"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name, text in files(ADD_A_STRATEGY).items():
        if name.endswith(".sql"):
            (tmp_path / name).write_text(text, encoding="utf-8")
    return Shipped.load(tmp_path / "migrations", tmp_path / "triggers", tmp_path / "views")


@pytest.fixture
def line(
    url: str,
    app: psycopg.Connection[Any],
    shipped: Shipped,
    make_line: Callable[..., Line],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Line:
    """A line that scores hosts, on a marketplace with workshops."""
    app.execute(blocks(ADD_A_STRATEGY, "sql")[0].encode())
    assert migrate.up(url, shipped, lambda _: None) > 0
    text = files(ADD_A_STRATEGY)["caas_worker/strategies/host.py"]
    host = load("caas_worker.strategies.host", text, tmp_path, monkeypatch)
    return make_line(TutorStrategy(), host.HostStrategy())


def test_a_host_is_scored_and_followed(app: psycopg.Connection[Any], line: Line) -> None:
    host, other = add_profile(app, "host"), add_tutor(app)
    assert drained_total(app, line, host) == 0

    workshop = hold(app, host, seats=10, taken=5)
    assert drained_total(app, line, host) == 36

    app.execute("update workshops set taken = 10 where id = %s", (workshop,))
    assert drained_total(app, line, host) == 66

    app.execute("update workshops set host_id = %s where id = %s", (other, workshop))
    assert drained_total(app, line, host) == 0
    assert total(app, other) == 32


def test_a_host_who_also_teaches_is_scored_as_a_tutor(app: psycopg.Connection[Any], line: Line) -> None:
    assert drained_total(app, line, add_profile(app, "HOST", "TUTOR")) == 32


def test_the_score_says_when_time_will_change_it(app: psycopg.Connection[Any], line: Line) -> None:
    host = add_profile(app, "HOST")
    planned = datetime.now(UTC) + timedelta(days=7)
    hold(app, host, seats=10, taken=5, held_at=planned)
    assert drained_total(app, line, host) == 0
    assert app.execute("select next_due_at from caas.scores where profile_id = %s", (host,)).fetchone() == (planned,)


def test_the_statistics_give_each_id_one_row(app: psycopg.Connection[Any], line: Line) -> None:
    host, nobody = add_profile(app, "HOST"), uuid4()
    hold(app, host, seats=4, taken=3)
    rows = app.execute(
        "select profile_id, held, turnout from caas.workshop_stats(%s)", ([host, nobody, host],)
    ).fetchall()
    assert sorted(rows) == sorted([(host, 1, 0.75), (nobody, 0, 0)])
    assert line


def hold(app: psycopg.Connection[Any], host: UUID, *, seats: int, taken: int, held_at: datetime | None = None) -> Any:
    """A workshop, yesterday unless told otherwise."""
    held_at = held_at or datetime.now(UTC) - timedelta(days=1)
    row = app.execute(
        "insert into workshops (host_id, held_at, seats, taken) values (%s, %s, %s, %s) returning id",
        (host, held_at, seats, taken),
    ).fetchone()
    assert row
    return row[0]


def drained_total(app: psycopg.Connection[Any], line: Line, profile_id: UUID) -> int | None:
    """The total once everything written was drained."""
    summary = worker.drain(line, batch_size=100)
    assert (summary.failed, summary.remaining) == (0, 0)
    return total(app, profile_id)
