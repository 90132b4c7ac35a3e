"""Compose, and the example of settings that it shares with the others: what they call and set is there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from caas_worker.marketplace import schema
from caas_worker.settings import Settings
from tests.deploy.tools import DEPLOY, PATIENCE_SECONDS, known, understood

COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "caas-worker"}
LONG_LIVED = {"postgres", "worker", "service", "prometheus"}
ENV_FILE = DEPLOY / "caas.env.example"


def names(items: Any) -> Any:
    return pytest.mark.parametrize("name", items)


def env_file() -> dict[str, str]:
    lines = ENV_FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_of_settings_can_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = env_file()
    known({*values} - {"POSTGRES_PASSWORD"})
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert Settings.load().database_url
    assert values["POSTGRES_PASSWORD"] in values["CAAS_DATABASE_URL"]


def test_a_shell_reads_the_same_from_it() -> None:
    shell = f"set -a; . {ENV_FILE}; exec {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    said = subprocess.run(["sh", "-c", shell], env={}, capture_output=True, text=True, check=True).stdout
    assert env_file().items() <= json.loads(said).items()


@names(OURS)
def test_compose_calls_commands_that_there_are(name: str) -> None:
    if "entrypoint" not in OURS[name]:
        understood(OURS[name]["command"])


@names(OURS)
def test_compose_sets_what_can_be_set(name: str) -> None:
    known({*OURS[name].get("environment", {})})
    assert OURS[name]["env_file"][0] == "caas.env"


@names(SERVICES)
def test_compose_hardens(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@names(SERVICES)
def test_compose_watches_and_restarts_what_lives_long(name: str) -> None:
    service = SERVICES[name]
    if name in LONG_LIVED:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
    else:
        assert service["restart"] == "no"
        assert service["healthcheck"] == {"disable": True}


@names(["worker", "service"])
def test_compose_waits_for_the_batch(name: str) -> None:
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > PATIENCE_SECONDS
    assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_the_database_of_compose_is_an_example() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["example"]} == {
        "postgres",
        "marketplace",
    }
    for service in SERVICES.values():
        for other, condition in service.get("depends_on", {}).items():
            needed = "profiles" in SERVICES[other] and "profiles" not in service
            assert condition.get("required", True) is not needed


def test_the_example_marketplace_is_made(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("CAAS_DATABASE_URL", database_url)
    (source,) = SERVICES["marketplace"]["command"]
    for _ in range(2):
        exec(compile(source, "compose.yml", "exec"), {})
    with psycopg.connect(database_url) as connection:
        assert schema.is_sample(connection)


@names(["worker", "service"])
def test_the_health_check_of_compose(name: str) -> None:
    words = SERVICES[name]["healthcheck"]["test"][1:]
    if words[0] == "caas-worker":
        understood(words[1:])
    else:
        assert words[:2] == ["python", "-c"]
        compile(words[2], "compose.yml", "exec")


def test_prometheus_scrapes_what_compose_offers() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    offered = set()
    for name in ("worker", "service"):
        words = SERVICES[name]["command"]
        port = words[words.index("--metrics-port" if name == "worker" else "--port") + 1]
        offered.add(f"{name}:{port}")
    assert {target for job in scraped for static in job["static_configs"] for target in static["targets"]} == offered
    assert "./prometheus:/etc/prometheus:ro" in SERVICES["prometheus"]["volumes"]
