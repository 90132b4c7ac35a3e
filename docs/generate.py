"""Writes the generated pages of docs/reference/ from the code: `python -m docs.generate`, or `--check` in CI.

Everything comes from objects and files, never from rendered help: the same text on every Python and terminal width.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from docs.pages import commands, database, errors, http, marketplace, settings

REFERENCE = Path(__file__).parent / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "settings.md": settings.page,
    "database.md": database.page,
    "marketplace.md": marketplace.page,
    "errors.md": errors.page,
    "http.md": http.page,
}


def stale() -> list[str]:
    """Names of the pages that are not what the code says."""
    return [name for name, page in PAGES.items() if _read(REFERENCE / name) != page()]


def write() -> list[str]:
    """Write the pages anew; returns the names of those that changed."""
    changed = stale()
    for name in changed:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
    return changed


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> None:
    """Write or check; a check exits with 1 when a page is stale."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    if parser.parse_args().check:
        if names := stale():
            sys.exit(f"Stale in docs/reference/: {', '.join(names)}. Run: python -m docs.generate")
    else:
        for name in write():
            sys.stdout.write(f"wrote docs/reference/{name}\n")


if __name__ == "__main__":
    main()
