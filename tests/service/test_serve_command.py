"""What `caas-worker serve` says when it starts."""

import logging

import pytest
from typer.testing import CliRunner

from caas_worker.api import server
from caas_worker.cli import app as commands
from caas_worker.db import Database
from tests.service.conftest import API_KEY, KEY

CLOSED = {"CAAS_WORKER_API_KEY": "the routes that calculate", "CAAS_API_KEY": "the routes for tutors and sessions"}


@pytest.mark.parametrize("setting", CLOSED)
@pytest.mark.parametrize("configured", [None, "", " , ,"])
def test_routes_that_are_closed_for_want_of_a_key_are_said_to_be(
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    setting: str,
    configured: str | None,
) -> None:
    monkeypatch.setattr("caas_worker.logs.begin", lambda *_: None)
    monkeypatch.setattr(server, "serve", lambda *_: None)
    environment = {"CAAS_WORKER_API_KEY": KEY, "CAAS_API_KEY": API_KEY, setting: configured}
    with caplog.at_level(logging.WARNING):
        result = CliRunner().invoke(commands, ["serve"], env=environment | {"CAAS_DATABASE_URL": db.conninfo})
    assert result.exit_code == 0, result.output
    assert [record.getMessage() for record in caplog.records if "is not set" in record.getMessage()] == [
        f"{setting} is not set: {CLOSED[setting]} are closed"
    ]
