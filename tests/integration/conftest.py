"""Who may not do what commands ask for."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.people import Rows


@pytest.fixture
def forbidden(url: str, app: Rows) -> Iterator[str]:
    """The database as a role that was granted nothing of ours."""
    name = f"caas_test_{uuid4().hex}"
    role = sql.Identifier(name)
    app.execute(sql.SQL("create role {} login password 'none'; grant usage on schema public to {}").format(role, role))
    app.execute("revoke create on schema public from public")  # before PostgreSQL 15 everybody may
    yield make_conninfo(url, user=name, password="none")
    app.execute(sql.SQL("drop owned by {}; drop role {}").format(role, role))
