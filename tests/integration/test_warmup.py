"""A warm-up marks the tutors whom most clients booked lately, the busiest and nobody else."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from caas_worker import worker
from caas_worker.cli import chores
from caas_worker.db import Database
from caas_worker.errors import SettingsError
from caas_worker.warmup import warmup
from tests.interleaving import one, plain_role, worker_as
from tests.people import Rows, add_booking, add_client, add_listing, add_profile, add_tutor, forget_marks, total

Drain = Callable[..., worker.Summary]


@pytest.fixture
def run(pooled_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command: `run("--top", "5")`."""
    monkeypatch.setenv("CAAS_DATABASE_URL", pooled_url)
    app = typer.Typer()
    chores.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["warmup", *arguments])


@pytest.fixture
def busy(app: Rows) -> dict[str, UUID]:
    """Tutors with 5, 3 and 1 bookings lately, and those who have theirs at other times, or none."""
    now = datetime.now(UTC)
    client = add_client(app)
    counts = {"five": (5, 2), "three": (3, 29), "one": (1, 1), "long_ago": (9, 31), "to_come": (9, -2), "idle": (0, 0)}
    people = {"client": client}
    for name, (count, days) in counts.items():
        people[name] = add_tutor(app)
        listings = [add_listing(app, people[name]) for _ in range(2)]
        for number in range(count):
            add_booking(app, listings[number % 2], client, scheduled_start=now - timedelta(days=days))
    people["agency"] = add_profile(app, "AGENT")
    for _ in range(9):
        add_booking(app, add_listing(app, people["agency"]), client, scheduled_start=now - timedelta(days=2))
    forget_marks(app)
    return people


def marked(app: Rows) -> list[tuple[UUID, str, int]]:
    return app.execute("select profile_id, reason, priority from caas.changes order by id").fetchall()


@pytest.mark.parametrize(("top", "names"), [(1, ["five"]), (2, ["five", "three"]), (99, ["five", "one", "three"])])
def test_the_busiest_are_marked(app: Rows, db: Database, busy: dict[str, UUID], top: int, names: list[str]) -> None:
    assert warmup(db, top) == len(names)
    assert sorted(marked(app)) == sorted((busy[name], "warmup", 90) for name in names)


def test_a_drain_computes_them(app: Rows, db: Database, busy: dict[str, UUID], drain: Drain) -> None:
    warmup(db, 2)
    assert drain().processed == 2
    assert [total(app, busy[name]) is not None for name in ("five", "three", "one")] == [True, True, False]


def test_twice_is_harmless(db: Database, busy: dict[str, UUID], drain: Drain) -> None:
    assert busy
    assert (warmup(db, 2), warmup(db, 2)) == (2, 2)
    assert drain().processed == 2


@pytest.mark.usefixtures("busy")
def test_a_worker_needs_no_more_than_it_has(app: Rows, url: str) -> None:
    with plain_role(app, ours=True) as role, worker_as(url, role) as db:
        assert warmup(db, 2) == 2
    assert len(marked(app)) == 2


def test_an_empty_marketplace_marks_nobody(app: Rows, db: Database) -> None:
    assert warmup(db, 10) == 0
    assert marked(app) == []


@pytest.mark.parametrize("top", [0, -1, 1_000_001])
def test_no_number_of_tutors_is_refused(db: Database, top: int) -> None:
    with pytest.raises(SettingsError, match="1 to 1,000,000"):
        warmup(db, top)


@pytest.mark.usefixtures("busy")
def test_the_command_says_how_many_and_who_computes_them(app: Rows, run: Callable[..., Result]) -> None:
    result = run("--top", "2")
    assert (result.exit_code, result.output) == (
        0,
        "2 marked. Running workers compute them; without any: caas-worker drain\n",
    )
    assert json.loads(run("--top", "1", "--json").stdout) == {"marked": 1}
    assert one(app, "select count(*) from caas.changes") == 3


@pytest.mark.parametrize("arguments", [[], ["--top", "0"], ["--top", "-3"], ["--top", "many"], ["--top", "1000001"]])
def test_bad_arguments_are_refused(app: Rows, run: Callable[..., Result], arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
    assert marked(app) == []
