"""An upgraded database is the database of a fresh install, whatever the older release had put there."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from tests.conftest import Databases
from tests.migration import older_release
from tests.migration.conftest import Release, Up, all_files
from tests.migration.inventory import everything, ledger
from tests.people import add_tutor, forget_marks, marks

Owner = psycopg.Connection[Any]


def an_older_body(release: Release) -> None:
    for path in sorted((release.folder / "migrations" / "functions").glob("*.sql")):
        path.write_text(path.read_text().replace("$function$\n", "$function$\n    -- as it was\n", 1))


def an_older_comment(release: Release) -> None:
    for path in sorted((release.folder / "migrations" / "functions").glob("*.sql")):
        path.write_text(path.read_text().rstrip().removesuffix("';") + " As it was.';\n")


def another_result(release: Release) -> None:
    release.edit("functions/wake.sql", "lost integer", "losses integer")
    release.edit("functions/wake.sql", "get diagnostics lost", "get diagnostics losses")


def other_arguments(release: Release) -> None:
    release.edit("functions/expand.sql", "caas.expand(max_profiles integer)", "caas.expand(most bigint)")
    release.edit("functions/expand.sql", "caas.expand(integer)", "caas.expand(bigint)")
    release.edit("functions/expand.sql", "max_profiles", "most")


def fewer_columns(release: Release) -> None:
    release.edit("triggers/profile_graph.sql", "status, relationship_type, created_at", "status")
    release.edit("triggers/profiles.sql", "avatar_url, business_verified", "avatar_url, business_verified, caas_score")


def another_trigger_function(release: Release) -> None:
    """The template that every trigger function is written from."""
    release.edit("functions/watch.sql", "            return null;\n", "            return null; -- as it was\n")


def other_triggers(release: Release) -> None:
    """The statement that every trigger is created by."""
    release.edit("functions/attach.sql", "for each statement", "for each statement when (true)")


def a_function_that_is_gone(release: Release) -> None:
    """A function that later releases no longer ship."""
    text = release.path("functions/merge_reasons.sql").read_text()
    release.path("functions/gone.sql").write_text(text.replace("caas.merge_reasons", "caas.gone"))


def an_older_view(release: Release) -> None:
    """A source view without a comment, and one that casts to another type."""
    release.edit("views/bookings.sql", "comment on column caas.source_bookings.id is 'The session.';\n", "")
    release.edit("views/listings.sql", "l.profile_id::uuid as", "l.profile_id::text as")


def a_view_that_is_gone(release: Release) -> None:
    """A source view that later releases no longer ship."""
    text = release.path("views/listings.sql").read_text()
    release.path("views/gone.sql").write_text(text.replace("caas.source_listings", "caas.source_gone"))


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
        an_older_view,
        a_view_that_is_gone,
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
    assert ledger(owner).keys() == {file.name for file in all_files(shipped)}
    assert up() == 0


def test_a_new_migration_runs_once_after_those_that_ran(up: Up, owner: Owner, another_release: Release) -> None:
    up()
    another_release.path("migrations/9999_more.sql").write_text("create table caas.more (id integer);\n")
    another_release.path("migrations/9999_more.rollback.sql").write_text("drop table caas.more;\n")
    assert up(another_release.shipped) == 2, "the migration, and the grants on its table"
    owner.execute("insert into caas.more values (1)")
    assert up(another_release.shipped) == 0
    assert owner.execute("select id from caas.more").fetchall() == [(1,)]


def test_a_migration_that_fails_leaves_nothing_of_itself(up: Up, owner: Owner, another_release: Release) -> None:
    up()
    before, recorded = everything(owner), ledger(owner)
    another_release.path("migrations/9999_more.sql").write_text("create table caas.more (id integer); select 1 / 0;\n")
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


def test_a_worker_role_that_was_made_by_hand_goes_on_under_its_name(up: Up, owner: Owner, fresh: set[str]) -> None:
    older_release.install(owner)
    owner.execute("grant select on profiles to caas_worker")
    up()
    # the hand-made grant stays, and makes those on the table's columns needless
    assert {line for line in fresh - everything(owner) if "profiles" not in line} == set()
    assert up() == 0


def test_a_source_view_that_is_replayed_keeps_its_grants_and_marks_everyone(
    up: Up, owner: Owner, another_release: Release
) -> None:
    up()
    forget_marks(owner)
    another_release.edit("views/listings.sql", "l.profile_id::uuid as", "coalesce(l.profile_id)::uuid as")
    assert up(another_release.shipped) == 1, "the view, and no grant afterwards"
    allowed = owner.execute("select has_table_privilege('caas_worker', 'caas.source_listings', 'select')").fetchone()
    assert allowed == (True,)
    assert marks(owner) == [("views", None, None, False, True)]


def test_grants_come_with_a_column_that_the_application_adds_and_with_a_function_that_is_replayed(
    up: Up, owner: Owner, another_release: Release
) -> None:
    owner.execute("alter table profiles drop column caas_score")
    up()
    owner.execute("alter table profiles add column caas_score integer")
    owner.execute("revoke all on function caas.fold from caas_worker")
    assert up() == 3, "select and update on the column, and the function"
    assert up() == 0
    another_release.edit("functions/fold.sql", "-- Fold:", "-- Fold, changed:")
    assert up(another_release.shipped) == 1
    allowed = owner.execute(
        "select has_function_privilege('caas_worker', 'caas.fold'::regproc, 'execute'),"
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
