"""The models hold, and without any of their guards they do not."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.model.spin import FOLDER, LONGEST_SECONDS, Search, require_tools, search
from tests.model.steps import story
from tests.model.variants import FAITHFUL, RUNS, VARIANTS, Run

AT_ONCE = 2
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "models.md"
FILES = sorted(path.name for path in FOLDER.glob("*.pml"))
WATCHERS = {"Forgotten", "Pinned"}
"""Processes that only watch: their assertion must not be reached, nor their end."""

pytestmark = pytest.mark.timeout(LONGEST_SECONDS)

Found = Callable[[Run], Search]


def every(runs: tuple[Run, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("run", runs, ids=lambda run: run.name)


def source(file: str) -> str:
    return (FOLDER / file).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def found(request: pytest.FixtureRequest) -> Iterator[Found]:
    """What a run finds. Those that the selected tests ask for are searched two at a time, in the order of the table."""
    require_tools()
    asked = {item.callspec.params.get("run") for item in request.session.items if "found" in item.fixturenames}
    searches: dict[str, Future[Search]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def find(run: Run) -> Search:
            if run.name not in searches:
                searches[run.name] = pool.submit(search, run)
            return searches[run.name].result()

        searches.update((run.name, pool.submit(search, run)) for run in RUNS if run in asked)
        yield find
        for waiting in searches.values():
            waiting.cancel()


@every(FAITHFUL)
def test_every_interleaving_keeps_the_promises(run: Run, found: Found) -> None:
    result = found(run)
    assert not result.violated, f"python -m tests.model {run.name}\n{story(run, result, last=80)}"
    assert result.is_complete, result.report


@every(FAITHFUL)
def test_it_comes_to_rest(run: Run, found: Found) -> None:
    result = found(run)
    assert "Rest" in {statement.process for statement in result.statements}
    assert result.unended <= WATCHERS


@every(VARIANTS)
def test_without_the_guard_there_is_a_counterexample(run: Run, found: Found) -> None:
    result = found(run)
    assert result.violated == run.violates, story(run, result, last=80) if result.violated else result.report


@pytest.mark.parametrize("file", FILES)
def test_every_step_and_every_assertion_is_reached_in_a_faithful_run(file: str, found: Found) -> None:
    searches = [found(run) for run in FAITHFUL if run.file == file]
    reached = {statement for search in searches for statement in search.statements - search.unreached}
    lines = source(file).splitlines()
    never = {
        statement: lines[statement.line - 1].strip()
        for search in searches
        for statement in search.unreached - reached
        if statement.process not in WATCHERS
    }
    assert not never


def switches(file: str) -> set[str]:
    """The macros that a model asks for and does not define itself."""
    text = source(file)
    asked = set(re.findall(r"#ifn?def (\w+)", text)) | set(re.findall(r"defined\((\w+)\)", text))
    return asked - set(re.findall(r"#define (\w+)", text))


def bounds(file: str) -> set[str]:
    """The macros that a model gives a default."""
    return set(re.findall(r"#ifndef (\w+)\n#define \1 \d+$", source(file), re.MULTILINE))


@pytest.mark.parametrize("file", FILES)
def test_every_switch_is_used_by_a_run(file: str) -> None:
    used = {macro for run in RUNS if run.file == file for macro in run.macros}
    assert switches(file) <= used
    assert used <= switches(file) | bounds(file)


@every(VARIANTS)
def test_a_variant_takes_a_guard_away(run: Run) -> None:
    faithful = {macro for other in FAITHFUL if other.file == run.file for macro in other.macros}
    assert run.macros.keys() - faithful - {"ONLY_PROMISE_3"}
    assert run.guard


@every(FAITHFUL)
def test_a_faithful_run_takes_no_guard_away(run: Run) -> None:
    assert not [macro for macro in run.macros if macro.startswith("NO_")]
    assert not run.guard


def test_names_are_given_once() -> None:
    assert len({run.name for run in RUNS}) == len(RUNS)


@every(RUNS)
def test_the_page_tells_of_it(run: Run) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"| `{run.name}` |" in page
    assert run.shows in page
