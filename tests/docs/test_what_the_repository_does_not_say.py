"""Nothing in the repository names a package index or the machine that it was written on."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.example import ROOT

INDEXES = re.compile(
    r"\b(?:pypi|pythonhosted|npmjs|anaconda)[.](?:org|com)\b|\bcrates[.]io\b|\bproxy[.]golang[.]org\b|"
    r"--(?:extra-)?index-url\s+\S*://|\bfiles[.]\w+[.]\w+/packages/",
    re.IGNORECASE,
)
MADE_UP = {"tests/unit/test_embedded_paths.py"}
"""Files whose homes are nobody's."""

HOMES = re.compile(r"(?<![\w./~$}-])/(?:home|Users|root|work|workspaces?|mnt)/\w")


def tracked() -> list[Path]:
    """Every file that git knows, or where there is no git, every file that a source distribution has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name]
    folders = ("caas_worker", "migrations", "triggers", "docs", "tests", "benchmarks", "requirements")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]


@pytest.mark.parametrize("words", [INDEXES, HOMES], ids=["package indexes", "folders of a machine"])
def test_no_tracked_file_names(words: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        if str(path.relative_to(ROOT)) in MADE_UP:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in words.finditer(text)]
    assert found == []


def test_locks_hold_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert "://" not in lock.read_text(encoding="utf-8"), lock.name
