"""The files of caas_worker/sql: every statement is found under its name, none is lost or left over."""

import re
from pathlib import Path

import pytest

import caas_worker
from caas_worker.sql import statements

pytestmark = pytest.mark.quick

PACKAGE = Path(caas_worker.__file__).parent
FILES = sorted((PACKAGE / "sql").glob("*.sql"))
HEADERS = re.compile(r"^-- ([a-z_]+): (.+)$", re.MULTILINE)
STATEMENTS = [(path.stem, name) for path in FILES for name in statements(path.stem)]


def test_there_are_files() -> None:
    assert {"fold", "claim", "stats", "cache", "read"} <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_header_of_a_file_names_one_statement(path: Path) -> None:
    names = [name for name, _ in HEADERS.findall(path.read_text())]
    assert names
    assert len(set(names)) == len(names), "two statements have one name, so that one of them is lost"
    assert list(statements(path.stem)) == names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_line_of_a_file_is_outside_a_statement(path: Path) -> None:
    text = path.read_text()
    found = b"".join(statements(path.stem).values()).decode()
    assert "".join(HEADERS.sub("", text).split()) == "".join(found.split())


@pytest.mark.parametrize(("step", "name"), STATEMENTS)
def test_a_statement_is_one_statement_with_named_parameters(step: str, name: str) -> None:
    text = statements(step)[name].decode()
    assert text
    assert not text.startswith("--"), "a header without a statement"
    outside_bodies = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    assert ";" not in outside_bodies.removesuffix(";")
    named = re.sub(r"%\(\w+\)s", "", outside_bodies)
    assert re.findall(r"%[^%]", named.replace("%%", "")) == [], "a parameter without a name"


@pytest.mark.parametrize(("step", "name"), STATEMENTS)
def test_a_statement_is_sent_by_somebody(step: str, name: str) -> None:
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]
    senders = [source for source in sources if f'statements("{step}")' in source]
    assert senders
    assert any(f'["{name}"]' in source for source in sources) or any(f'"{name}"' in source for source in senders)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_statements_are_written_in_the_house_style(path: Path) -> None:
    text = path.read_text()
    keywords = re.findall(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|JOIN|SET)\b", text)
    assert keywords == [], "keywords are lower case"
    assert "\t" not in text
    assert text.endswith("\n")
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_an_unknown_step_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        statements("no_such_step")
