"""The database that a command works on: the one that CAAS_DATABASE_URL names, else the embedded server's."""

import contextlib
import getpass
from collections.abc import Iterator

import typer

from caas_worker import embedded, sentry
from caas_worker.db import Database
from caas_worker.settings import Settings

EMBEDDED_DATABASE = "marketplace"


def say(text: str) -> None:
    """A sentence for the person at the terminal; standard output stays for results."""
    typer.echo(text, err=True)


def who(named: str | None) -> str:
    """Who does it, for an audit trail: whom the option names, be it nobody, else the login."""
    return getpass.getuser() if named is None else named


@contextlib.contextmanager
def conninfo(settings: Settings) -> Iterator[str]:
    """The connection string; holds the embedded server while the command runs."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with embedded.start(settings.data_dir, settings.postgres_bin, say=say) as server:
        yield server.ensure_database(EMBEDDED_DATABASE)


@contextlib.contextmanager
def database(settings: Settings | None = None) -> Iterator[tuple[Settings, Database]]:
    """Settings and an open pool."""
    settings = settings or Settings.load()
    sentry.begin(settings)
    with (
        conninfo(settings) as target,
        Database(target, pool_size=settings.pool_size, statement_timeout=settings.statement_timeout) as db,
    ):
        yield settings, db
