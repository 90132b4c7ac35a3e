"""caas-worker stats: one function for one profile, its row, its time, what it read."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from caas_worker.cli import stats as command
from caas_worker.db import Database
from caas_worker.errors import NotInstalled, SettingsError
from caas_worker.measure import CALLS, Touched, measure
from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from tests.interleaving import plain_role, worker_as
from tests.people import Rows, add_booking, add_client, add_listing, add_review, add_tutor


@pytest.fixture
def tutor(app: Rows) -> UUID:
    """A tutor with 52 sessions and 3 reviews, among others."""
    client = add_client(app)
    for _ in range(3):
        add_booking(app, add_listing(app, add_tutor(app)), client)
    tutor = add_tutor(app)
    listing = add_listing(app, tutor)
    for _ in range(52):
        add_booking(app, listing, client)
    for _ in range(3):
        add_review(app, client, tutor, 4)
    return tutor


@pytest.fixture
def run(pooled_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command: `run("performance_stats", profile_id)`."""
    monkeypatch.setenv("CAAS_DATABASE_URL", pooled_url)
    app = typer.Typer()
    command.register(app)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


EVERY = [
    "agent_stats",
    "client_stats",
    "digital_stats",
    "link_stats",
    "network_stats",
    "performance_stats",
    "profile_facts",
    "teaching_sums",
    "get_digital_stats",
    "get_network_stats",
    "get_performance_stats",
]


@pytest.mark.parametrize("function", EVERY)
def test_every_statistics_function_can_be_measured(db: Database, tutor: UUID, function: str) -> None:
    measured = measure(db, Registry.installed(Settings()), function, tutor)
    assert measured.row is not None
    assert measured.row.get("profile_id", tutor) == tutor
    assert len(measured.calls) == CALLS
    assert min(measured.calls) <= measured.milliseconds <= max(measured.calls)


def test_what_one_call_read_is_told_by_table(db: Database, tutor: UUID) -> None:
    measured = measure(db, Registry.installed(Settings()), "performance_stats", tutor)
    assert measured.row is not None
    assert (measured.row["completed_sessions"], measured.row["avg_rating"]) == (52, 4.0)
    assert {touched.table: touched for touched in measured.touched} == {
        "bookings": Touched("bookings", 0, 0, 1, 52),
        "listings": Touched("listings", 0, 0, 1, 1),
        "profile_reviews": Touched("profile_reviews", 0, 0, 1, 3),
    }


def test_what_was_read_before_is_not_counted_again(db: Database, tutor: UUID) -> None:
    first, again = (measure(db, Registry.installed(Settings()), "network_stats", tutor).touched for _ in range(2))
    assert first == again
    assert sum(touched.index_scans for touched in first) == 2


def test_a_missing_index_shows_as_a_seq_scan(app: Rows, db: Database, tutor: UUID) -> None:
    app.execute("drop index bookings_of_a_listing_by_time, bookings_of_a_client_by_listing")
    measured = measure(db, Registry.installed(Settings()), "performance_stats", tutor)
    [bookings] = [touched for touched in measured.touched if touched.table == "bookings"]
    assert (bookings.seq_scans, bookings.rows_by_seq_scan) == (1, 55)


