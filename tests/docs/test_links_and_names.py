"""What the pages name exists: links, commands with their options, settings, files, dependencies."""

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from caas_worker.cli.spans import span
from caas_worker.settings import Settings
from docs.pages.commands import tree
from tests.docs.example import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

NAMED_OTHERWISE = {"CAAS_TEST_DATABASE_URL", "CAAS_TEST_POSTGRES_BIN", "CAAS_WORKER_SERVICE_HOST"}
"""Of the tests, and what Kubernetes injects."""


SPANS_OF_TIME = {"--duration", "--for", "--last", "--older-than"}


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def every_page(name: str) -> Any:
    return pytest.mark.parametrize(name, PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links."""
    prose = re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page("page")
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^()\s]+)\)", text(page)):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.exists(), target
        assert leads_to.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(leads_to), target


@every_page("page")
def test_every_file_that_is_named_exists(page: Path) -> None:
    made_by_the_reader = "add-a-strategy" in page.name
    for name in re.findall(r"`((?:tests|docs|caas_worker|migrations|triggers|requirements)/[\w./-]+)`", text(page)):
        assert made_by_the_reader or (ROOT / name).exists() or name.startswith("migrations/NNNN_"), name


def commands(page: Path) -> Iterator[list[str]]:
    """The words after `caas-worker` wherever it stands in code, up to the end of that command."""
    code = re.findall(r"^```\w*\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)
    code += re.findall(r"^ {4}.*$", text(page), re.MULTILINE)
    code += [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text(page))]
    for line in "\n".join(code).splitlines():
        for found in re.finditer(r"(?<![\w.:-])(?:/\S+/)?caas-worker ((?:[a-z]|--)[^|;&>#\n)]*)", line):
            yield found[1].split()


KNOWN = dict(tree())


@every_page("page")
def test_every_command_exists_with_these_options(page: Path) -> None:
    for words in commands(page):
        options = [option for parameter in KNOWN[""].params for option in parameter.opts]
        path: list[str] = []
        for word in words:
            if word.startswith("-"):
                name = word.partition("=")[0]
                assert name in options, f"caas-worker {' '.join(words)}: {name}"
            elif (longer := " ".join([*path, word])) in KNOWN:
                path.append(word)
                options = [option for parameter in KNOWN[longer].params for option in parameter.opts]
            else:
                assert path, f"caas-worker {' '.join(words)}"
                alternative = word in ("/", "…") or " ".join([*path[:-1], word]) in KNOWN
                takes_values = not hasattr(KNOWN[" ".join(path)], "commands")
                assert alternative or takes_values, f"caas-worker {' '.join(words)}: {word}"


@every_page("page")
def test_every_span_of_time_is_one(page: Path) -> None:
    for words in commands(page):
        for option, value in pairwise(words):
            assert option not in SPANS_OF_TIME or span(value), f"caas-worker {' '.join(words)}"


@every_page("page")
def test_every_setting_exists(page: Path) -> None:
    named = set(re.findall(r"\bCAAS_[A-Z0-9_]*[A-Z0-9]\b", text(page)))
    assert named <= Settings.variables().keys() | NAMED_OTHERWISE


def test_the_readme_says_how_to_begin() -> None:
    readme = text(ROOT / "README.md")
    assert "make demo" in readme
    assert "make test" in readme
    targets = re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+)\b", readme)) <= set(targets)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    development = [line for line in text(ROOT / "requirements/dev.in").splitlines() if line and line[0] != "#"]
    names = {re.split(r"[\[<>=; ]", entry)[0] for entry in (*project["dependencies"], *development)}
    page = text(ROOT / "docs/reference/dependencies.md")
    explained = set(re.findall(r"^\| ([\w-]+)(?: \([a-z]+\))? \|", page, re.MULTILINE)) - {"package"}
    assert explained == names
