"""A database as the release before the schema caas left it: everything of ours in public, under a prefix.

Its migrations are those that this release still has, frozen; what it installed besides is older_release.sql.
"""

from pathlib import Path
from typing import Any

from psycopg import Connection

from caas_worker.shipped import Shipped

LAST_MIGRATION = "0007"
ROLES = ("caas_worker", "caas_reader", "caas_sessions")

_TEXT = (Path(__file__).parent / "older_release.sql").read_text(encoding="utf-8")
_LEDGER = b"""
    create table public.caas_migrations (
        name text not null,
        sha256 text not null,
        applied_at timestamptz not null default clock_timestamp(),
        constraint caas_migrations_are_named primary key (name)
    );
    comment on table public.caas_migrations is 'Installed files of caas_worker and their hashes.';
    comment on column public.caas_migrations.name is 'Folder and name of the file.';
    comment on column public.caas_migrations.sha256 is 'Hash of its text when it was installed.';
    comment on column public.caas_migrations.applied_at is 'When it was installed.';
"""
_NEW_ROLE = """
    do $$
    begin
        if to_regrole('{role}') is null then
            create role {role} nologin;
        end if;
    end;
    $$
"""


def migrations() -> list[str]:
    """The text of its migrations, in their order."""
    return [file.text for file in Shipped.load().migrations if file.stem[:4] <= LAST_MIGRATION]


def create_ledger(connection: Connection[Any]) -> None:
    """Create its ledger and nothing else: `up` then puts the migrations from before the schema into public."""
    connection.execute(_LEDGER)


def install(connection: Connection[Any]) -> None:
    """Install it over a marketplace, in one transaction."""
    with connection.transaction():
        for role in ROLES:
            connection.execute(_NEW_ROLE.format(role=role).encode())
        create_ledger(connection)
        connection.execute("set local search_path = public, pg_temp")
        for text in migrations():
            connection.execute(text.encode())
        connection.execute("set local check_function_bodies = off")
        connection.execute(_TEXT.encode())
