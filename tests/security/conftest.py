"""Login roles with one password, and a server of one's own for what concerns all databases of a server."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from caas_worker import embedded
from caas_worker.catalog import RELATIONS
from caas_worker.marketplace.schema import TABLES
from caas_worker.shipped import Shipped
from tests.conftest import FAST_AND_LOOSE
from tests.interleaving import Rows

Login = Callable[..., str]

PASSWORD = "nobody else's"


@pytest.fixture
def login(app: Rows, url: str) -> Iterator[Login]:
    """Makes login roles: `login("caas_worker")` is a member of that; gone afterwards. Returns the conninfo."""
    made: list[sql.Identifier] = []

    def make(*memberships: str, options: str = "") -> str:
        name = f"caas_test_{uuid4().hex}"
        role = sql.Identifier(name)
        app.execute(sql.SQL("create role {} login password {}" + options).format(role, PASSWORD))
        made.append(role)
        for group in memberships:
            app.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), role))
        return make_conninfo(url, user=name, password=PASSWORD)

    yield make
    app.execute("reset role")
    for role in made:
        app.execute(sql.SQL("drop owned by {} cascade; drop role {}").format(role, role))


@pytest.fixture
def application(app: Rows, login: Login) -> Iterator[Rows]:
    """A connection of the application's own role: it writes the application's tables, and was granted nothing else."""
    conninfo = login()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for table in TABLES:
            app.execute(
                sql.SQL("grant select, insert, update, delete, truncate on {} to {}").format(
                    sql.Identifier(table), sql.Identifier(connection.info.user)
                )
            )
        yield connection


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A superuser's conninfo of a server that no other test uses, where roles may be missing."""
    folder = Path(tempfile.mkdtemp(prefix="caas-", dir="/tmp"))
    folder.chmod(0o755)
    bin_dir = os.environ.get("CAAS_TEST_POSTGRES_BIN")
    try:
        with embedded.start(folder, Path(bin_dir) if bin_dir else None, say=print, options=FAST_AND_LOOSE) as running:
            yield running.conninfo()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def allowed(app: Rows, role: str) -> set[str]:
    """Everything of ours, by the catalog, that a role may use in any way."""
    query = """
        select c.relkind::text || ' ' || c.relname from pg_class as c
        where c.relnamespace = 'public'::regnamespace and c.relname ~ %(ours)s
            and c.relkind in ('r', 'p', 'v', 'm', 'f')
            and (
                has_table_privilege(%(role)s, c.oid, 'select, insert, update, delete, truncate, references, trigger')
                or has_any_column_privilege(%(role)s, c.oid, 'select, insert, update, references')
            )
        union all
        select 'S ' || c.relname from pg_class as c
        where c.relnamespace = 'public'::regnamespace and c.relname ~ %(ours)s and case c.relkind
                when 'S' then has_sequence_privilege(%(role)s, c.oid, 'usage, select, update')
            end
        union all
        select 'function ' || p.proname from pg_proc as p
        where p.pronamespace = 'public'::regnamespace
            and p.proname ~ '^(caas_|get_(performance|network|digital)_stats$)'
            and has_function_privilege(%(role)s, p.oid, 'execute')
    """
    return {row[0] for row in app.execute(query, {"role": role, "ours": RELATIONS}).fetchall()}


def refused(connection: Rows, statement: str, *parameters: Any) -> bool:
    """Whether the server says that this role may not do that."""
    try:
        connection.execute(statement.encode(), parameters)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


@pytest.fixture
def shipped() -> Shipped:
    """What this release installs."""
    return Shipped.load()
