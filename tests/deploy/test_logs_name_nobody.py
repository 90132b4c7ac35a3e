"""What chores of a scheduler leave in a log: counts, and no profile's id."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.deploy.test_cron import CRON
from tests.deploy.test_kubernetes import resource, template
from tests.interleaving import Rows
from tests.people import add_tutor

Chore = Callable[[str], str]


@pytest.fixture
def tutor(app: Rows, drain: Callable[..., Any]) -> UUID:
    """A tutor with a wrong score, for whom nothing new can be published."""
    tutor = add_tutor(app)
    drain()
    app.execute("update caas.scores set total_score = 99")
    app.execute("alter table caas.tutor_performance_metrics add constraint nobody check (false) not valid")
    return tutor


@pytest.fixture
def chore(pooled_url: str, tmp_path: Path) -> Chore:
    """Runs a line of shell as a scheduler would; returns what its log then holds, `logger` included."""
    (tmp_path / "caas.env").write_text(f"CAAS_DATABASE_URL='{pooled_url}'\n")
    (tmp_path / "logger").write_text("#!/bin/sh\ncat\n")
    (tmp_path / "logger").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])

    def run(shell: str) -> str:
        done = subprocess.run(
            ["sh", "-c", shell.replace("/etc/caas-worker", str(tmp_path))],
            env={"PATH": path, "HOME": str(tmp_path), "CAAS_DATABASE_URL": pooled_url, "CAAS_MAX_ATTEMPTS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    return run


def of_cron(command: str) -> str:
    """The line of the crontab that calls this, whether it is switched on or not."""
    (line,) = re.findall(rf"^(?:# )?(?:\S+ ){{5}}caas (.*caas-worker {command} .*)$", CRON, re.MULTILINE)
    return str(line)


def test_cron_logs_that_a_score_differs(chore: Chore, tutor: UUID) -> None:
    said = chore(of_cron("audit"))
    assert "1 compared: 1 different" in said
    assert "exit code 1" in said
    assert str(tutor) not in said


def test_cron_logs_that_a_tutor_failed(chore: Chore, tutor: UUID) -> None:
    said = chore(of_cron("aggregate"))
    assert "1 failed" in said
    assert str(tutor) not in said


def test_kubernetes_logs_that_a_score_differs(chore: Chore, tutor: UUID) -> None:
    (container,) = template(resource("CronJob", "caas-audit"))["spec"]["containers"]
    assert container["command"][:2] == ["sh", "-c"]
    said = chore(container["command"][2])
    assert "1 compared: 1 different" in said
    assert str(tutor) not in said
