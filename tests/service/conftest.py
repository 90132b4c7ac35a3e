"""The HTTP service over a test's database: in this process, asked without a network."""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from psycopg import sql
from psycopg.types.json import Jsonb
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
from tests.people import Rows

KEY = "a-key-that-is-long-enough"
OLD_KEY = "the-key-of-last-month"
BEARER = {"Authorization": f"Bearer {KEY}"}
API_KEY = "a-key-for-the-dashboard"
OLD_API_KEY = "last-month-for-the-dashboard"
WITH_KEY = {"X-API-Key": API_KEY}
PUBLISHED_AT = datetime(2026, 3, 2, 10, tzinfo=UTC)

MakeService = Callable[..., Service]
Together = Callable[[Service, Callable[[httpx.AsyncClient], list[Awaitable[httpx.Response]]]], list[httpx.Response]]


@pytest.fixture
def make_service(db: Database, settings: Settings) -> MakeService:
    """Makes services: `make_service(Strategy(), drain_seconds=1)`."""

    keys = {"worker_api_key": SecretStr(f"{OLD_KEY},{KEY}"), "api_key": SecretStr(f"{OLD_API_KEY},{API_KEY}")}

    def make(*strategies: Any, **changes: Any) -> Service:
        changed = settings.model_copy(update=keys | changes)
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


def insert(app: Rows, table: str, **columns: Any) -> None:
    """Insert a row of ours."""
    values = [Jsonb(value) if isinstance(value, dict) else value for value in columns.values()]
    app.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier("caas", table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        ),
        values,
    )


def publish_score(app: Rows, tutor: UUID, score_type: str, value: float | None, **columns: Any) -> None:
    """A row of tutor_scores, as the line would write it."""
    row = {"level": "stable", "components": {}, "version": "test-v1", "calculated_at": PUBLISHED_AT} | columns
    insert(app, "tutor_scores", profile_id=tutor, score_type=score_type, value=value, **row)


def publish_tutor(
    app: Rows, tutor: UUID | None = None, *, rate: float = 0.0, ths: float | None = None, tcrs: float | None = None
) -> UUID:
    """Scores of a tutor whose rescheduling rate is the same in every window; of a new id unless told otherwise."""
    tutor = tutor or uuid4()
    components = {f"reschedule_rate_{days}d": rate for days in (7, 30, 90)}
    level = "high" if rate >= 20 else "medium" if rate >= 10 else "low"
    risk = {**components, "is_high_risk": rate > 15, "threshold": 15.0, "low_sample": False}
    publish_score(app, tutor, "reschedule_risk", rate, level=level, components=risk)
    publish_score(app, tutor, "ths", ths)
    publish_score(app, tutor, "tcrs", tcrs)
    return tutor


def publish_metrics(app: Rows, tutor: UUID, window: str, day: str, **columns: Any) -> None:
    """A row of tutor_performance_metrics."""
    row = {"sessions_completed": 0, "no_show_count": 0, "calculated_at": PUBLISHED_AT} | columns
    insert(app, "tutor_performance_metrics", profile_id=tutor, time_window=window, calculation_date=day, **row)


def raise_alert(app: Rows, tutor: UUID, alert_type: str = "churn_risk", **columns: Any) -> UUID:
    """A row of tutor_alerts; returns its id."""
    alert_id = uuid4()
    row = {"score_value": 0.75, "raised_at": PUBLISHED_AT, "last_checked_at": PUBLISHED_AT} | columns
    insert(app, "tutor_alerts", id=alert_id, profile_id=tutor, alert_type=alert_type, **row)
    return alert_id
