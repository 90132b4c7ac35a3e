"""What leaves the database tells of nobody: log lines, error reports, labels of metrics, answers to who has no key."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import sentry_sdk
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from caas_worker import __version__, sentry, worker
from caas_worker.api.app import create
from caas_worker.db import Database
from caas_worker.errors import DatabaseError, DatabaseUnavailable, impersonal
from caas_worker.model import Profile
from caas_worker.settings import Settings
from tests.people import Rows, add_tutor
from tests.scripted import Scripted
from tests.service.conftest import BEARER, MakeService

PERSONAL = ("ann@example.org", "Ann Example", "07700 900123")


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)


@pytest.fixture
def sent() -> Iterator[Callable[[], list[Any]]]:
    """Error reports, as they would be sent."""
    transport = Kept()
    settings = Settings(sentry_dsn=SecretStr("https://key@errors.example/1"))
    sentry.begin(settings, transport=transport)
    yield lambda: [event for envelope in transport.envelopes if (event := envelope.get_event())]
    sentry_sdk.init()


def personal_failure(profile: Profile) -> None:
    try:
        raise KeyError(PERSONAL[0])
    except KeyError as error:
        raise ValueError(f"no score for {PERSONAL[1]}, {PERSONAL[2]}, {profile.profile_id}") from error


def clean(text: str, *profile_ids: UUID) -> bool:
    return not any(word in text for word in (*PERSONAL, *(str(key) for key in profile_ids)))


def test_a_failing_rule_tells_logs_and_sentry_what_and_not_who(
    make_line: Any, app: Rows, sent: Callable[[], list[Any]], logged: Callable[[], str]
) -> None:
    tutors = [add_tutor(app, display_name=PERSONAL[1]) for _ in range(3)]
    worker.drain(make_line(Scripted(personal_failure), max_attempts=1), batch_size=10)
    lines = [json.loads(line) for line in logged().splitlines()]
    assert clean(str(lines), *tutors)
    failures = [line for line in lines if line["event"] == "failure"]
    assert [(line["code"], line["exception"], line["strategy"], line["ending"]) for line in failures] == [
        ("STRATEGY_FAILED", "ValueError", "scripted", "dead")
    ] * 3
    [batch] = [line for line in lines if line["event"] == "batch"]
    assert (batch["profiles"], batch["dead"]) == (3, 3)
    [event] = sent()
    assert clean(str(event), *tutors)
    assert event["release"] == f"caas-worker@{__version__}"
    assert event["tags"] == {"strategy": "scripted", "code": "STRATEGY_FAILED"}
    assert event["contexts"]["batch"]["failed"] == 3
    assert [value["type"] for value in event["exception"]["values"]] == ["KeyError", "ValueError"]
    assert any(
        frame["function"] == "personal_failure" for frame in event["exception"]["values"][-1]["stacktrace"]["frames"]
    )
    # who looks into the database finds who and why
    assert app.execute("select count(*) from caas.dead_entries where message like '%Ann Example%'").fetchone() == (3,)


def test_a_statement_that_repeats_a_value_is_told_by_its_code(
    make_line: Any, app: Rows, sent: Callable[[], list[Any]], logged: Callable[[], str]
) -> None:
    add_tutor(app, display_name=PERSONAL[1])
    app.execute(
        "create or replace function caas.network_stats(profile_ids uuid[], as_of timestamptz default now()) "
        "returns table (profile_id uuid, referral_count integer, connection_count integer, is_agent_referred boolean) "
        "language plpgsql as $$ begin perform display_name::integer from public.profiles; end $$"
    )
    summary = worker.drain(make_line(max_attempts=1), batch_size=10)
    assert summary.error_types == {"STATISTICS_FAILED": 1}
    assert clean(logged())
    [event] = sent()
    assert clean(str(event))
    assert "22P02" in event["exception"]["values"][-1]["value"]


def test_an_error_that_nobody_foresaw_is_a_500_and_tells_nothing(
    make_service: MakeService, app: Rows, monkeypatch: pytest.MonkeyPatch, sent: Callable[[], list[Any]],
    logged: Callable[[], str],
) -> None:  # fmt: skip
    tutor = add_tutor(app)
    with TestClient(create(make_service()), raise_server_exceptions=False) as client:

        def fail(*_: object, **__: object) -> Any:
            raise ValueError(PERSONAL[0])

        monkeypatch.setattr(Database, "look", fail)
        answer = client.get(f"/api/caas/{tutor}")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "INTERNAL"
    assert clean(answer.text, tutor)
    text = logged()
    assert clean(text, tutor)
    assert '"exception": "ValueError"' in text
    assert [clean(str(event), tutor) for event in sent()] == [True]


def test_a_worker_that_meets_an_unforeseen_error_reports_it_without_values(
    line: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, sent: Callable[[], list[Any]],
    logged: Callable[[], str],
) -> None:  # fmt: skip
    stop = threading.Event()
    running = worker.Worker(line, settings, stop)

    def fail() -> Any:
        stop.set()
        raise RuntimeError(PERSONAL[2])

    monkeypatch.setattr(running, "_turn", fail)
    running.run()
    assert clean(logged())
    [event] = sent()
    assert clean(str(event))


def test_labels_of_metrics_are_words_of_our_own(make_service: MakeService, app: Rows) -> None:
    tutor = add_tutor(app)
    with TestClient(create(make_service(Scripted(personal_failure)))) as client:
        client.get(f"/api/caas/{tutor}")
        client.post("/api/caas/worker/process-queue", headers=BEARER)
        text = client.get("/metrics").text
    assert "STRATEGY_FAILED" in text
    assert clean(text, tutor)


def test_a_reader_is_not_told_why_a_score_could_not_be_computed(make_service: MakeService, app: Rows) -> None:
    tutor = add_tutor(app)
    with TestClient(create(make_service(Scripted(personal_failure)))) as client:
        answer = client.get(f"/api/caas/{tutor}")
    assert answer.status_code == 503
    assert clean(answer.text)


def test_without_a_dsn_nothing_is_set_up() -> None:
    sentry_sdk.init()
    sentry.begin(Settings())
    assert not sentry_sdk.get_client().is_active() or sentry_sdk.get_client().dsn is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DatabaseError("permission denied for table caas.scores [42501]", "42501"), "permission denied for table"),
        (DatabaseError("invalid input: ann@example.org [22P02]", "22P02"), "22P02"),
        (DatabaseError("Ann is in the way [P0001]", "P0001"), "P0001"),
        (DatabaseError("Ann is in the way [23514]", "23514", {"constraint": "frozen"}), "[23514], constraint frozen"),
        (DatabaseError('odd: "ann@example.org". Key (e)=(Ann) [22P02]', "22P02", is_servers=True), "odd: … [22P02]"),
        (DatabaseError('»ann@example.org« ist "t" [22P02]', "22P02", {"table": "t"}, is_servers=True), '… ist "t"'),
        (DatabaseError("odd: ann@example.org"), "DatabaseError"),
        (DatabaseUnavailable("The database does not answer"), "does not answer"),
        (KeyError("ann@example.org"), "KeyError"),
    ],
)
def test_only_messages_without_values_are_told(error: Exception, told: str) -> None:
    assert told in impersonal(error)
    assert clean(impersonal(error))
    assert "Ann" not in impersonal(error)
