"""What operators are told: where a profile stands, who is unknown, when a hold ends, and in how much room."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from caas_worker import holds, queue
from caas_worker.cli import app as commands
from caas_worker.cli import monitor
from caas_worker.db import Database
from caas_worker.errors import CaasError, HoldRefused, NotInstalled, NotPermitted, SettingsError, exit_code
from tests.people import (
    Rows,
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_tutor,
    connect_people,
    forget_marks,
)

Command = Callable[..., Result]


@pytest.fixture
def command(db: Database, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process: `command("queue", "failed")`; an error of ours is in `exception`."""
    monkeypatch.setattr("caas_worker.logs.begin", lambda *_: None)

    def run(*words: object, columns: int = 80, **settings: str) -> Result:
        environment = {"CAAS_DATABASE_URL": db.conninfo, "COLUMNS": str(columns), **settings}
        result = CliRunner().invoke(commands, [str(word) for word in words], env=environment)
        if result.exception and not isinstance(result.exception, SystemExit | CaasError):
            raise result.exception
        return result

    return run


# Where a profile stands


def set_aside(app: Rows, profile_id: UUID) -> None:
    app.execute(
        "insert into caas.dead_entries (profile_id, error, message, attempts, reasons, first_changed_at, "
        "last_changed_at) values (%s, 'STRATEGY_FAILED', 'no', 5, '{test}', now(), now())",
        (profile_id,),
    )


@pytest.mark.parametrize("key", ["listing_id", "booking_id", "agent_id", "recruit", "everyone"])
def test_a_mark_is_found_by_whichever_key_it_names_a_profile(
    command: Command, db: Database, app: Rows, drain: Any, key: str
) -> None:
    tutor, other, agent = add_tutor(app), add_tutor(app), add_profile(app, "AGENT")
    listing = add_listing(app, tutor)
    booking = add_booking(app, listing, add_client(app))
    connect_people(app, agent, tutor, kind="AGENT_REFERRAL")
    drain()
    marks: dict[str, tuple[str, object, UUID]] = {
        "listing_id": ("listing_id", listing, tutor),
        "booking_id": ("booking_id", booking, tutor),
        "agent_id": ("agent_id", agent, agent),
        "recruit": ("profile_id", tutor, agent),
        "everyone": ("everyone", True, other),
    }
    column, value, meant = marks[key]
    assert queue.place(db, meant) is None
    app.execute(f"insert into caas.changes (reason, {column}) values ('profiles', %s)".encode(), (value,))
    told = json.loads(command("queue", "status", "--profile", meant, "--json").stdout)
    assert (told["place"], told["state"], told["reasons"]) == ("changes", "marked", ["profiles"])
    if key != "everyone":
        assert queue.place(db, other) is None


