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
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from caas_worker import embedded
from caas_worker.db import Database
from caas_worker.marketplace import schema
from caas_worker.marketplace.schema import TABLES
from caas_worker.shipped import Shipped
from caas_worker.verify import verify
from tests.conftest import FAST_AND_LOOSE, Databases
from tests.interleaving import Rows

Login = Callable[..., str]

PASSWORD = "nobody else's"
OURS = ("caas_worker", "caas_reader", "caas_sessions")
"""The roles of this product."""
CLOSED = "nothing of ours is open to other roles"
"""What verify calls the check of all rights on ours."""


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


class Server:
    """A server without our roles, its superuser's connection, and databases on it that a plain role owns."""

    def __init__(self, conninfo: str, superuser: Rows) -> None:
        self.superuser = superuser
        self.databases = Databases(conninfo)
        self.made: list[str] = []

    def marketplace(self, owner: str) -> str:
        """The owner's conninfo of a new marketplace that belongs to this role."""
        conninfo = self.databases.create()
        self.made.append(conninfo)
        name = conninfo_to_dict(conninfo)["dbname"]
        self.superuser.execute(f"alter database {name} owner to {owner}".encode())
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(f"grant create on schema public to {owner}".encode())
        owned = make_conninfo(conninfo, user=owner)
        with psycopg.connect(owned, autocommit=True) as connection:
            schema.create(connection)
        return owned

    def connect(self, owned: str, user: str = "postgres") -> Rows:
        return psycopg.connect(make_conninfo(owned, user=user), autocommit=True)


def allowed(app: Rows, role: str) -> set[str]:
    """Everything of ours, by the catalog, that a role (or `public`, for everybody) may use in any way.

    Ours is the schema caas with all that is in it, and the one view in public. A right on a single column counts.
    """
    maintain = ", maintain" if app.info.server_version >= 170_000 else ""
    query = f"""
        with ours as (
            select c.oid, c.relkind, n.nspname || '.' || c.relname as name
            from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
                and (n.nspname = 'caas' or c.oid = to_regclass('public.caas_scores'))
        )
        select 'schema ' || n.nspname from pg_namespace as n
        where n.nspname = 'caas' and has_schema_privilege(%(role)s, n.oid, 'usage, create')
        union all
        select case o.relkind when 'v' then 'view ' else 'table ' end || o.name from ours as o
        where case when o.relkind <> 'S' then
                has_table_privilege(
                    %(role)s, o.oid, 'select, insert, update, delete, truncate, references, trigger{maintain}'
                )
                or has_any_column_privilege(%(role)s, o.oid, 'select, insert, update, references')
            end
        union all
        select 'sequence ' || o.name from ours as o
        where case o.relkind when 'S' then has_sequence_privilege(%(role)s, o.oid, 'usage, select, update') end
        union all
        select 'function caas.' || p.proname from pg_proc as p
        where p.pronamespace = to_regnamespace('caas') and has_function_privilege(%(role)s, p.oid, 'execute')
    """
    return {row[0] for row in app.execute(query.encode(), {"role": role}).fetchall()}


def faults(db: Database) -> dict[str, str]:
    """Subject and what to do, of what verify finds and is not a hint."""
    return {check.subject: check.todo for check in verify(db, Shipped.load()) if not check.ok and not check.hint}


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


def newer(shipped: Shipped, folder: Path) -> Shipped:
    """A release in which every function, view and watch list was changed."""
    for files in (shipped.functions, shipped.views, shipped.triggers):
        kind = files[0].path.parent.name
        shutil.copytree(files[0].path.parent, folder / kind, dirs_exist_ok=True)
        for path in (folder / kind).glob("*.sql"):
            path.write_text(f"-- Changed.\n{path.read_text()}")
    migrations = folder / "migrations"
    shutil.copytree(shipped.migrations[0].path.parent, migrations, dirs_exist_ok=True)
    shutil.rmtree(migrations / "functions")
    shutil.copytree(folder / "functions", migrations / "functions")
    return Shipped.load(migrations, folder / "triggers", folder / "views")
