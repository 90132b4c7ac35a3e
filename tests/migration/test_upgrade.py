"""An upgraded database is the database of a fresh install, whatever the older release had put there."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from tests.conftest import Databases
from tests.migration.conftest import Release, Up
from tests.migration.inventory import everything, ledger
from tests.people import add_tutor, forget_marks, marks

Owner = psycopg.Connection[Any]


@pytest.fixture
def fresh(url: str) -> set[str]:
    """What a fresh install leaves in the database."""
    with psycopg.connect(url) as connection:
        return everything(connection)


def an_older_body(release: Release) -> None:
    for path in sorted((release.folder / "migrations" / "functions").glob("*.sql")):
        path.write_text(path.read_text().replace("$function$\n", "$function$\n    -- as it was\n", 1))


def an_older_comment(release: Release) -> None:
    for path in sorted((release.folder / "migrations" / "functions").glob("*.sql")):
        path.write_text(path.read_text().rstrip().removesuffix("';") + " As it was.';\n")


def another_result(release: Release) -> None:
    release.edit("functions/caas_wake.sql", "lost integer", "losses integer")
    release.edit("functions/caas_wake.sql", "get diagnostics lost", "get diagnostics losses")


def other_arguments(release: Release) -> None:
    release.edit("functions/caas_expand.sql", "caas_expand(max_profiles integer)", "caas_expand(most bigint)")
    release.edit("functions/caas_expand.sql", "caas_expand(integer)", "caas_expand(bigint)")
    release.edit("functions/caas_expand.sql", "max_profiles", "most")


def fewer_columns(release: Release) -> None:
    release.edit("triggers/profile_graph.sql", "status, relationship_type, created_at", "status")
    release.edit("triggers/profiles.sql", "avatar_url, business_verified", "avatar_url, business_verified, caas_score")


def another_trigger_function(release: Release) -> None:
    """The template that every trigger function is written from."""
    release.edit("functions/caas_watch.sql", "            return null;\n", "            return null; -- as it was\n")


def other_triggers(release: Release) -> None:
    """The statement that every trigger is created by."""
    release.edit("functions/caas_attach.sql", "for each statement", "for each statement when (true)")


def a_function_that_is_gone(release: Release) -> None:
    """A function that later releases no longer ship."""
    text = release.path("functions/caas_merge_reasons.sql").read_text()
    release.path("functions/caas_gone.sql").write_text(text.replace("caas_merge_reasons", "caas_gone"))


@pytest.mark.parametrize(
    "older",
    [
        an_older_body,
        an_older_comment,
        another_result,
        other_arguments,
        fewer_columns,
        another_trigger_function,
        other_triggers,
        a_function_that_is_gone,
    ],
    ids=lambda older: older.__name__,
)
def test_upgrade_equals_a_fresh_install(
    up: Up, owner: Owner, another_release: Release, shipped: Shipped, fresh: set[str], older: Callable[[Release], None]
) -> None:
    older(another_release)
    up(another_release.shipped)
    assert everything(owner) != fresh, "this older release is no different"
    up()
    assert everything(owner) - fresh == set()
    assert fresh - everything(owner) == set()
    assert ledger(owner).keys() == {file.name for file in (*shipped.migrations, *shipped.functions, *shipped.triggers)}
    assert up() == 0


def test_a_new_migration_runs_once_after_those_that_ran(up: Up, owner: Owner, another_release: Release) -> None:
    up()
    another_release.path("migrations/0002_more.sql").write_text("create table caas_more (id integer);\n")
    another_release.path("migrations/0002_more.rollback.sql").write_text("drop table caas_more;\n")
    assert up(another_release.shipped) == 2, "the migration, and the grants on its table"
    owner.execute("insert into caas_more values (1)")
    assert up(another_release.shipped) == 0
    assert owner.execute("select id from caas_more").fetchall() == [(1,)]


def test_a_migration_that_fails_leaves_nothing_of_itself(up: Up, owner: Owner, another_release: Release) -> None:
    up()
    before, recorded = everything(owner), ledger(owner)
    another_release.path("migrations/0002_more.sql").write_text("create table caas_more (id integer); select 1 / 0;\n")
    with pytest.raises(Exception, match="division by zero"):
        up(another_release.shipped)
    assert (everything(owner), ledger(owner)) == (before, recorded)


def test_marks_and_scores_survive_an_upgrade(up: Up, owner: Owner, another_release: Release) -> None:
    an_older_body(another_release)
    up(another_release.shipped)
    forget_marks(owner)
    tutor = add_tutor(owner)
    up()
    assert marks(owner) == [("profiles", tutor, None, False, False)]


@pytest.fixture
def first_release(another_release: Release) -> Release:
    """What 0.1.0 had: three migrations, functions that read the cache itself, marks that name no cells."""
    for path in sorted((another_release.folder / "migrations").glob("000[4-9]_*")):
        path.unlink()
    for name in ("caas_agent_stats", "caas_expand", "caas_follow"):
        another_release.edit(f"functions/{name}.sql", "from public.caas_every_score", "from public.caas_scores")
    for table, key in (
        ("bookings", "scheduled_start as touched_at"),
        ("platform_events", "occurred_at as touched_at"),
        ("profile_reviews", "reviewer_id as other_id"),
        ("profile_reviews", "booking_id"),
    ):
        another_release.edit(f"triggers/{table}.sql", f", '{key}'", "")
    return another_release


def test_a_worker_role_that_was_made_by_hand_goes_on_under_its_name(
    up: Up, owner: Owner, first_release: Release, fresh: set[str]
) -> None:
    owner.execute("grant select on profiles to caas_worker")
    up(first_release.shipped)
    owner.execute("grant select, insert, update, delete on caas_scores, caas_changes to caas_worker")
    up()
    # the hand-made grant stays, and makes those on the table's columns needless
    assert {line for line in fresh - everything(owner) if "profiles" not in line} == set()
    assert up() == 0


def test_grants_come_with_a_column_that_the_application_adds_and_with_a_function_that_is_replayed(
    up: Up, owner: Owner, another_release: Release
) -> None:
    owner.execute("alter table profiles drop column caas_score")
    up()
    owner.execute("alter table profiles add column caas_score integer")
    owner.execute("revoke all on function caas_fold from caas_worker")
    assert up() == 3, "select and update on the column, and the function"
    assert up() == 0
    another_release.edit("functions/caas_fold.sql", "-- Fold:", "-- Fold, changed:")
    assert up(another_release.shipped) == 1
    allowed = owner.execute(
        "select has_function_privilege('caas_worker', 'caas_fold'::regproc, 'execute'),"
        " has_column_privilege('caas_worker', 'profiles', 'caas_score', 'update')"
    )
    assert allowed.fetchone() == (True, True)


@pytest.mark.parametrize(
    "older", [fewer_columns, another_trigger_function, other_triggers], ids=lambda one: one.__name__
)
def test_what_happened_while_triggers_were_off_is_not_forgotten_by_an_upgrade(
    marketplace: str, up: Up, owner: Owner, another_release: Release, shipped: Shipped, older: Callable[[Release], None]
) -> None:
    older(another_release)
    up(another_release.shipped)
    forget_marks(owner)
    migrate.switch(marketplace, shipped, lambda _: None, on=False)
    add_tutor(owner)
    up()
    watching = owner.execute("select tgenabled from pg_trigger where tgname ~ '^caas_mark_' and tgenabled <> 'D'")
    assert watching.fetchall() == [] or [everyone for *_, everyone in marks(owner)] == [True]


def test_two_databases_of_one_server_are_migrated_apart(
    databases: Databases, up: Up, owner: Owner, shipped: Shipped
) -> None:
    other = databases.create()
    try:
        with psycopg.connect(other, autocommit=True) as connection:
            schema.create(connection)
            assert up() > 0
            assert migrate.up(other, shipped, lambda _: None) > 0
            assert everything(connection) == everything(owner)
    finally:
        databases.drop(other)
