"""Marketplaces before anything is installed, and releases whose files a test may change."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped, SqlFile
from tests.migration.inventory import everything

Up = Callable[..., int]


def all_files(shipped: Shipped) -> list[SqlFile]:
    """Every file of a release."""
    return [*shipped.migrations, *shipped.views, *shipped.functions, *shipped.triggers]


@dataclass(frozen=True)
class Release:
    """A copy of everything that is shipped, in a folder of its own."""

    folder: Path

    @property
    def shipped(self) -> Shipped:
        """The files as they are now."""
        return Shipped.load(*(self.folder / name for name in ("migrations", "triggers", "views")))

    def path(self, name: str) -> Path:
        """The file that the ledger knows by this name."""
        return self.folder / ("migrations" if name.startswith("functions/") else "") / name

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
    for files in (shipped.migrations, shipped.triggers, shipped.views):
        folder = files[0].path.parent
        shutil.copytree(folder, tmp_path / folder.name)
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


@pytest.fixture
def fresh(url: str) -> set[str]:
    """What a fresh install leaves in the database."""
    with psycopg.connect(url) as connection:
        return everything(connection)


@pytest.fixture
def role(owner: psycopg.Connection[Any]) -> Iterator[str]:
    """A login role that owns nothing and was granted nothing; gone afterwards with all that it got."""
    name = f"caas_test_{uuid4().hex}"
    owner.execute(f"create role {name} login password 'none'".encode())
    yield name
    owner.execute(f"drop owned by {name} cascade; drop role {name}".encode())


def give(owner: psycopg.Connection[Any], role: str) -> None:
    """Make the role the owner of the application's tables, which may create others beside them."""
    owner.execute(f"grant create on schema public to {role}".encode())
    tables = owner.execute(
        "select oid::regclass::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    for (table,) in tables.fetchall():
        owner.execute(sql.SQL("alter table {} owner to {}").format(sql.Identifier(table), sql.Identifier(role)))
