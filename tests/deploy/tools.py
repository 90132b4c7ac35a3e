"""Programs that the deployment's files are for, and the command line that they call."""

import inspect
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from caas_worker.cli import app
from caas_worker.fleet import Fleet
from caas_worker.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PATIENCE_SECONDS = inspect.signature(Fleet.end).parameters["patience_seconds"].default
"""How long `run` waits for its workers: whoever stops it has to wait longer."""


def tool(name: str) -> str:
    """Path of a program; without it the test is skipped, or with CAAS_TEST_REQUIRE_TOOLS=1 fails."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CAAS_TEST_REQUIRE_TOOLS") == "1":
            pytest.fail(f"{name} is missing")
        pytest.skip(f"{name} is missing")
    return path


def accepts(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program, which has to end with 0; what it says."""
    done = subprocess.run([tool(str(command[0])), *command[1:]], cwd=cwd, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def understood(words: list[str]) -> None:
    """Fail unless `caas-worker` has this command, with these options and values. Runs nothing."""
    command: Any = typer.main.get_command(app)
    words = list(words)
    while hasattr(command, "commands"):
        assert words, "caas-worker: a command is missing"
        name = words.pop(0)
        assert name in command.commands, f"caas-worker has no {name}"
        command = command.commands[name]
    command.make_context(command.name, words)


def called(shell: str) -> list[list[str]]:
    """The words after each `caas-worker` in a line of shell."""
    without_redirections = re.sub(r"\d?>(?:&\d|\s*\S+)", "", shell)
    lexer = shlex.shlex(without_redirections, posix=True, punctuation_chars=True)
    found: list[list[str]] = []
    open_call = False
    for word in lexer:
        if set(word) <= set("();<>|&") or word in {"{", "}"}:
            open_call = False
        elif open_call:
            found[-1].append(word)
        elif word.rpartition("/")[2] == "caas-worker":
            found.append([])
            open_call = True
    return found


def known(variables: set[str]) -> None:
    """Fail on a name that is no setting."""
    assert variables <= Settings.variables().keys()
