"""Projects of an application, in a folder of their own: what its tools say beside an installed database."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from caas_worker.marketplace import schema

Run = Callable[..., str]

SECONDS = 60


@pytest.fixture
def marketplace(database_url: str) -> str:
    """The application's tables in a database in which nothing of ours was ever installed."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        schema.create(connection)
    return database_url


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command of a module in the project: `run("django", "inspectdb", NAME=value)`; returns what it says."""

    def command(*arguments: str, **variables: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", **variables},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return command
