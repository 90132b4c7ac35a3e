"""Draining over HTTP, and the figures of the queue."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from caas_worker.api import service as service_module
from caas_worker.api.app import create
from caas_worker.settings import Settings
from tests.people import Rows, add_tutor, publish_rules, total
from tests.scripted import Scripted, failing
from tests.service.conftest import BEARER, MakeService, Together

DRAIN = "/api/caas/worker/process-queue"


def test_it_drains_and_answers_the_summary(client: TestClient, app: Rows) -> None:
    publish_rules(app)
    tutors = [add_tutor(app) for _ in range(5)]
    answer = client.post(DRAIN, headers=BEARER)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["processed"], body["failed"], body["remaining"], body["complete"]) == (5, 0, 0, True)
    assert {total(app, tutor) for tutor in tutors} == {32}


def test_failures_are_in_the_summary(make_service: MakeService, app: Rows) -> None:
    unlucky, lucky = add_tutor(app), add_tutor(app)
    publish_rules(app, failing(unlucky))
    with TestClient(create(make_service(failing(unlucky), max_attempts=1))) as client:
        body = client.post(DRAIN, headers=BEARER).json()
    assert (body["processed"], body["failed"], body["dead"]) == (1, 1, 1)
    assert body["error_types"] == {"STRATEGY_FAILED": 1}
    assert total(app, lucky) == 50


def test_limits_are_taken_from_the_body(client: TestClient, app: Rows) -> None:
    publish_rules(app)
    for _ in range(5):
        add_tutor(app)
    body = client.post(DRAIN, headers=BEARER, json={"batch_size": 2, "max_batches": 2}).json()
    assert (body["processed"], body["batches"], body["remaining"]) == (4, 2, 1)


def test_it_marks_what_fell_due_first(client: TestClient, app: Rows) -> None:
    tutor = add_tutor(app, dbs_verified=True, dbs_expiry_date=datetime.now(UTC) + timedelta(days=1))
    client.post(DRAIN, headers=BEARER)
    app.execute("update profiles set dbs_expiry_date = now() - interval '1 day' where id = %s", (tutor,))
    app.execute("delete from caas.changes")
    app.execute("update caas.scores set next_due_at = now() - interval '1 day'")
    assert client.post(DRAIN, headers=BEARER).json()["processed"] == 1
    assert total(app, tutor) == 32


@pytest.mark.parametrize(
    "body",
    [{"batch_size": 0}, {"batch_size": "10"}, {"batch_size": 1.5}, {"batch_size": True}, {"max_seconds": -1},
     {"max_seconds": 1e9}, {"batches": 3}, [], "drain", 3],
)  # fmt: skip
def test_limits_that_are_none_are_400(client: TestClient, body: Any) -> None:
    answer = client.post(DRAIN, headers=BEARER, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"batch_size": NaN}', b'{"max_seconds": 1e999}', b"[" * 60_000])
def test_what_is_no_json_is_400(client: TestClient, content: bytes) -> None:
    headers = {**BEARER, "Content-Type": "application/json"}
    assert client.post(DRAIN, headers=headers, content=content).status_code == 400


def test_it_ends_within_its_time_and_the_rest_remains(make_service: MakeService, app: Rows) -> None:
    for _ in range(20):
        add_tutor(app)
    slow = make_service(Scripted(lambda _: time.sleep(0.1)), drain_seconds=0.5, batch_size=2)
    publish_rules(app, Scripted(id))
    with TestClient(create(slow)) as client:
        begun = time.monotonic()
        body = client.post(DRAIN, headers=BEARER).json()
        assert time.monotonic() - begun < 2
    assert 0 < body["processed"] < 20
    assert body["remaining"] == 20 - body["processed"]
    assert body["complete"] is True


def test_a_batch_that_takes_too_long_is_not_waited_for(
    make_service: MakeService, app: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "LAST_BATCH_SECONDS", 0.2)
    tutor, go_on = add_tutor(app), threading.Event()
    slow = make_service(Scripted(lambda _: go_on.wait(20)), drain_seconds=0.2)
    with TestClient(create(slow)) as client:
        begun = time.monotonic()
        body = client.post(DRAIN, headers=BEARER).json()
        assert time.monotonic() - begun < 5
        assert (body["complete"], body["processed"], body["remaining"]) == (False, 0, None)
        go_on.set()
    assert total(app, tutor) == 50  # the batch was finished before the service closed


def test_two_callers_share_the_work(make_service: MakeService, together: Together, app: Rows) -> None:
    for _ in range(40):
        add_tutor(app)
    service = make_service(Scripted(lambda _: time.sleep(0.01)), batch_size=5)
    publish_rules(app, Scripted(id))
    answers = together(service, lambda caller: [caller.post(DRAIN, headers=BEARER) for _ in range(2)])
    assert sum(answer.json()["processed"] for answer in answers) == 40


def test_many_callers_do_not_take_the_readers_threads(make_service: MakeService, together: Together, app: Rows) -> None:
    read, unread = add_tutor(app, identity_verified=False), threading.Event()
    service = make_service(Scripted(lambda _: unread.wait(1)), drain_seconds=3, batch_size=1)
    for _ in range(4):
        add_tutor(app)

    async def read_one(caller: httpx.AsyncClient) -> httpx.Response:
        answer = await caller.get(f"/api/caas/{read}")
        unread.set()
        return answer

    answers = together(
        service, lambda caller: [*(caller.post(DRAIN, headers=BEARER) for _ in range(60)), read_one(caller)]
    )
    assert {answer.status_code for answer in answers} == {200}


def test_status_is_the_figures(client: TestClient, app: Rows) -> None:
    add_tutor(app)
    body = client.get("/api/caas/worker/status", headers=BEARER).json()
    assert body["marks"] == 1
    assert body["depth"] == {"manual": 0, "live": 0, "time": 0, "backfill": 0}
    assert body["oldest_seconds"] > 0


@pytest.mark.parametrize(("method", "path"), [("POST", DRAIN), ("GET", "/api/caas/worker/status")])
def test_both_routes_need_the_worker_key(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 401
    assert client.request(method, path, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_short_key_is_refused_at_the_start() -> None:
    from pydantic import SecretStr

    from caas_worker.api.keys import Keys
    from caas_worker.errors import SettingsError

    with pytest.raises(SettingsError, match="at least 16 characters") as raised:
        Keys("CAAS_WORKER_API_KEY", SecretStr("a-key-that-is-long-enough,short"))
    assert "short" not in str(raised.value).split(":")[0]
    assert Settings().worker_api_key is None


def test_all_that_fell_due_is_marked_however_much_it_is(make_service: MakeService, app: Rows) -> None:
    for _ in range(12):
        add_tutor(app)
    with TestClient(create(make_service(sweep_size=5))) as client:
        client.post(DRAIN, headers=BEARER)
        app.execute("update caas.scores set next_due_at = now() - interval '1 hour'")
        assert client.post(DRAIN, headers=BEARER).json()["processed"] == 12
