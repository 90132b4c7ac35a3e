"""From the schema public to the schema caas (migration 0008): every row goes along, and the work goes on."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from tests.conftest import Databases
from tests.migration import older_release, older_rows
from tests.migration.conftest import Up
from tests.migration.inventory import everything
from tests.migration.older_rows import audited, contents, drain
from tests.migration.test_down import interrupt_at, quiet, write_everywhere
from tests.people import add_booking, add_client, add_listing, add_tutor

Owner = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def settled(databases: Databases) -> Iterator[tuple[str, list[UUID]]]:
    """A database of the older release that has rows in every table and work in every state, and who is scored in it."""
    conninfo = databases.create()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        schema.create(connection)
        people = older_rows.install(connection, conninfo)
        empty = {table for table, rows in contents(connection, older=True).items() if not rows}
        assert empty == set(), "nothing of these would be moved"
    yield str(conninfo_to_dict(conninfo)["dbname"]), people
    databases.drop(conninfo)


@pytest.fixture
def marketplace(databases: Databases, settled: tuple[str, list[UUID]]) -> Iterator[str]:
    """A copy of that database."""
    conninfo = databases.create(settled[0])
    yield conninfo
    databases.drop(conninfo)


@pytest.fixture
def scored(settled: tuple[str, list[UUID]]) -> list[UUID]:
    """Who is scored in it."""
    return settled[1]


def test_every_row_is_there_under_its_new_name(up: Up, owner: Owner) -> None:
    before = contents(owner, older=True)
    up()
    assert contents(owner) == before


def test_sequences_go_on(up: Up, owner: Owner) -> None:
    given = owner.execute(
        "select last_value, (select max(id) from public.caas_changes) from public.caas_generation"
    ).fetchone()
    assert given is not None
    assert min(given) > 1
    up()
    owner.execute("update profiles set bio = 'later'")
    after = owner.execute("select nextval('caas.generation'), (select max(id) from caas.changes)").fetchone()
    assert after is not None
    assert after[0] == given[0] + 1
    assert after[1] > given[1]


def test_everyone_is_right_once_the_queue_is_drained(
    marketplace: str, up: Up, owner: Owner, scored: list[UUID]
) -> None:
    up()
    summary = drain(marketplace)
    assert (summary.failed, summary.dead, summary.remaining) == (0, 0, 0)
    report = audited(marketplace)
    assert (report.same, report.checked) == (len(scored) + 1, len(scored) + 1), "and one who came later"
    for table in ("changes", "recalculation_queue", "dead_entries", "touched_cells", "score_follow"):
        assert owner.execute(f"select count(*) from caas.{table}".encode()).fetchone() == (0,), table
    held = owner.execute("select total_score from public.caas_scores where profile_id = %s", (scored[2],)).fetchone()
    assert held == (77,)


WORDS = ("migration 0009_source_views", "watch public.bookings", "watch public.student_integration_links")


@pytest.mark.parametrize("word", WORDS)
def test_a_move_that_was_interrupted_goes_on(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, fresh: set[str], word: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        migrate.up(marketplace, shipped, interrupt_at(word))
    stranger = add_tutor(owner)
    add_booking(owner, add_listing(owner, stranger), add_client(owner))
    assert up() > 0
    assert up() == 0
    assert everything(owner) == fresh
    drain(marketplace)
    assert audited(marketplace).exit_code == 0
    write_everywhere(owner)


def test_down_and_up_again_keeps_every_row(marketplace: str, up: Up, owner: Owner, shipped: Shipped) -> None:
    before = contents(owner, older=True)
    up()
    migrate.down(marketplace, shipped, quiet, count=len(shipped.migrations) - len(older_release.migrations()))
    assert contents(owner, older=True) == before
    up()
    after = contents(owner)
    assert [row["reason"] for row in after["caas.changes"] if row["everyone"]] == ["installed"]
    before["caas.changes"] += [row for row in after["caas.changes"] if row["everyone"]]
    assert after == before
