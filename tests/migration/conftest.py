"""Marketplaces before anything is installed, and releases whose files a test may change."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped

Up = Callable[..., int]


@dataclass(frozen=True)
class Release:
    """A copy of everything that is shipped, in a folder of its own."""

    folder: Path

    @property
    def shipped(self) -> Shipped:
        """The files as they are now."""
        return Shipped.load(self.folder / "migrations", self.folder / "triggers")

    def path(self, name: str) -> Path:
        """The file that the ledger knows by this name."""
        return self.folder / ("" if name.startswith(("migrations/", "triggers/")) else "migrations") / name

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace what must be there."""
        text = self.path(name).read_text()
        assert old in text, f"{name} does not contain {old}"
        self.path(name).write_text(text.replace(old, new))


@pytest.fixture
def shipped() -> Shipped:
    """What this release installs."""
    return Shipped.load()


@pytest.fixture
def another_release(tmp_path: Path, shipped: Shipped) -> Release:
    """A release to be changed: an older or a newer one."""
    shutil.copytree(shipped.migrations[0].path.parent, tmp_path / "migrations")
    shutil.copytree(shipped.triggers[0].path.parent, tmp_path / "triggers")
    return Release(tmp_path)


@pytest.fixture
def marketplace(database_url: str) -> str:
    """A marketplace without people, in which nothing of ours was ever installed."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        schema.create(connection)
    return database_url


@pytest.fixture
def owner(marketplace: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to that marketplace, in autocommit."""
    with psycopg.connect(marketplace, autocommit=True) as connection:
        yield connection


@pytest.fixture
def up(marketplace: str, shipped: Shipped) -> Up:
    """Installs this release, or another: `up(another_release.shipped, patience_seconds=1)`."""

    def install(files: Shipped = shipped, **options: Any) -> int:
        return migrate.up(marketplace, files, lambda _: None, **options)

    return install
