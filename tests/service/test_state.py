"""Health, metrics, and what wraps every request."""

import json
import socket
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from caas_worker import __version__
from caas_worker.api.app import create
from caas_worker.api.server import listening
from caas_worker.db import Database
from caas_worker.errors import DatabaseUnavailable
from tests.people import Rows, add_tutor, publish_rules
from tests.scripted import failing
from tests.service.conftest import BEARER, WITH_KEY, MakeService


def samples(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sample(client: TestClient, name: str, **labels: str) -> float | None:
    return samples(client).get((name, frozenset(labels.items())))


@pytest.mark.parametrize("path", ["/api/caas/health", "/api/health"])
def test_health(client: TestClient, app: Rows, path: str) -> None:
    add_tutor(app)
    app.execute("select caas.recalculate(array(select id from profiles), 'test')")
    body = client.get(path).json()
    assert body["oldest_seconds"] > 0
    assert body == {
        "status": "ok", "version": __version__, "database": "ok", "queue_depth": 1,
        "oldest_seconds": body["oldest_seconds"],
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/api/caas/health", "/api/health"])
def test_a_load_balancer_may_ask_for_the_head_only(
    make_service: MakeService, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service()
    with TestClient(create(service)) as client:
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        monkeypatch.setattr(service, "figures", lambda: (_ for _ in ()).throw(DatabaseUnavailable()))
        assert client.head(path).status_code == 503


def test_health_is_503_while_the_database_is_away(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make_service()

    def away(*_: object, **__: object) -> Any:
        raise DatabaseUnavailable

    with TestClient(create(service)) as client:
        monkeypatch.setattr(Database, "transaction", away)
        answer = client.get("/api/caas/health")
        assert answer.status_code == 503
        assert answer.json() == {
            "status": "unavailable", "version": __version__, "database": "away", "queue_depth": None,
            "oldest_seconds": None,
        }  # fmt: skip
        assert sample(client, "caas_database_up") == 0
        assert sample(client, "caas_queue_dead") is None
        assert sample(client, "caas_batch_profiles_count") == 0


def test_metrics_have_what_the_database_says(client: TestClient, app: Rows) -> None:
    for _ in range(3):
        add_tutor(app)
    assert sample(client, "caas_marks_pending") == 3
    assert sample(client, "caas_queue_depth", priority="live") == 0
    assert sample(client, "caas_database_up") == 1
    assert sample(client, "caas_build_info", version=__version__) == 1
    assert (sample(client, "caas_queue_oldest_seconds") or 0) > 0


def test_metrics_have_what_this_process_did(make_service: MakeService, app: Rows) -> None:
    unlucky, _ = add_tutor(app), add_tutor(app)
    publish_rules(app, failing(unlucky))
    with TestClient(create(make_service(failing(unlucky)))) as client:
        client.post("/api/caas/worker/process-queue", headers=BEARER)
        now = samples(client)
    labels = {"strategy": "scripted"}
    assert now[("caas_profiles_processed_total", frozenset({**labels, "outcome": "scored"}.items()))] == 1
    assert now[("caas_profiles_processed_total", frozenset({**labels, "outcome": "dead"}.items()))] == 1
    assert now[("caas_errors_total", frozenset({("code", "STRATEGY_FAILED")}))] == 4
    assert now[("caas_marks_folded_total", frozenset())] == 2
    assert now[("caas_freshness_seconds_count", frozenset())] == 1
    for step in ("fold", "claim", "stats", "strategy", "cache", "follow"):
        assert now[("caas_batch_seconds_count", frozenset({("step", step)}))] > 0, step


def test_requests_are_timed_by_route_and_not_by_path(client: TestClient) -> None:
    client.get(f"/api/caas/{uuid4()}")
    client.get("/somewhere/else")
    now = samples(client)
    by_route = {
        dict(labels)["route"]
        for (name, labels), count in now.items()
        if count and name == "caas_http_request_seconds_count"
    }
    assert by_route == {"/api/caas/{profile_id}", "unmatched"}


def test_unheard_of_methods_are_one_label(client: TestClient) -> None:
    for method in ("FROBNICATE", "X" * 100):
        assert client.request(method, "/metrics").status_code == 405
    methods = {dict(labels)["method"] for name, labels in samples(client) if name == "caas_http_request_seconds_count"}
    assert methods == {"GET", "HEAD", "POST", "OTHER"}


def test_the_callers_request_id_is_kept_where_it_is_one(client: TestClient) -> None:
    assert client.get("/api/health", headers={"X-Request-ID": "abc-123"}).headers["X-Request-ID"] == "abc-123"
    for made_up in ("a b", "x" * 65, "ü".encode("latin-1"), "", "a\tb"):
        given = client.get("/api/health", headers={"X-Request-ID": made_up}).headers["X-Request-ID"]
        assert given != made_up
        assert len(given) == 32


def test_log_lines_have_the_request_id_and_the_route(client: TestClient, logged: Callable[[], str]) -> None:
    profile_id = uuid4()
    client.get(f"/api/caas/{profile_id}", headers={"X-Request-ID": "from-the-caller"})
    client.get("/api/health")
    lines = [json.loads(line) for line in logged().splitlines()]
    [line, probe] = [line for line in lines if line["event"] == "request"]
    assert line["request_id"] == "from-the-caller"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/caas/{profile_id}", 404)
    assert (line["level"], probe["level"]) == ("info", "debug")
    assert str(profile_id) not in str(lines)


def test_a_body_that_is_too_large_is_413(client: TestClient) -> None:
    answer = client.post("/api/caas/worker/process-queue", headers=BEARER, content=b" " * 70_000)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "TOO_LARGE"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/api/health/", 404, "NOT_FOUND"),
        ("DELETE", "/api/health", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_every_error_has_the_one_shape(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["code"] == code
    assert set(answer.json()["error"]) == {"code", "message", "details"}


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "body", "where", "what"),
    [
        (JSON, '{"actor"', "body", "This is no JSON."),
        ({}, '{"actor": "Ann"}', "body", "This should be a JSON object, sent with Content-Type: application/json."),
        (JSON, "[]", "body", "This should be a JSON object, sent with Content-Type: application/json."),
        (JSON, "{}", "body.actor", "Field required"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_in_words(
    client: TestClient, headers: dict[str, str], body: str, where: str, what: str
) -> None:
    answer = client.post(f"/api/alerts/{uuid4()}/resolve", headers=WITH_KEY | headers, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == [{"where": where, "what": what}]


def test_the_documentation_page_needs_no_other_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    assert "http://" not in page.text
    assert client.get("/openapi.json").json()["openapi"].startswith("3.")


def test_small_answers_are_sent_at_once_on_a_kept_connection() -> None:
    with listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # what asyncio asks for before it sets TCP_NODELAY
