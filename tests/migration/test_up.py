"""`up` installs what is missing or changed, once, and nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from caas_worker import migrate, worker
from caas_worker.db import Database
from caas_worker.errors import MigrationRefused
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.verify import OUR_TABLES
from tests.migration.conftest import Release, Up, all_files
from tests.migration.inventory import everything, ledger, names_of_ours
from tests.people import add_client, add_tutor, forget_marks, marks, total

Owner = psycopg.Connection[Any]


def drain(conninfo: str) -> worker.Summary:
    """A drain of that database by a worker of its own."""
    with Database(conninfo) as db:
        return worker.drain(worker.line(db, Settings(), Registry([TutorStrategy()])), batch_size=100)


def test_a_second_up_has_nothing_to_do(up: Up, owner: Owner) -> None:
    assert up() > 0
    installed = everything(owner)
    recorded = owner.execute("select * from caas.migrations order by name").fetchall()
    assert up() == 0
    assert everything(owner) == installed
    assert owner.execute("select * from caas.migrations order by name").fetchall() == recorded


def test_every_shipped_file_is_recorded_with_its_hash(up: Up, owner: Owner, shipped: Shipped) -> None:
    up()
    files = all_files(shipped)
    assert len(files) > 60
    assert ledger(owner) == {file.name: file.sha256 for file in files}


def test_status_says_what_up_would_do(marketplace: str, up: Up, another_release: Release) -> None:
    def status() -> dict[str, str]:
        return {state.name: state.state for state in migrate.status(marketplace, another_release.shipped)}

    assert set(status().values()) == {"pending"}
    up()
    assert set(status().values()) == {"installed"}
    another_release.edit("functions/fold.sql", "-- Fold:", "-- Fold, changed:")
    another_release.edit("migrations/0001_line.sql", "create table", "create  table")
    changed = {name: state for name, state in status().items() if state != "installed"}
    assert changed == {"functions/fold.sql": "changed", "migrations/0001_line.sql": "edited"}


def test_several_hosts_that_migrate_at_once_install_once(marketplace: str, owner: Owner, shipped: Shipped) -> None:
    hosts = 4
    together = threading.Barrier(hosts)

    def install(_: int) -> int:
        together.wait(timeout=20)
        return migrate.up(marketplace, shipped, lambda _: None)

    with ThreadPoolExecutor(hosts) as pool:
        steps = sorted(pool.map(install, range(hosts)))
    assert steps[:-1] == [0] * (hosts - 1)
    assert steps[-1] > 0
    assert len(ledger(owner)) == len(all_files(shipped))
    assert marks(owner) == [("installed", None, None, False, True)]


def test_a_migration_that_was_edited_after_it_ran_is_refused(up: Up, owner: Owner, another_release: Release) -> None:
    up()
    before = everything(owner)
    another_release.edit("migrations/0001_line.sql", "create table caas_workers", "create table caas_helpers")
    another_release.edit("functions/fold.sql", "-- Fold:", "-- Fold, changed:")
    with pytest.raises(MigrationRefused, match=r"migrations/0001_line\.sql is not the file that was installed"):
        up(another_release.shipped)
    assert everything(owner) == before
    assert up() == 0


def test_a_function_that_changed_is_replayed_and_no_other(up: Up, owner: Owner, another_release: Release) -> None:
    up()
    before = everything(owner)
    another_release.edit("functions/merge_reasons.sql", "[:16]", "[:17]")
    assert up(another_release.shipped) == 1
    replaced, new = before - everything(owner), everything(owner) - before
    assert len(replaced) == len(new) == 1
    assert "[:17]" in new.pop()
    assert up() == 1
    assert everything(owner) == before


def test_a_function_whose_signature_changed_replaces_the_old_one(
    up: Up, owner: Owner, another_release: Release
) -> None:
    another_release.edit("functions/enqueue.sql", "    reason text,\n", "    reason text default 'older',\n")
    another_release.edit("functions/enqueue.sql", "(uuid[], text, integer)", "(uuid[], text, bigint)")
    another_release.edit("functions/enqueue.sql", "priority integer", "priority bigint")
    up(another_release.shipped)
    up()
    overloads = owner.execute("select count(*) from pg_proc where proname = 'enqueue'").fetchone()
    assert overloads == (1,)
    assert owner.execute("select caas.enqueue(array[gen_random_uuid()], 'word')").fetchone() == (1,)


def test_a_function_that_is_replayed_keeps_its_grants(up: Up, owner: Owner, another_release: Release) -> None:
    up()
    owner.execute("grant execute on function caas.enqueue to pg_monitor")
    another_release.edit("functions/enqueue.sql", "-- Marks profiles", "-- Marks the profiles")
    assert up(another_release.shipped) == 1
    allowed = owner.execute(
        "select has_function_privilege('pg_monitor', 'caas.enqueue(uuid[], text, integer)', 'execute')"
    )
    assert allowed.fetchone() == (True,)


@pytest.mark.parametrize(
    "damage",
    [
        "drop function caas.fold",
        "drop function caas.get_network_stats",
        "drop view caas.source_bookings",
        "drop view caas.source_profiles, caas.source_listings",
        "drop trigger caas_mark_update on bookings",
        "drop function caas.mark_profiles cascade",
        "drop function caas.fold, caas.claim, caas.cache, caas.mark_listings cascade",
    ],
)
def test_what_somebody_dropped_is_restored(up: Up, owner: Owner, damage: str) -> None:
    up()
    whole = everything(owner)
    owner.execute(damage)
    assert everything(owner) < whole
    assert up() > 0
    assert everything(owner) == whole
    assert up() == 0


def test_a_trigger_that_was_gone_leaves_everyone_marked(up: Up, owner: Owner, marketplace: str) -> None:
    up()
    tutor = add_tutor(owner)
    drain(marketplace)
    owner.execute("drop trigger caas_mark_update on profiles")
    owner.execute("update profiles set available_free_help = true")
    assert marks(owner) == []
    up()
    assert marks(owner) == [("installed", None, None, False, True)]
    drain(marketplace)
    assert total(owner, tutor) == 36


def test_installing_on_existing_people_marks_all_of_them_at_backfill_priority(
    up: Up, owner: Owner, marketplace: str
) -> None:
    tutors = [add_tutor(owner) for _ in range(5)]
    add_client(owner)
    up()
    assert owner.execute("select priority, everyone from caas.changes").fetchall() == [(90, True)]
    summary = drain(marketplace)
    assert (summary.processed, summary.remaining) == (6, 0)
    assert [total(owner, tutor) for tutor in tutors] == [32] * 5


def test_a_database_without_the_marketplace_is_refused_and_left_alone(database_url: str, shipped: Shipped) -> None:
    with pytest.raises(MigrationRefused) as refused:
        migrate.up(database_url, shipped, lambda _: None)
    for table in ("profiles", "role_details", "listings", "bookings", "profile_reviews", "profile_graph"):
        assert f"{table} (the table)" in str(refused.value)
    assert "caas-worker demo" in str(refused.value)
    with psycopg.connect(database_url) as connection:
        assert names_of_ours(connection) == set()


def test_columns_that_are_missing_are_named(up: Up, owner: Owner) -> None:
    owner.execute("alter table bookings drop column recording_url, drop column type")
    owner.execute("drop table profile_graph")
    with pytest.raises(MigrationRefused, match=r"bookings \(type, recording_url\); profile_graph \(the table\)"):
        up()
    assert names_of_ours(owner) == set()


def test_a_view_in_place_of_a_table_is_no_table(up: Up, owner: Owner) -> None:
    owner.execute("alter table listings rename to all_listings; create view listings as select * from all_listings")
    with pytest.raises(MigrationRefused, match=r"listings \(the table\)"):
        up()


def test_a_marketplace_without_the_column_caas_score_is_scored_all_the_same(
    up: Up, owner: Owner, marketplace: str
) -> None:
    owner.execute("alter table profiles drop column caas_score")
    up()
    tutor = add_tutor(owner)
    summary = drain(marketplace)
    assert (summary.failed, summary.remaining) == (0, 0)
    assert total(owner, tutor) == 32


def test_triggers_switched_off_mark_nothing_and_switched_on_mark_everyone(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped
) -> None:
    up()
    forget_marks(owner)
    assert migrate.switch(marketplace, shipped, lambda _: None, on=False) == len(shipped.triggers)
    assert migrate.switch(marketplace, shipped, lambda _: None, on=False) == 0
    tutor = add_tutor(owner)
    owner.execute("update profiles set available_free_help = true")
    assert marks(owner) == []

    assert up() == 0, "they stay off until somebody switches them on"
    assert migrate.switch(marketplace, shipped, lambda _: None, on=True) == len(shipped.triggers)
    assert marks(owner) == [("enabled", None, None, False, True)]
    drain(marketplace)
    assert total(owner, tutor) == 36
    assert migrate.switch(marketplace, shipped, lambda _: None, on=True) == 0


def test_what_is_done_is_said(marketplace: str, shipped: Shipped) -> None:
    said: list[str] = []
    migrate.up(marketplace, shipped, said.append)
    assert said[0] == "migration 0001_line"
    assert {f"watch public.{file.stem}" for file in shipped.triggers} <= set(said)


def test_a_relation_of_the_applications_that_has_the_views_name_is_refused_and_left_alone(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped
) -> None:
    owner.execute("create table public.caas_scores (id integer); insert into public.caas_scores values (1)")
    before = everything(owner)
    with pytest.raises(MigrationRefused, match=r"has a public\.caas_scores that caas_worker did not make"):
        up()
    assert everything(owner) == before
    migrate.uninstall(marketplace, shipped, lambda _: None)
    assert everything(owner) == before
    assert owner.execute("select id from public.caas_scores").fetchall() == [(1,)]
    owner.execute("alter table public.caas_scores rename to sent_scores")
    assert up() > 0


@pytest.mark.parametrize(
    "thing",
    [
        "table caas.orders (id integer)",
        "table caas.scores (id integer)",
        "function caas.fold(integer) returns integer language sql as 'select 1'",
        "type caas.kind as enum ('one')",
    ],
)
def test_a_schema_of_the_applications_that_is_called_caas_is_refused_and_left_alone(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, thing: str
) -> None:
    owner.execute(f"create schema caas; create {thing}".encode())
    before = everything(owner)
    with pytest.raises(MigrationRefused, match="has a schema caas that caas_worker did not make"):
        up()
    assert everything(owner) == before
    migrate.uninstall(marketplace, shipped, lambda _: None)
    assert everything(owner) == before
    owner.execute("alter schema caas rename to shop")
    assert up() > 0


def test_a_schema_that_a_stranger_made_is_refused(up: Up, owner: Owner, role: str) -> None:
    owner.execute(f"create schema caas authorization {role}".encode())
    with pytest.raises(MigrationRefused, match=f"schema caas belongs to {role}"):
        up()
    owner.execute(f"alter schema caas owner to {owner.info.user}".encode())
    assert up() > 0


def test_tables_of_the_applications_that_are_named_as_ours_do_not_matter(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, url: str
) -> None:
    taken = [*OUR_TABLES, "migrations", "tutor_scores_has_one_row_per_type"]
    for name in taken:
        owner.execute(f"create table public.{name} (id integer); insert into public.{name} values (1)".encode())
    before = everything(owner)
    up()
    tutor = add_tutor(owner)
    drain(marketplace)
    assert total(owner, tutor) == 32
    with psycopg.connect(url) as fresh:
        assert everything(owner) - before == everything(fresh) - before
    assert up() == 0
    migrate.uninstall(marketplace, shipped, lambda _: None)
    assert everything(owner) == before
    for name in taken:
        assert owner.execute(f"select id from public.{name}".encode()).fetchall() == [(1,)]
