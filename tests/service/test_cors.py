"""Whose pages may call the service from a browser."""

from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from caas_worker.api.app import create
from caas_worker.api.origins import origins
from caas_worker.errors import SettingsError
from tests.service.conftest import WITH_KEY, MakeService

PAGE = "https://dashboard.example.org"
OTHER = "http://localhost:3000"


@pytest.fixture
def caller(make_service: MakeService) -> Any:
    """A caller of a service that lets two origins in."""
    with TestClient(create(make_service(cors_origins=f" {PAGE} ,{OTHER},")), raise_server_exceptions=False) as client:
        yield client


def preflight(client: TestClient, origin: str, method: str = "GET", headers: str = "x-api-key") -> Any:
    return client.options(
        "/api/tutors",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )


@pytest.mark.parametrize("origin", [PAGE, OTHER])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_preflight_of_an_allowed_origin_needs_no_key(caller: TestClient, origin: str, method: str) -> None:
    answer = preflight(caller, origin, method, "X-API-Key, Authorization, Content-Type")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://example.org", f"{PAGE}.evil.example", f"{PAGE}:8443", "http://dashboard.example.org", "null"]
)
def test_another_origin_is_refused(caller: TestClient, origin: str) -> None:
    assert preflight(caller, origin).status_code == 400
    for answer in (preflight(caller, origin), caller.get("/api/tutors", headers={**WITH_KEY, "Origin": origin})):
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_other_methods_and_headers_are_refused(caller: TestClient) -> None:
    assert preflight(caller, PAGE, "DELETE").status_code == 400
    assert preflight(caller, PAGE, "PUT").status_code == 400
    assert preflight(caller, PAGE, headers="x-something-else").status_code == 400


def test_every_answer_carries_the_headers_errors_too(caller: TestClient) -> None:
    origin = {"Origin": PAGE}
    for answer, status in (
        (caller.get("/api/tutors", headers=WITH_KEY | origin), 200),
        (caller.get("/api/tutors?limit=0", headers=WITH_KEY | origin), 400),
        (caller.get("/api/tutors", headers=origin), 401),
        (caller.get(f"/api/tutors/{uuid4()}", headers=WITH_KEY | origin), 404),
        (caller.get("/nowhere", headers=origin), 404),
        (caller.post("/api/sessions", headers=WITH_KEY | origin, content=b" " * 70_000), 413),
    ):
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Origin" in answer.headers["Vary"]
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_an_error_that_nobody_foresaw_carries_them_too(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(cors_origins=PAGE)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(service, "look_patiently", broken)
    with TestClient(create(service), raise_server_exceptions=False) as client:
        answer = client.get("/api/tutors", headers={**WITH_KEY, "Origin": PAGE})
    assert answer.status_code == 500
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


def test_without_origins_no_page_is_let_in(client: TestClient) -> None:
    answer = client.get("/api/tutors", headers={**WITH_KEY, "Origin": PAGE})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert preflight(client, PAGE).status_code == 405


@pytest.mark.quick
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", []),
        (" , ", []),
        (PAGE, [PAGE]),
        (f"{PAGE},{OTHER}", [PAGE, OTHER]),
        ("HTTPS://Example.ORG:443 , http://[::1]:8000", ["https://example.org", "http://[::1]:8000"]),
        ("http://example.org:80,http://example.org:443", ["http://example.org", "http://example.org:443"]),
    ],
)
def test_origins_are_as_browsers_write_them(setting: str, expected: list[str]) -> None:
    assert origins(setting) == expected


@pytest.mark.quick
@pytest.mark.parametrize(
    "setting",
    ["*", f"{PAGE},*", "https://*.example.org", "example.org", "null", "https://example.org/", "https://", "//x",
     "https://example.org/path", "https://user@example.org", "https://example.org:", "https://example.org:123456",
     "https://example.org?x", "https://exämple.org", "https://example.org https://example.com"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(make_service: MakeService, setting: str) -> None:
    with pytest.raises(SettingsError, match=r"CAAS_CORS_ORIGINS: .+ is no origin. One is scheme://host"):
        make_service(cors_origins=setting)
