"""The units: systemd accepts them and finds little exposed, they call what is there and stop in order."""

import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from caas_worker.errors import EXIT_CODES, DatabaseUnavailable, SettingsError
from tests.deploy.tools import DEPLOY, PATIENCE_SECONDS, accepts, called, understood

UNITS = sorted((DEPLOY / "systemd").iterdir())


def unit(path: Path) -> RawConfigParser:
    parsed = RawConfigParser(strict=False, delimiters="=", comment_prefixes="#", interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(path, encoding="utf-8")
    return parsed


every_unit = pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
every_service = pytest.mark.parametrize(
    "path", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.name
)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the units that calls this environment's caas-worker."""
    program = Path(sys.executable).with_name("caas-worker")
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace("/opt/caas/bin/caas-worker", str(program))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    return tmp_path


def test_systemd_accepts_the_units(installed: Path) -> None:
    assert accepts("systemd-analyze", "verify", *(installed / path.name for path in UNITS)) == ""


@every_service
def test_systemd_finds_little_exposed(path: Path) -> None:
    accepts("systemd-analyze", "security", "--offline=true", "--threshold=15", path)


@every_service
def test_a_unit_calls_a_command_that_there_is(path: Path) -> None:
    (words,) = called(unit(path)["Service"]["ExecStart"])
    understood(words)


@every_service
def test_a_unit_is_hardened_and_stops_in_order(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["DynamicUser"] == "yes"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["EnvironmentFile"] == "/etc/caas-worker/caas.env"
    assert int(service["TimeoutStopSec"]) > PATIENCE_SECONDS
    if service["Type"] != "oneshot":
        assert service["KillMode"] == "mixed"
        assert service["Restart"] == "on-failure"
        assert int(service["RestartPreventExitStatus"]) == EXIT_CODES[SettingsError]


@every_service
def test_a_service_whose_database_is_away_at_the_start_is_started_again(path: Path) -> None:
    service = unit(path)["Service"]
    if service["Type"] == "oneshot":
        return
    (words,) = called(service["ExecStart"])
    program = Path(sys.executable).with_name("caas-worker")
    away = {"CAAS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere"}
    ended = subprocess.run([program, *words], env=away, capture_output=True, check=False).returncode
    assert ended == EXIT_CODES[DatabaseUnavailable]
    assert ended != int(service["RestartPreventExitStatus"])
    assert unit(path)["Unit"]["StartLimitIntervalSec"] == "0"


@every_unit
def test_a_timer_has_its_service_and_a_time(path: Path) -> None:
    if path.suffix == ".timer":
        assert path.with_suffix(".service") in UNITS
        accepts("systemd-analyze", "calendar", unit(path)["Timer"]["OnCalendar"])
        assert unit(path)["Install"]["WantedBy"] == "timers.target"
    elif path.with_suffix(".timer") not in UNITS:
        assert unit(path)["Install"]["WantedBy"] == "multi-user.target"
