"""Asking for a score over HTTP: who may, when it is answered, and that it is never an older one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from caas_worker.api.app import create
from tests.people import Rows, add_client, add_review, add_tutor, forget_marks, total
from tests.scripted import Scripted, failing
from tests.service.conftest import BEARER, KEY, OLD_KEY, MakeService, Together


def ask(client: TestClient, profile_id: UUID | str, wait: object = None, **headers: Any) -> httpx.Response:
    return client.post(
        f"/api/caas/{profile_id}/recalculate",
        params={} if wait is None else {"wait": str(wait)},
        headers=headers or BEARER,
    )


def test_without_wait_it_answers_the_generation(client: TestClient, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    forget_marks(app)
    answer = ask(client, tutor)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["profile_id"], body["status"]) == (str(tutor), "queued")
    while total(app, tutor) is None:
        drain()
    assert app.execute("select generation from caas.scores").fetchone() == (body["generation"],)


def test_with_wait_it_answers_the_fresh_score(client: TestClient, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    add_review(app, add_client(app), tutor, 5)
    app.execute("delete from caas.changes")  # as if the trigger had been off
    answer = ask(client, tutor, wait=20)
    assert answer.status_code == 200
    assert answer.json()["score_inputs"]["avg_rating"] == 5


def test_a_computation_that_began_before_the_request_is_not_its_answer(
    make_service: MakeService, app: Rows, make_line: Any
) -> None:
    tutor = add_tutor(app)
    older = make_line()
    older.fold()
    claim = older.claimant.claim(10)
    scored = older.score(claim)  # has read its statistics, and now takes its time
    add_review(app, add_client(app), tutor, 5)
    with TestClient(create(make_service())) as client:
        answered: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answered.append(ask(client, tutor, wait=30)))
        asking.start()
        while app.execute("select later_priority from caas.recalculation_queue").fetchone() != (0,):
            pass
        older.publish(claim, scored)
        asking.join()
    assert answered[0].status_code == 200
    assert answered[0].json()["score_inputs"]["avg_rating"] == 5


def test_two_requests_around_a_write_are_two_computations(make_service: MakeService, app: Rows) -> None:
    tutor, begun, go_on = add_tutor(app), threading.Event(), threading.Event()
    computed: list[int] = []

    def slowly(_: object) -> None:
        computed.append(1)
        begun.set()
        assert go_on.wait(60)

    with TestClient(create(make_service(Scripted(slowly)))) as client:
        with ThreadPoolExecutor() as callers:
            first = callers.submit(ask, client, tutor, wait=60)
            assert begun.wait(60)
            second = callers.submit(ask, client, tutor, wait=60)
            go_on.set()
        answers = [first.result(), second.result()]
    said = [(answer.elapsed, answer.text) for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 200], said
    assert len(computed) == 2


def test_when_the_time_runs_out_it_is_202(client: TestClient, app: Rows, line: Any) -> None:
    tutor = add_tutor(app)
    line.fold()
    line.claimant.claim(10)  # somebody else's lease
    answer = ask(client, tutor, wait=0.2)
    assert answer.status_code == 202
    assert answer.json()["message"] is None


def test_a_failure_is_told_at_once(make_service: MakeService, together: Together, app: Rows) -> None:
    tutor = add_tutor(app)
    [answer] = together(
        make_service(failing(tutor)),
        lambda caller: [caller.post(f"/api/caas/{tutor}/recalculate?wait=60", headers=BEARER)],
    )
    assert answer.status_code == 202
    assert answer.json()["message"].startswith("failed with STRATEGY_FAILED; tried again at ")


def test_different_profiles_are_computed_together(make_service: MakeService, together: Together, app: Rows) -> None:
    tutors = [add_tutor(app) for _ in range(60)]
    service = make_service()
    answers = together(
        service,
        lambda caller: [caller.post(f"/api/caas/{tutor}/recalculate?wait=30", headers=BEARER) for tutor in tutors],
    )
    assert [answer.status_code for answer in answers] == [200] * 60
    assert {answer.json()["profile_id"] for answer in answers} == {str(tutor) for tutor in tutors}
    batches = service.counters.get_sample_value("caas_batch_profiles_count")
    assert batches is not None
    assert batches < 30


def test_an_unknown_profile_is_404_and_leaves_nothing(client: TestClient, app: Rows) -> None:
    answer = ask(client, uuid4(), wait=1)
    assert answer.status_code == 404
    assert app.execute("select count(*) from caas.recalculation_queue").fetchone() == (0,)


def test_a_profile_deleted_meanwhile_is_no_error_of_the_service(make_service: MakeService, app: Rows) -> None:
    tutor = add_tutor(app)
    remove = Scripted(lambda _: app.execute("delete from profiles where id = %s", (tutor,)))
    with TestClient(create(make_service(remove))) as client:
        assert ask(client, tutor, wait=20).status_code in (200, 202, 404)
        assert client.get(f"/api/caas/{tutor}").status_code in (200, 404)


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "nan", "inf", "1e9", "", "0x1"])
def test_a_wait_that_is_none_is_400(client: TestClient, app: Rows, wait: str) -> None:
    answer = ask(client, add_tutor(app), wait=wait)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["where"] == "query.wait"


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
def test_every_configured_key_is_valid(client: TestClient, app: Rows, key: str) -> None:
    assert ask(client, add_tutor(app), Authorization=f"Bearer {key}").status_code == 202


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY},{OLD_KEY}", f"Bearer {KEY[:-1]}",
     f"Bearer  {KEY} x", "Bearer \xfc\xff", "Bearer " + "k" * 5000],
)  # fmt: skip
def test_every_other_key_is_401(client: TestClient, app: Rows, header: str) -> None:
    answer = ask(client, add_tutor(app), Authorization=header.encode("latin-1"))
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("configured", [None, "", " , ,"])
def test_an_unset_key_closes_the_routes(make_service: MakeService, app: Rows, configured: str | None) -> None:
    from pydantic import SecretStr

    key = None if configured is None else SecretStr(configured)
    with TestClient(create(make_service(worker_api_key=key))) as client:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}, BEARER):
            answer = client.post(f"/api/caas/{add_tutor(app)}/recalculate", headers=headers)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "KEY_NOT_SET"
            assert "CAAS_WORKER_API_KEY" in answer.json()["error"]["message"]


def test_a_caller_is_limited_by_its_key(make_service: MakeService, app: Rows) -> None:
    tutors = [add_tutor(app) for _ in range(3)]
    with TestClient(create(make_service(calculations_per_minute=2))) as client:
        assert [ask(client, tutor).status_code for tutor in tutors] == [202, 202, 429]
        assert ask(client, tutors[2], Authorization=f"Bearer {OLD_KEY}").status_code == 202


def test_a_slow_computation_of_another_keeps_nobody_from_a_generation(make_service: MakeService, app: Rows) -> None:
    slow, quick, go_on = add_tutor(app), add_tutor(app), threading.Event()
    begun = threading.Event()

    def wait(profile: Any) -> None:
        if profile.profile_id == slow:
            begun.set()
            assert go_on.wait(30)

    with TestClient(create(make_service(Scripted(wait)))) as client:
        asking = threading.Thread(target=lambda: ask(client, slow, wait=30))
        asking.start()
        assert begun.wait(20)
        assert ask(client, quick).status_code == 202
        go_on.set()
        asking.join()


def test_who_waits_when_the_service_closes_is_told_the_generation(make_service: MakeService, app: Rows) -> None:
    tutor, begun, go_on = add_tutor(app), threading.Event(), threading.Event()
    service = make_service(Scripted(lambda _: (begun.set(), go_on.wait(30))))
    with TestClient(create(service)) as client:
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(ask(client, tutor, wait=60)))
        asking.start()
        assert begun.wait(20)
        service.stop.set()
        asking.join(10)
        assert [answer.status_code for answer in answers] == [202]
        go_on.set()


def test_a_cached_score_is_no_answer_while_another_worker_holds_the_entry(
    client: TestClient, app: Rows, line: Any, drain: Any
) -> None:
    tutor = add_tutor(app)
    drain()
    app.execute("select caas.recalculate(array[%s::uuid], 'test')", (tutor,))
    line.claimant.claim(10)
    answer = ask(client, tutor, wait=0.5)
    assert answer.status_code == 202
    assert total(app, tutor) == 32  # there is one to be had, and it is older than the request
