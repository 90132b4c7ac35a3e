"""Runs a model: spin makes a verifier of it, gcc compiles that, and it tries every interleaving.

All files are made in a temporary folder.
"""

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.model.variants import INVALID_END_STATE, Run

FOLDER = Path(__file__).parent
TOOLS = ("spin", "gcc")
LONGEST_SECONDS = 600
MOST_MEGABYTES = 3_000
DEEPEST = 100_000
"""Steps of one interleaving; the deepest models take some three thousand."""

COMPILE = ("gcc", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024", f"-DMEMLIM={MOST_MEGABYTES}", "-o", "pan", "pan.c")

_UNREACHED = re.compile(r"^unreached in (?:proctype )?(\S+)\n((?:\t.*\n)*)", re.MULTILINE)
_UNREACHED_STATE = re.compile(r", state (\d+), \"(.*)\"$", re.MULTILINE)
_PROCTYPES = re.compile(r"^#define _nstates(\d+)\t\d+\t/\* (\S+) \*/$", re.MULTILINE)
_STATE_LINES = re.compile(r"^short src_ln(\d+) \[\] = \{([\d,\s]*)\};", re.MULTILINE)
_FAILED = re.compile(r"^spin: \S+\.pml:(\d+), Error: assertion violated$", re.MULTILINE)


class ToolsMissing(Exception):
    """The models need spin and gcc. On Debian and Ubuntu: apt-get install spin gcc."""


class ModelBroken(Exception):
    """spin or gcc refused the model."""


@dataclass(frozen=True, order=True, slots=True)
class Statement:
    """A statement of a model, in one of the places where it is used."""

    line: int
    process: str
    use: int
    """Which of the uses of this line in the process, in the order of the model: an inline may be used several times."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a search of all interleavings found."""

    states: int
    seconds: float
    is_complete: bool
    """Every interleaving was tried, and none led to an error."""
    violated: str
    """The assertion that failed, as the model says it, or INVALID_END_STATE; empty where there is no error."""
    statements: frozenset[Statement]
    unreached: frozenset[Statement]
    """Those that no interleaving came to. Known only after a complete search, depth first."""
    unended: frozenset[str]
    """Processes that no interleaving came to the end of, likewise."""
    trail: str
    """The interleaving that led to the error, as spin replays it."""
    report: str
    """What the verifier printed."""


def require_tools() -> None:
    """Say what to install.

    Raises:
        ToolsMissing: spin or gcc is not on the PATH.
    """
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise ToolsMissing(f"{' and '.join(missing)} not found. Install them: apt-get install spin gcc")


def search(run: Run, *, shortest: bool | None = None) -> Search:
    """Try every interleaving of a run.

    Args:
        shortest: look for the shortest counterexample: breadth first, with more memory. Default: for variants.

    Raises:
        ToolsMissing: spin or gcc is not on the PATH.
        ModelBroken: spin or gcc refused the model.
    """
    require_tools()
    breadth_first = run.counterexample if shortest is None else shortest
    with tempfile.TemporaryDirectory(prefix="caas-model-") as name:
        folder = Path(name)
        shutil.copy(FOLDER / run.file, folder)
        macros = [f"-D{flag}" for flag in run.flags.split()]
        _call(["spin", "-a", *macros, run.file], folder)
        _call([*COMPILE, *(["-DBFS"] if breadth_first else []), "-O2" if _is_long(run) else "-O0"], folder)
        statements = _statements((folder / "pan.h").read_text(), (folder / "pan.c").read_text())
        report = _call(["./pan", f"-m{DEEPEST}"], folder)
        trail = ""
        if (folder / f"{run.file}.trail").exists():
            trail = _call(["spin", "-t", "-p", "-g", *macros, run.file], folder)
    unreached = [
        (process, int(state), text)
        for process, states in _UNREACHED.findall(report)
        for state, text in _UNREACHED_STATE.findall(states)
    ]
    return Search(
        states=int(float(_number(r"([\d.e+]+) states, stored", report))),
        seconds=float(_number(r"elapsed time ([\d.e+-]+) seconds", report)),
        is_complete=_is_complete(report),
        violated=_violated(run, report, trail),
        statements=frozenset(statements.values()),
        unreached=frozenset(statements[process, state] for process, state, _ in unreached),
        unended=frozenset(process for process, _, text in unreached if text == "-end-"),
        trail=trail,
        report=report,
    )


def _call(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
    if done.returncode and command[0] != "./pan":
        raise ModelBroken(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr if command[0] == "./pan" else done.stdout


def _is_long(run: Run) -> bool:
    """Whether the search takes longer than optimizing the verifier does."""
    return run.file == "line.pml" and not run.counterexample


def _statements(header: str, verifier: str) -> dict[tuple[str, int], Statement]:
    """The statement behind each state of each process of a verifier."""
    names = dict(_PROCTYPES.findall(header))
    statements = {}
    for proctype, numbers in _STATE_LINES.findall(verifier):
        process = names[proctype].strip(":")
        uses: Counter[int] = Counter()
        for state, line in enumerate(int(number) for number in re.findall(r"\d+", numbers)):
            uses[line] += 1
            statements[process, state] = Statement(line, process, uses[line])
    return statements


def _number(pattern: str, report: str) -> str:
    found = re.search(pattern, report)
    return found[1] if found else "0"


def _is_complete(report: str) -> bool:
    cut_short = ("Search not completed", "max search depth too small", "out of memory", "reached -DMEMLIM")
    return "errors: 0" in report and not any(words in report for words in cut_short)


def _violated(run: Run, report: str, trail: str) -> str:
    if f"pan:1: {INVALID_END_STATE}" in report:
        return INVALID_END_STATE
    if failed := _FAILED.search(trail):
        source = (FOLDER / run.file).read_text(encoding="utf-8").splitlines()[int(failed[1]) - 1]
        stated = re.search(r"PROMISE_\d\(.*\)", re.sub(r"/\*.*?\*/", "", source))
        return stated[0] if stated else source.strip()
    found = re.search(r"^pan:1: (.*)$", report, re.MULTILINE)
    return found[1] if found else ""