def test_an_unknown_profile_gets_the_empty_row(db: Database) -> None:
    measured = measure(db, Registry.installed(Settings()), "performance_stats", uuid4())
    assert measured.row is not None
    assert measured.row["completed_sessions"] == 0
    assert measure(db, Registry.installed(Settings()), "profile_facts", uuid4()).row is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("performace_stats", "Did you mean performance_stats"),
        ("caas_performance_stats", "Did you mean performance_stats|Did you mean get_performance_stats"),
        ("zzz", "There are: agent_stats, "),
        ("", "There are: "),
        ("pg_sleep", "is no statistics function"),
        ("fold", "is no statistics function"),
        ("performance_stats(array[]::uuid[]); drop table profiles", "is no statistics function"),
    ],
)
def test_an_unknown_function_is_refused_with_the_nearest(db: Database, name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        measure(db, Registry.installed(Settings()), name, uuid4())


def test_a_function_that_a_strategy_needs_and_the_database_has_not(app: Rows, db: Database) -> None:
    app.execute("drop function caas.network_stats(uuid[], timestamptz)")
    with pytest.raises(NotInstalled, match="network_stats is missing in this database"):
        measure(db, Registry.installed(Settings()), "network_stats", uuid4())


def test_a_function_of_a_strategy_from_elsewhere_is_known(app: Rows, db: Database) -> None:
    class Elsewhere:
        name, role, precedence, version, statistics = "elsewhere", "COACH", 5, "coach-v1", ("coaching",)

    app.execute(
        "create function caas.coaching(profile_ids uuid[], as_of timestamptz default now()) "
        "returns table (profile_id uuid, answer int) language sql stable as "
        "$$ select id, 42 from unnest(profile_ids) as id $$"
    )
    registry = Registry([Elsewhere()])  # type: ignore[list-item]
    profile_id = uuid4()
    assert measure(db, registry, "coaching", profile_id).row == {"profile_id": profile_id, "answer": 42}
    with pytest.raises(SettingsError):
        measure(db, Registry.installed(Settings()), "coaching", profile_id)


def test_a_function_that_fails_is_an_error_in_a_sentence(app: Rows, db: Database) -> None:
    app.execute("drop table student_integration_links cascade")
    with pytest.raises(NotInstalled, match="source_student_integration_links"):
        measure(db, Registry.installed(Settings()), "link_stats", uuid4())


def test_a_superuser_sees_the_plans_of_the_statements_inside(db: Database, tutor: UUID) -> None:
    plan = "\n".join(measure(db, Registry.installed(Settings()), "performance_stats", tutor, plan=True).plan)
    assert "bookings_of_a_listing_by_time" in plan
    assert "actual time" in plan
    assert "Buffers:" in plan
    with db.transaction() as connection:
        left = connection.execute("select current_setting('auto_explain.log_min_duration', true)").fetchone()
    assert left in ((None,), ("-1",))  # not loaded, or loaded in a connection that others use by now, and off


def test_others_see_the_call_as_a_whole(app: Rows, url: str, tutor: UUID) -> None:
    with plain_role(app, ours=True) as role, worker_as(url, role) as db:
        measured = measure(db, Registry.installed(Settings()), "performance_stats", tutor, plan=True)
    assert measured.plan[0].startswith("Function Scan on performance_stats")
    assert "Buffers:" in "\n".join(measured.plan)
    assert {touched.table for touched in measured.touched} == {"bookings", "listings", "profile_reviews"}


def test_the_command_tells_scripts_and_people(run: Callable[..., Result], tutor: UUID) -> None:
    result = run("performance_stats", tutor)
    assert result.exit_code == 0
    assert ["completed_sessions", "52"] in [line.split() for line in result.stdout.splitlines()]
    assert "the median of 5 calls" in result.stdout
    assert "bookings: 52 rows by 1 index look-up, 0 seq scans" in result.stdout
    answer = json.loads(run("performance_stats", tutor, "--json", "--plan").stdout)
    assert answer["row"]["completed_sessions"] == 52
    assert answer["profile_exists"] is True
    assert {"table": "listings", "seq_scans": 0, "rows_by_seq_scan": 0, "index_scans": 1, "rows_by_index": 1} in answer[
        "touched"
    ]
    assert answer["plan"]


def test_the_command_notes_that_there_is_no_such_profile(run: Callable[..., Result]) -> None:
    nobody = uuid4()
    result = run("network_stats", nobody)
    assert result.exit_code == 0
    assert f"There is no profile {nobody}: this is the empty row" in result.output
    assert "there is no row" in run("profile_facts", nobody).output
    assert json.loads(run("profile_facts", nobody, "--json").stdout)["row"] is None


@pytest.mark.parametrize("arguments", [[], ["network_stats"], ["network_stats", "no-uuid"]])
def test_bad_arguments_are_refused(run: Callable[..., Result], arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
