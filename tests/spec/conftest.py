"""What a profile's score is, once everything written was drained."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.conftest import Databases

Published = Callable[[UUID], dict[str, Any]]


@pytest.fixture(scope="module")
def url(databases: Databases, template: str) -> Iterator[str]:
    """One marketplace for all cases of a module: each writes people of its own."""
    conninfo = databases.create(template)
    yield conninfo
    databases.drop(conninfo)


@pytest.fixture
def published(app: psycopg.Connection[Any], drain: Callable[..., Any]) -> Published:
    """Drains, then reads one profile's row of caas.scores in plain SQL, as the web tier does."""

    def read(profile_id: UUID) -> dict[str, Any]:
        summary = drain()
        assert (summary.failed, summary.remaining) == (0, 0)
        query = "select * from caas.scores where profile_id = %s"
        row = app.cursor(row_factory=dict_row).execute(query, (profile_id,)).fetchone()
        assert row is not None, "the profile has no score"
        return row

    return read
