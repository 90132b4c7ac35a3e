"""The HTTP service over a test's database: in this process, asked without a network."""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from caas_worker import logs
from caas_worker.api.app import create
from caas_worker.api.service import Service
from caas_worker.db import Database
from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy

KEY = "a-key-that-is-long-enough"
OLD_KEY = "the-key-of-last-month"
BEARER = {"Authorization": f"Bearer {KEY}"}

MakeService = Callable[..., Service]
Together = Callable[[Service, Callable[[httpx.AsyncClient], list[Awaitable[httpx.Response]]]], list[httpx.Response]]


@pytest.fixture
def make_service(db: Database, settings: Settings) -> MakeService:
    """Makes services: `make_service(Strategy(), drain_seconds=1)`."""

    def make(*strategies: Any, **changes: Any) -> Service:
        changed = settings.model_copy(update={"worker_api_key": SecretStr(f"{OLD_KEY},{KEY}"), **changes})
        return Service(changed, db, Registry(strategies or [TutorStrategy(), ClientStrategy(), AgentStrategy()]))

    return make


@pytest.fixture
def service(make_service: MakeService) -> Service:
    return make_service()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """A caller of the service."""
    with TestClient(create(service), raise_server_exceptions=False) as caller:
        yield caller


@pytest.fixture
def together() -> Together:
    """Sends requests at the same time; returns the answers in their order."""

    def send(
        service: Service, requests: Callable[[httpx.AsyncClient], list[Awaitable[httpx.Response]]]
    ) -> list[httpx.Response]:
        async def all_at_once() -> list[httpx.Response]:
            transport = httpx.ASGITransport(create(service))
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as caller:
                return await asyncio.gather(*requests(caller))

        with service.working():
            return asyncio.run(all_at_once())

    return send


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Everything that was logged, as JSON lines."""
    root, stream = logging.getLogger(), io.StringIO()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])
    logs.begin("json", "debug", stream)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    yield stream.getvalue
    root.setLevel(level)
