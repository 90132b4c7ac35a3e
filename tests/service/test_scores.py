"""Reading a score over HTTP."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import psycopg
import pytest
from fastapi.testclient import TestClient

from caas_worker import holds
from caas_worker.db import Database
from tests.people import Rows, add_client, add_profile, add_review, add_tutor, total
from tests.scripted import Scripted, failing
from tests.service.conftest import BEARER, MakeService, Together


def score(client: TestClient, profile_id: UUID | str) -> httpx.Response:
    return client.get(f"/api/caas/{profile_id}")


def test_a_cached_score_is_the_row(client: TestClient, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    add_review(app, add_client(app), tutor, 4)
    drain()
    answer = score(client, tutor)
    row = (
        app.cursor(row_factory=psycopg.rows.dict_row)
        .execute("select * from caas.scores where profile_id = %s", (tutor,))
        .fetchone()
    )
    assert row is not None
    body = answer.json()
    assert answer.status_code == 200
    assert body["profile_id"] == str(tutor)
    assert body["held"] is False
    for column in ("role_type", "total_score", "score_breakdown", "score_inputs", "reason", "calculation_version",
                   "gate_failed", "generation"):  # fmt: skip
        assert body[column] == row[column], column


def test_a_score_of_zero_is_zero(client: TestClient, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app, identity_verified=False)
    drain()
    body = score(client, tutor).json()
    assert body["total_score"] == 0
    assert body["reason"] == "unverified"
    assert body["gate_failed"] is True


def test_a_held_score_says_so(client: TestClient, app: Rows, db: Database, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    holds.hold(db, tutor, 7, reason="a test", actor="tests")
    body = score(client, tutor).json()
    assert (body["total_score"], body["held"]) == (7, True)
    assert "computed_score" not in body


def test_missing_and_unverified_is_zero_without_a_computation(client: TestClient, app: Rows) -> None:
    tutor = add_tutor(app, identity_verified=False)
    body = score(client, tutor).json()
    assert (body["total_score"], body["reason"], body["gate_failed"]) == (0, "unverified", True)
    assert body["calculated_at"] is None
    assert total(app, tutor) is None


def test_missing_and_verified_is_computed_now(client: TestClient, app: Rows) -> None:
    tutor = add_tutor(app)
    answer = score(client, tutor)
    assert answer.status_code == 200
    assert answer.json()["total_score"] == total(app, tutor) == 32


def test_a_profile_without_a_supported_role_is_computed_too(client: TestClient, app: Rows) -> None:
    body = score(client, add_profile(app, "GARDENER")).json()
    assert (body["total_score"], body["reason"], body["role_type"]) == (0, "unsupported_role", None)


def test_an_unknown_profile_is_404(client: TestClient) -> None:
    answer = score(client, uuid4())
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "PROFILE_NOT_FOUND"


@pytest.mark.parametrize(
    "written",
    ["1", "{%7B", uuid4().hex, f"urn:uuid:{uuid4()}", f"{uuid4()}0", f"{uuid4()}%0A", "%00", "ü"],
)
def test_what_is_no_uuid_is_400(client: TestClient, written: str) -> None:
    answer = score(client, written)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "INVALID_REQUEST"
    assert answer.json()["error"]["details"][0]["where"] == "path.profile_id"


def test_upper_case_is_the_same_uuid(client: TestClient, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    assert score(client, str(tutor).upper()).json()["profile_id"] == str(tutor)


def test_a_hundred_cold_reads_are_one_computation(make_service: MakeService, together: Together, app: Rows) -> None:
    computed: list[UUID] = []
    tutor = add_tutor(app)
    service = make_service(Scripted(lambda profile: computed.append(profile.profile_id)))
    answers = together(service, lambda caller: [caller.get(f"/api/caas/{tutor}") for _ in range(100)])
    assert [answer.status_code for answer in answers] == [200] * 100
    assert {answer.json()["total_score"] for answer in answers} == {50}
    assert computed == [tutor]


def test_a_hundred_cold_reads_count_once_against_the_limit(
    make_service: MakeService, together: Together, app: Rows
) -> None:
    tutor, other = add_tutor(app), add_tutor(app)
    service = make_service(calculations_per_minute=1)
    answers = together(service, lambda caller: [caller.get(f"/api/caas/{tutor}") for _ in range(100)])
    assert [answer.status_code for answer in answers] == [200] * 100
    [refused] = together(make_service(calculations_per_minute=1), lambda caller: [caller.get(f"/api/caas/{other}")])
    assert refused.status_code == 200


def test_too_many_calculations_are_429_and_cached_scores_are_not(
    make_service: MakeService, together: Together, app: Rows
) -> None:
    tutors = [add_tutor(app) for _ in range(4)]
    service = make_service(calculations_per_minute=2)
    answers = together(service, lambda caller: [caller.get(f"/api/caas/{tutor}") for tutor in tutors])
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    [refused, _] = [answer for answer in answers if answer.status_code == 429]
    assert refused.json()["error"]["code"] == "TOO_MANY_REQUESTS"
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_a_cold_read_that_fails_is_503_and_the_queue_goes_on_trying(
    make_service: MakeService, together: Together, app: Rows
) -> None:
    tutor = add_tutor(app)
    [answer] = together(make_service(failing(tutor)), lambda caller: [caller.get(f"/api/caas/{tutor}")])
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "NOT_COMPUTED"
    assert "Retry-After" in answer.headers
    assert app.execute("select attempts from caas.recalculation_queue").fetchall() == [(1,)]


def test_cold_reads_neither_keep_a_failing_profile_alive_nor_bring_a_dead_one_back(
    make_service: MakeService, together: Together, app: Rows
) -> None:
    tutor = add_tutor(app)
    service = make_service(failing(tutor), max_attempts=1)
    [first] = together(service, lambda caller: [caller.get(f"/api/caas/{tutor}")])
    [second] = together(make_service(failing(tutor), max_attempts=1), lambda caller: [caller.get(f"/api/caas/{tutor}")])
    assert (first.status_code, second.status_code) == (503, 503)
    assert app.execute("select attempts from caas.dead_entries").fetchall() == [(1,)]
    assert app.execute("select count(*) from caas.recalculation_queue").fetchone() == (0,)


def test_cold_reads_leave_another_workers_lease_alone_and_wait(
    make_service: MakeService, together: Together, app: Rows, line: Any
) -> None:
    tutor = add_tutor(app)
    line.fold()
    claim = line.claimant.claim(10)
    generation = app.execute("select generation from caas.recalculation_queue").fetchone()
    [waited] = together(make_service(cold_read_seconds=0.2), lambda caller: [caller.get(f"/api/caas/{tutor}")])
    assert waited.status_code == 503
    assert app.execute("select generation from caas.recalculation_queue").fetchone() == generation
    line.publish(claim, line.score(claim))
    [read] = together(make_service(), lambda caller: [caller.get(f"/api/caas/{tutor}", headers=BEARER)])
    assert read.status_code == 200


def test_a_table_that_the_application_holds_stops_no_cached_read(
    make_service: MakeService, together: Together, app: Rows, connect: Any, drain: Any
) -> None:
    tutor = add_tutor(app)
    drain()
    holder = connect(autocommit=False)
    holder.execute("lock table profiles in access exclusive mode")

    async def after_the_others(caller: httpx.AsyncClient) -> httpx.Response:
        await asyncio.sleep(0.3)
        return await caller.get(f"/api/caas/{tutor}")

    answers = together(
        make_service(),
        lambda caller: [*(caller.get(f"/api/caas/{uuid4()}") for _ in range(8)), after_the_others(caller)],
    )
    assert {answer.status_code for answer in answers[:8]} == {503}
    assert {answer.json()["error"]["code"] for answer in answers[:8]} <= {"DATABASE_ERROR", "DATABASE_UNAVAILABLE"}
    assert answers[8].status_code == 200
