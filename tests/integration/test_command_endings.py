"""Every command ends as docs/reference/commands.md says, where the settings, the database or the rules are wrong."""

from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from caas_worker.cli import app
from caas_worker.errors import CaasError, exit_code
from docs.pages.commands import ENDLESS, exit_codes, leaves

SOMEBODY = str(uuid4())
ARGUMENTS = {
    "score get": [SOMEBODY],
    "score recalculate": [SOMEBODY, "--wait", "1"],
    "score explain": [SOMEBODY],
    "score compare": [SOMEBODY],
    "score hold": [SOMEBODY, "--score", "0", "--reason", "a test"],
    "score release": [SOMEBODY],
    "queue retry": ["--all"],
    "queue purge": ["--all", "--yes"],
    "queue monitor": ["--duration", "1s"],
    "rules publish": ["--yes"],
    "migrate down": ["--yes"],
    "uninstall": ["--yes"],
    "warmup": ["--top", "3"],
    "stats": ["network_stats", SOMEBODY],
    "demo": ["--seconds", "1"],
    "tutor show": [SOMEBODY],
    "tutor threshold": [SOMEBODY, "20"],
}
"""What a command needs to be called at all."""

SETTINGS = {"mail send": {"CAAS_SMTP_URL": "smtp://localhost:1", "CAAS_ADMIN_EMAIL": "somebody@example.org"}}
"""And what has to be set."""


@pytest.fixture(autouse=True)
def no_logging_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands set the log up for their process, which here is the tests'."""
    monkeypatch.setattr("caas_worker.logs.begin", lambda *_: None)
    monkeypatch.chdir(tmp_path)


def ending(words: str, **environment: str) -> int:
    """The exit code of a command; an error that is none of ours fails the test."""
    environment |= SETTINGS.get(words, {})
    result = CliRunner().invoke(app, [*words.split(), *ARGUMENTS.get(words, [])], env=environment)
    if isinstance(result.exception, CaasError):
        return exit_code(result.exception)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code


COMMANDS = [words for words, _ in leaves()]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_wrong_setting_is_2(words: str) -> None:
    assert 2 in exit_codes(words)
    assert ending(words, CAAS_BATCH_SIZE="0") == 2
    assert ending(words, CAAS_BACH_SIZE="1") == 2


@pytest.mark.parametrize("words", COMMANDS)
def test_a_database_that_is_away_is_3(words: str) -> None:
    code = ending(words, CAAS_DATABASE_URL="host=/nowhere dbname=nothing")
    assert code == (3 if 3 in exit_codes(words) else 0)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in ENDLESS])
def test_a_database_without_anything_is_said(words: str, database_url: str) -> None:
    code = ending(words, CAAS_DATABASE_URL=database_url)
    assert code in exit_codes(words) | {0}
    assert (code == 4) == (4 in exit_codes(words)), code


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in {*ENDLESS, "demo"}])
def test_a_missing_right_is_8(words: str, forbidden: str) -> None:
    code = ending(words, CAAS_DATABASE_URL=forbidden)
    assert (code == 8) == (8 in exit_codes(words)), code
    assert code in exit_codes(words) | {0}


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in {*ENDLESS, "demo", "uninstall"}])
def test_other_published_rules_are_7(words: str, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into caas.rules (role_type, version) values ('TUTOR', 'tutor-v99')")
        connection.execute(
            "insert into profiles (id, roles, identity_verified) values (%s, '{TUTOR}', true)", [SOMEBODY]
        )
    code = ending(words, CAAS_DATABASE_URL=url)
    assert (code == 7) == (7 in exit_codes(words)), code
    assert code in exit_codes(words) | {0}
