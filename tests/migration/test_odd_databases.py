"""Databases that are not quite what the rules expect: refused in words, or served all the same."""

from collections.abc import Iterator

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.errors import CaasError, MigrationRefused
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from tests.migration.inventory import everything, names_of_ours
from tests.people import Rows, add_booking, add_client, add_listing, add_tutor, forget_marks, marks


def up(url: str) -> int:
    return migrate.up(url, Shipped.load(), lambda _: None, patience_seconds=2)


@pytest.fixture
def market(database_url: str) -> Iterator[Rows]:
    """A marketplace without our objects."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        schema.create(connection)
        yield connection


@pytest.mark.parametrize(
    "change",
    [
        "alter table role_details alter qualifications drop default, alter qualifications type json"
        " using qualifications::json",
        "alter table profile_graph drop constraint profile_graph_source_profile_id_fkey,"
        " alter source_profile_id type text using source_profile_id::text",
    ],
    ids=["a column without equality", "a key that is no uuid"],
)
def test_a_table_that_its_trigger_could_not_read_is_refused_before_it_is_watched(
    market: Rows, database_url: str, change: str
) -> None:
    market.execute(change)
    with pytest.raises(CaasError, match="cannot be watched"):
        up(database_url)
    table = change.split()[2]
    attached = market.execute(
        "select count(*) from pg_trigger where tgrelid = %s::regclass and tgname like 'caas%%'", (table,)
    ).fetchone()
    assert attached == (0,)
    add_tutor(market)


def test_narrower_texts_are_read_all_the_same(market: Rows, database_url: str) -> None:
    market.execute("alter table profiles alter bio type varchar(500), alter avatar_url type varchar(80)")
    up(database_url)
    tutor = add_tutor(market, bio="Hello")
    row = market.execute("select bio from caas.profile_facts(array[%s])", (tutor,)).fetchone()
    assert row == ("Hello",)


def test_a_database_with_a_search_path_of_its_own_has_ours_where_every_other_has_it(
    market: Rows, database_url: str, url: str
) -> None:
    before = everything(market)
    market.execute("create schema app")
    market.execute(f"alter database {market.info.dbname} set search_path = app, public")
    up(database_url)
    assert up(database_url) == 0
    with psycopg.connect(url) as fresh:
        assert everything(market) - before == everything(fresh) - before
    elsewhere = market.execute(
        "select count(*) from pg_class where relnamespace = 'app'::regnamespace union all "
        "select count(*) from pg_proc where pronamespace = 'app'::regnamespace"
    ).fetchall()
    assert elsewhere == [(0,), (0,)]


@pytest.fixture
def partitioned(market: Rows, database_url: str) -> Rows:
    market.execute("alter table bookings rename to old_bookings")
    market.execute(
        "create table bookings (like old_bookings including defaults) partition by range (scheduled_start);"
        " create table bookings_2025 partition of bookings for values from ('2025-01-01') to ('2026-01-01');"
        " create table bookings_rest partition of bookings default;"
        " alter table bookings add primary key (id, scheduled_start);"
        " create index on bookings (listing_id)"
    )
    up(database_url)
    return market


def test_a_detached_partition_is_left_and_everyone_is_marked(partitioned: Rows, database_url: str) -> None:
    tutor, client = add_tutor(partitioned), add_client(partitioned)
    add_booking(partitioned, add_listing(partitioned, tutor), client)
    forget_marks(partitioned)
    partitioned.execute("alter table bookings detach partition bookings_2025")
    up(database_url)
    assert [(reason, everyone) for reason, _, _, _, everyone in marks(partitioned)] == [("detached", True)]
    forget_marks(partitioned)
    partitioned.execute("delete from bookings_2025")
    assert marks(partitioned) == []
    migrate.uninstall(database_url, Shipped.load(), lambda _: None)


def test_a_partition_that_is_detached_does_not_hold_up_the_removal(partitioned: Rows, database_url: str) -> None:
    partitioned.execute("alter table bookings detach partition bookings_2025")
    migrate.uninstall(database_url, Shipped.load(), lambda _: None)
    assert names_of_ours(partitioned) == set()


def test_a_foreign_partition_is_refused_in_words(partitioned: Rows, database_url: str) -> None:
    key = partitioned.execute(
        "select conname from pg_constraint where conrelid = 'bookings'::regclass and contype = 'p'"
    ).fetchone()
    assert key is not None
    partitioned.execute(f"alter table bookings drop constraint {key[0]}")  # a foreign partition can have no index
    partitioned.execute("create extension postgres_fdw")
    partitioned.execute("create server far foreign data wrapper postgres_fdw")
    partitioned.execute(
        "create foreign table bookings_2030 partition of bookings for values from ('2030-01-01') to ('2031-01-01')"
        " server far"
    )
    with pytest.raises(MigrationRefused, match="foreign table"):
        up(database_url)
