"""The generated pages are what the code says."""

import re

from docs import generate
from docs.pages import commands
from docs.pages.errors import PROFILE_CODES
from tests.docs.example import ROOT

REFUSED = {"MIGRATION_REFUSED", "HOLD_REFUSED", "TUTOR_NOT_FOUND", "ALERT_NOT_FOUND", "SESSION_NOT_FOUND"}
"""Codes of commands and requests that are refused; the others are of profiles."""


def test_pages_are_fresh() -> None:
    assert generate.stale() == [], "run: python -m docs.generate"


def test_exit_codes_are_told_of_commands_that_exist() -> None:
    assert commands.OWN_EXIT_CODES.keys() <= dict(commands.tree()).keys()


def test_every_error_code_of_a_profile_is_explained() -> None:
    code = [*(ROOT / "caas_worker").glob("*.py"), *(ROOT / "migrations/functions").glob("*.sql")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in code)
    used = set(re.findall(r"[\"']([A-Z]+_(?:FAILED|REFUSED|NOT_FOUND|LOST|UNREADABLE))[\"']", text)) - REFUSED
    assert used == PROFILE_CODES.keys()


def test_lines_fit() -> None:
    for name, page in generate.PAGES.items():
        for line in page().splitlines():
            assert len(line) <= 120 or line.startswith("```") or " " not in line.strip(), f"{name}: {line}"
