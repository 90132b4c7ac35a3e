"""Requests generated from the OpenAPI document: no answer but a documented one, and never an error of ours."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as values
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from caas_worker import holds
from caas_worker.api.server import listening, serving
from caas_worker.db import Database
from tests.people import Rows, add_booking, add_client, add_listing, add_profile, add_tutor
from tests.service.conftest import API_KEY, KEY, PUBLISHED_AT, MakeService, raise_alert

REQUESTS = int(os.environ.get("CAAS_TEST_REQUESTS", "600"))
"""How many are generated; `make fuzz` sends more."""
FIXED = ("GET /api/caas/health", "GET /api/health", "HEAD /api/health", "HEAD /api/caas/health", "GET /metrics")
"""Routes that take nothing: there is one valid request of each."""
FITTING = ("POST /api/sessions", "POST /api/sessions/{session_id}/complete", "POST /api/alerts/{alert_id}/acknowledge")
"""Routes that refuse requests for what no schema says: fields that do not fit together, or the row that is there."""
CALLERS: tuple[dict[str, str], ...] = (
    {"Authorization": f"Bearer {KEY}", "X-API-Key": API_KEY},
    {"Authorization": f"Bearer {KEY}", "X-API-Key": API_KEY},
    {"Authorization": "Bearer another-key-that-is-long", "X-API-Key": "another-key-that-is-long"},
    {},
)


@pytest.fixture
def known(app: Rows, profiles: list[str]) -> dict[str, list[str]]:
    """Ids by the name of the parameter or field that takes them: some have rows, one of each has none."""
    tutor = UUID(profiles[0])
    listing, client = add_listing(app, tutor), add_client(app)
    sessions = [add_booking(app, listing, client, status) for status in ("Confirmed", "Completed", "Cancelled")]
    alerts = [raise_alert(app, tutor), raise_alert(app, tutor, status="resolved", resolved_at=PUBLISHED_AT)]
    return {
        "profile_id": profiles,
        "session_id": [str(key) for key in (*sessions, uuid4())],
        "alert_id": [str(key) for key in (*alerts, uuid4())],
        "tutor_id": [str(tutor)],
        "student_id": [str(client)],
    }


@pytest.fixture
def profiles(app: Rows, db: Database, drain: Callable[..., Any]) -> list[str]:
    """Cached, held, unverified and cached, unverified and not, never computed, without a supported role, unknown."""
    cached, held = add_tutor(app), add_client(app)
    unverified = add_tutor(app, identity_verified=False)
    drain()
    holds.hold(db, held, 0, reason="a test", actor="tests")
    further = [add_tutor(app, identity_verified=False), add_tutor(app), add_profile(app, "GARDENER"), uuid4()]
    return [str(key) for key in (cached, held, unverified, *further)]


@pytest.fixture
def address(make_service: MakeService) -> Iterator[str]:
    """Where a service listens."""
    service = make_service(calculations_per_minute=1_000_000, drain_seconds=2)
    with listening("127.0.0.1", 0) as listener, serving(service, listener) as served:
        yield served


@pytest.mark.timeout(3600)
def test_every_answer_is_documented(address: str, known: dict[str, list[str]]) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    free = [operation for operation in operations if operation.label not in FIXED]
    share = REQUESTS // (2 * len(free)) + 1
    seen: Counter[tuple[str, int]] = Counter()
    with requests.Session() as session:

        def send(case: schemathesis.Case, caller: dict[str, str]) -> None:
            excluded = [positive_data_acceptance] if case.operation.label in FITTING else []
            if _lacks_its_key(case):
                excluded.append(negative_data_rejection)  # `caller` has put it back
            answer = case.call_and_validate(session=session, headers=caller, excluded_checks=excluded)
            seen[case.operation.label, answer.status_code] += 1

        for operation in operations:
            for mode in GenerationMode:
                if operation.label in FIXED and mode is GenerationMode.NEGATIVE:
                    continue

                @hypothesis.settings(
                    max_examples=share, deadline=None, database=None, suppress_health_check=list(HealthCheck)
                )
                @hypothesis.given(
                    case=operation.as_strategy(mode),
                    caller=values.sampled_from(CALLERS),
                    ids=values.fixed_dictionaries({name: values.sampled_from(ids) for name, ids in known.items()}),
                    is_known=values.booleans(),
                )
                def ask(case: schemathesis.Case, caller: dict[str, str], ids: dict[str, str], is_known: bool) -> None:
                    valid = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
                    if is_known and valid:
                        case.path_parameters |= {name: ids[name] for name in case.path_parameters}
                        if isinstance(case.body, dict):
                            case.body |= {name: ids[name] for name in ("tutor_id", "student_id") if name in case.body}
                    send(case, caller)

                ask()
    documented = {
        (operation.label, int(status)) for operation in operations for status in operation.definition.raw["responses"]
    }
    assert {pair for pair in seen if pair not in documented} == set()
    by_status = Counter[int]()
    for (_, status), number in seen.items():
        by_status[status] += number
    print(f"{by_status.total()} requests: {dict(sorted(by_status.items()))}")  # noqa: T201
    assert by_status.total() >= REQUESTS
    assert max(by_status) < 500
    assert by_status.keys() >= {200, 400, 401, 404}


def _lacks_its_key(case: schemathesis.Case) -> bool:
    headers = case.meta.components.get(ParameterLocation.HEADER) if case.meta else None
    return headers is not None and headers.mode is GenerationMode.NEGATIVE
