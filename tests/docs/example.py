"""The files that a documentation page tells its reader to write: `path`: and a code block below it."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ADD_A_STRATEGY = ROOT / "docs/how-to/add-a-strategy.md"

_FILE = re.compile(r"^`(?P<path>[^`\n]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def files(page: Path) -> dict[str, str]:
    """Text of each file by its path."""
    return {found["path"]: found["text"] for found in _FILE.finditer(page.read_text(encoding="utf-8"))}


def blocks(page: Path, language: str) -> list[str]:
    """All code blocks in one language."""
    text = page.read_text(encoding="utf-8")
    return [found["text"] for found in _BLOCK.finditer(text) if found["language"] == language]


def load(name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The text as a module that the test's other imports find under its name."""
    path = folder / f"{name.rpartition('.')[2]}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module