def test_a_mark_of_somebody_set_aside_is_on_its_way(db: Database, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    set_aside(app, tutor)
    app.execute("insert into caas.changes (reason, profile_id) values ('test', %s)", (tutor,))
    place = queue.place(db, tutor)
    assert place is not None
    assert place["state"] == "marked"


def test_where_nobody_stands_is_an_error(command: Command, app: Rows, drain: Any) -> None:
    nobody, tutor = uuid4(), add_tutor(app)
    drain()
    assert "nothing to do" in command("queue", "status", "--profile", tutor).stdout
    assert f"There is no profile {nobody}." in str(command("queue", "status", "--profile", nobody).exception)


def test_who_was_set_aside_is_not_said_to_be_on_its_way(command: Command, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    app.execute("update caas.scores set total_score = 99")
    forget_marks(app)
    set_aside(app, tutor)
    for words in (("score", "compare", tutor), ("score", "explain", tutor)):
        told = command(*words)
        assert "was set aside after STRATEGY_FAILED" in " ".join(told.output.split())
        assert "on its way" not in told.output


# Who is asked for


def test_the_unknown_are_told_and_the_others_computed(command: Command, app: Rows) -> None:
    nobody, tutor = uuid4(), add_tutor(app)
    told = command("score", "recalculate", nobody, tutor, "--json")
    assert told.exit_code == 1
    answer = json.loads(told.stdout)
    assert [score["profile_id"] for score in answer["scores"]] == [str(tutor)]
    assert answer["failed"] == {str(nobody): "there is no such profile"}


def test_who_is_only_put_into_the_queue_is_told(command: Command, app: Rows) -> None:
    nobody, tutor = uuid4(), add_tutor(app)
    told = command("score", "recalculate", tutor, "--wait", 0)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr.startswith("1 put into the queue.")
    told = command("score", "recalculate", nobody, "--wait", 0)
    assert (told.exit_code, told.stderr) == (1, f"{nobody}: there is no such profile\n")


# What is shown


def test_a_hold_without_an_end_says_so(command: Command, app: Rows, db: Database, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    holds.hold(db, tutor, 50, reason="a reason", actor="ann")
    assert "no end" in command("score", "holds", columns=140).stdout


def test_a_table_without_room_is_told_in_lines(command: Command, app: Rows, db: Database, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    holds.hold(db, tutor, 50, reason="a reason that takes some room", actor="ann")
    narrow = command("score", "holds", columns=80).stdout
    assert {f"profile_id  {tutor}", "reason      a reason that takes some room"} <= {
        line.strip() for line in narrow.splitlines()
    }
    wide = command("score", "holds", columns=140).stdout
    assert [line for line in wide.splitlines() if str(tutor) in line and "a reason that takes some room" in line]


@pytest.mark.parametrize("words", [("sweep",), ("backfill",)])
def test_standard_output_stays_for_results(command: Command, app: Rows, words: tuple[str, ...]) -> None:
    add_tutor(app)
    told = command(*words)
    assert (told.exit_code, told.stdout) == (0, "")
    assert "marked. Running workers compute them" in told.stderr


def test_a_retention_without_a_cleanup_is_refused(command: Command) -> None:
    refused = command("aggregate", "--retention-days", 30)
    assert str(refused.exception) == "--retention-days is how long --cleanup keeps: say --cleanup as well."


def test_a_dsn_that_is_none_is_a_wrong_setting(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_DSN", "hunter2")
    refused = command("queue", "status")
    assert str(refused.exception) == "SENTRY_DSN is no DSN. Example: https://key@sentry.example.org/1"


def test_no_expiry_of_a_check_is_no_date(command: Command, app: Rows) -> None:
    tutor = add_tutor(app, dbs_verified=True, dbs_expiry_date=None)
    told = json.loads(command("score", "explain", tutor, "--json").stdout)
    assert told["inputs"]["dbs_expiry_date"] is None
    assert "The check is verified, but has no expiry date." in command("score", "explain", tutor, columns=120).stdout


@pytest.mark.parametrize("end", ["infinity", "20000-01-01"])
def test_a_hold_that_ends_beyond_the_calendar_has_no_end(command: Command, app: Rows, drain: Any, end: str) -> None:
    tutor = add_tutor(app)
    drain()
    app.execute("select caas.hold(%s, 50, 'a reason', 'ann', %s::timestamptz)", (tutor, end))
    [hold] = json.loads(command("score", "holds", "--json").stdout)
    assert (hold["expires_at"], hold["stands"]) == (None, True)
    assert json.loads(command("score", "get", tutor, "--json").stdout)["next_due_at"] is None


def test_nobody_is_not_the_login(command: Command, app: Rows) -> None:
    tutor = add_tutor(app)
    for words in (
        ("score", "hold", tutor, "--score", 1, "--reason", "a reason", "--actor", ""),
        ("score", "release", tutor, "--actor", ""),
        ("tutor", "threshold", tutor, 20, "--by", ""),
    ):
        assert isinstance(command(*words).exception, HoldRefused | SettingsError), words


def test_thresholds_are_tutors(command: Command, app: Rows) -> None:
    client, tutor = add_client(app), add_tutor(app)
    assert str(command("tutor", "threshold", client, 20).exception) == f"There is no tutor {client}."
    assert command("tutor", "threshold", tutor, 20).exit_code == 0
    assert "is judged by 15 per cent" in command("tutor", "threshold", tutor, "--clear").stderr
    again = command("tutor", "threshold", tutor, "--clear")
    assert (again.exit_code, again.stderr) == (0, f"nothing to do: {tutor} has no threshold of its own\n")


def test_what_has_no_value_is_not_shown(command: Command, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    assert command("queue", "status", "--profile", tutor).stdout.split() == ["state", "nothing", "to", "do"]


@pytest.mark.parametrize("words", [("drain",), ("stats", "get_network_stats", uuid4())])
def test_where_nothing_is_installed_the_hint_is_short(
    command: Command, database_url: str, words: tuple[object, ...]
) -> None:
    refused = command(*words, CAAS_DATABASE_URL=database_url).exception
    assert isinstance(refused, NotInstalled)
    assert str(refused).endswith(" Run: caas-worker migrate up")
    assert "type casts" not in str(refused)


# What a role may not do


def test_a_missing_grant_ends_with_a_code_of_its_own(command: Command, forbidden: str) -> None:
    refused = command("queue", "status", CAAS_DATABASE_URL=forbidden).exception
    assert isinstance(refused, NotPermitted)
    assert exit_code(refused) == 8
    assert "caas-worker verify says what is missing" in str(refused)


def test_a_migration_as_a_role_without_rights_says_which(command: Command, url: str, forbidden: str) -> None:
    refused = str(command("migrate", "up", CAAS_DATABASE_URL=forbidden).exception)
    assert refused == (
        "This role may not do that: permission denied for schema caas. Migrate as the owner of the application's tables"
    )
    command("uninstall", "--yes", CAAS_DATABASE_URL=url)
    refused = str(command("migrate", "up", CAAS_DATABASE_URL=forbidden).exception)
    assert "Run as the database's owner: create schema caas authorization" in refused


# The queue as it moves


def test_the_monitor_fits_80_columns_whatever_it_counts() -> None:
    figures = {"marks": 1_234_567, "depth": {"manual": 3, "live": 99_990, "time": 0, "backfill": 12_000_000}}
    figures |= {"waiting": 12_345, "in_flight": 1_000, "dead": 123, "oldest_seconds": 12_345.6, "workers": 12}
    console = Console(width=80)
    with console.capture() as captured:
        console.print(monitor._table([monitor.Look(3_600, figures, 1234.5, 99.94)]))
    _, head, row, *_ = (" ".join(line.split()) for line in captured.get().splitlines())
    assert head == "at marks live backfill waiting flight dead oldest /s /s workers"
    assert row == "3,600 s 1,235k 99,993 12,000k 12,345 1,000 123 12,346 s 1,234 99.9 12"


def test_the_names_of_metrics_are_whole(command: Command, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    shown = command("tutor", "show", tutor).stdout
    assert " learning_objectives_met_pct " in shown
