"""A counterexample as a story: which process did which step, in the model's lines."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.spin import FOLDER, Search
from tests.model.variants import Run

_STARTING = re.compile(r"^Starting (\w+) with pid (\d+)$")
_STEP = re.compile(r"^ *(\d+):\tproc +(\d+) \((\S+?):\d+\) \S+\.pml:(\d+) \(state \d+\)\t\[(.*)\]$")
_VALUE = re.compile(r"^\t\t([\w.\[\]]+) = (\d+)$")
_NOT_TOLD = re.compile(r"\bskip\b|^:: else$|^}$|^for |^(to\.|disk_)")
"""What does nothing, the heads of loops, and what copies the database to the disk, field by field."""
_HEADING = re.compile(r"/\* -+ (.*?) -* ?\*/")


@dataclass(frozen=True, slots=True)
class Step:
    """One statement."""

    number: int
    process: str
    heading: str
    line: int
    source: str


class Source:
    """A model's lines, and which of its steps each belongs to."""

    def __init__(self, file: str) -> None:
        self.lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
        self._headings: dict[int, str] = {}
        heading, inside = "", False
        for number, line in enumerate(self.lines, 1):
            if "proctype " in line:
                heading, inside = "", True
            elif line.startswith("inline "):
                inside = bool(_HEADING.search(self.lines[number - 2]))
            elif line == "}":
                inside = False
            elif found := _HEADING.search(line):
                heading = found[1]
            if inside:
                self._headings[number] = heading

    def heading(self, line: int) -> str | None:
        """The step that this line is of; None where that depends on the process."""
        return self._headings.get(line)

    def statement(self, line: int) -> str:
        """The line without its comment; empty where it does nothing."""
        text = re.sub(r" */\*.*?(\*/|$)", "", self.lines[line - 1]).strip().rstrip(";")
        return "" if _NOT_TOLD.search(text) else text

    def first_number(self, process: str) -> int:
        """Where the processes of a type begin to count: those that lock rows under their number, at 1."""
        return int(any(f"proctype {process}(byte me" in line for line in self.lines))


def steps(run: Run, trail: str) -> Iterator[Step]:
    """The statements of a replayed trail, without the start."""
    source = Source(run.file)
    names = _names(source, trail)
    last_heading: dict[str, str] = defaultdict(str)
    for text in trail.splitlines():
        found = _STEP.match(text)
        if not found or found[3] == ":init:":
            continue
        process = names.get(found[2], found[3])
        line = int(found[4])
        heading = source.heading(line)
        if heading is not None:
            last_heading[process] = heading
        yield Step(int(found[1]), process, last_heading[process], line, source.statement(line))


def story(run: Run, found: Search, *, last: int | None = None) -> str:
    """The interleaving that led to the error, and what the model's variables are then.

    Args:
        last: only this many lines, the last ones.
    """
    lines: list[str] = []
    at: tuple[str, str] | None = None
    line = 0
    for step in steps(run, found.trail):
        if (step.process, step.heading) != at:
            at, line = (step.process, step.heading), 0
            lines.append(f"{step.number:5}. {step.process}" + (f": {step.heading}" if step.heading else ""))
        if step.line != line and step.source:
            line = step.line
            lines.append(f"       {run.file}:{line:<5} {step.source}")
    left = ", ".join(f"{name} = {value}" for name, value in _last_values(found.trail).items() if value != "0")
    lines += ["", f"violated: {found.violated}", f"then: {left} (all else is 0)"]
    return "\n".join(lines[-last:] if last else lines)


def _names(source: Source, trail: str) -> dict[str, str]:
    """What each process is called: its type, with its number where there are several."""
    started = [(found[1], found[2]) for text in trail.splitlines() if (found := _STARTING.match(text.strip()))]
    several = {name for name, times in Counter(name for name, _ in started).items() if times > 1}
    counted: Counter[str] = Counter()
    names = {}
    for name, pid in started:
        names[pid] = f"{name} {source.first_number(name) + counted[name]}" if name in several else name
        counted[name] += 1
    return names


def _last_values(trail: str) -> dict[str, str]:
    _, _, end = trail.partition("#processes:")
    return {found[1]: found[2] for text in end.splitlines() if (found := _VALUE.match(text))}
