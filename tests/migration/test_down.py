"""`down` and `uninstall` take everything back, and the application never notices."""

import re
from typing import Any

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.errors import MigrationRefused
from caas_worker.ledger import Say
from caas_worker.shipped import Shipped
from tests.migration import older_release
from tests.migration.conftest import Release, Up
from tests.migration.inventory import everything, ledger, names_of_ours
from tests.migration.test_up import drain
from tests.people import (
    add_booking,
    add_client,
    add_listing,
    add_review,
    add_tutor,
    connect_people,
    marks,
    total,
)

Owner = psycopg.Connection[Any]

MIGRATIONS = [file.stem for file in Shipped.load().migrations]
OLDER = len(older_release.migrations())
"""How many of them the release before the schema caas had."""


def bare(shipped: Shipped, count: int) -> Shipped:
    """The first `count` migrations and nothing that is replayed."""
    return Shipped(migrations=shipped.migrations[:count], views=(), functions=(), triggers=())


def without_grants(lines: set[str]) -> set[str]:
    """The inventory without who may do what: tables keep their grants on the way back."""
    return {re.sub(r" grants \S*", "", line) for line in lines}


def quiet(_: str) -> None:
    """Say nothing."""


def write_everywhere(app: Owner) -> None:
    """The application inserts, updates and deletes in each of its watched tables, and truncates one."""
    tutor, client = add_tutor(app), add_client(app)
    listing = add_listing(app, tutor)
    add_booking(app, listing, client)
    add_review(app, client, tutor, 5)
    connect_people(app, tutor, client)
    app.execute("insert into role_details (profile_id, role_type) values (%s, 'TUTOR')", (tutor,))
    app.execute("insert into student_integration_links (profile_id) values (%s)", (tutor,))
    for change in (
        "update bookings set status = 'Cancelled'",
        "update profile_reviews set rating = 1",
        "update profile_graph set status = 'BLOCKED'",
        "update role_details set degree_level = 'PHD'",
        "update student_integration_links set is_active = false",
        "update listings set title = 'Physics'",
        "update profiles set bio = 'new'",
        "truncate profile_graph",
        "delete from profiles",
    ):
        app.execute(change)


def test_uninstall_leaves_no_object_of_ours(marketplace: str, up: Up, owner: Owner, shipped: Shipped) -> None:
    before = everything(owner)
    up()
    write_everywhere(owner)
    add_tutor(owner)
    drain(marketplace)
    assert len(names_of_ours(owner)) > 50
    migrate.uninstall(marketplace, shipped, quiet)
    assert names_of_ours(owner) == set()
    assert everything(owner) == before


def test_uninstall_takes_back_what_was_granted_by_hand_on_the_applications_tables(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped
) -> None:
    up()
    owner.execute("grant select, insert on bookings to caas_worker; grant select on listings to caas_reader")
    migrate.uninstall(marketplace, shipped, quiet)
    held = owner.execute(
        "select c.relname from pg_class as c cross join aclexplode(c.relacl) as a"
        " where a.grantee in ('caas_worker'::regrole, 'caas_reader'::regrole)"
    )
    assert held.fetchall() == []


OUTSIDERS = {
    "a view over the cache's view": "create view cards as select profile_id, total_score from public.caas_scores",
    "a view over a table": "create view cards as select profile_id, total_score from caas.scores",
    "a materialized view": "create materialized view cards as select * from public.caas_scores",
    "a policy": "create policy cards on profiles using (id in (select profile_id from public.caas_scores))",
    "a function that names a table": "create function cards() returns bigint language sql"
    " begin atomic select count(*) from caas.scores; end",
    "a generated column": "alter table profiles add column cards text"
    " generated always as (caas.role(array[display_name])) stored",
    "a function that returns its rows": "create function cards() returns setof public.caas_scores language sql"
    " as 'select * from public.caas_scores'",
    "a column's type": "create table cards (known caas.scores)",
    "a foreign key": "create table cards (id uuid references caas.scores)",
}
"""What an application may have made of ours, and would lose with it."""


@pytest.mark.parametrize("statement", OUTSIDERS.values(), ids=OUTSIDERS)
def test_uninstall_names_what_needs_ours_and_leaves_everything(
    url: str, app: Owner, shipped: Shipped, statement: str
) -> None:
    app.execute(statement.encode())
    before = everything(app)
    with pytest.raises(MigrationRefused, match=r"Drop first what .*cards.* Nothing was changed\."):
        migrate.uninstall(url, shipped, quiet)
    assert everything(app) == before


def test_application_writes_before_and_after(marketplace: str, up: Up, owner: Owner, shipped: Shipped) -> None:
    for _ in range(2):
        write_everywhere(owner)
        up()
        write_everywhere(owner)
        migrate.uninstall(marketplace, shipped, quiet)
    write_everywhere(owner)
    assert owner.execute("select count(*) from profiles").fetchone() == (0,)


def test_uninstalling_what_is_not_installed_does_nothing(marketplace: str, owner: Owner, shipped: Shipped) -> None:
    before = everything(owner)
    migrate.uninstall(marketplace, shipped, quiet)
    assert everything(owner) == before


def test_uninstall_goes_on_where_another_one_was_interrupted(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped
) -> None:
    before = everything(owner)
    up()
    with pytest.raises(KeyboardInterrupt):
        migrate.uninstall(marketplace, shipped, interrupt_at("leave public.profiles"))
    write_everywhere(owner)
    migrate.uninstall(marketplace, shipped, quiet)
    assert everything(owner) == before


def test_up_goes_on_where_another_one_was_interrupted(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, url: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        migrate.up(marketplace, shipped, interrupt_at("watch public.profiles"))
    write_everywhere(owner)
    assert up() > 0
    assert up() == 0
    with psycopg.connect(url) as fresh:
        assert everything(owner) == everything(fresh)


def interrupt_at(word: str) -> Say:
    """A listener that interrupts the migration as soon as it says this."""

    def say(message: str) -> None:
        if message == word:
            raise KeyboardInterrupt

    return say


def test_down_and_up_again_marks_everyone_and_the_scores_come_back(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped
) -> None:
    up()
    installed = everything(owner)
    tutors = [add_tutor(owner) for _ in range(3)]
    drain(marketplace)
    assert migrate.down(marketplace, shipped, quiet, count=len(shipped.migrations)) == len(shipped.migrations)
    assert names_of_ours(owner) <= {
        "schema caas",
        "relation caas_migrations",
        "relation caas_migrations_are_named",
        "type caas_migrations",
        "type caas_migrations[]",
    }
    assert ledger(owner) == {}
    owner.execute("update profiles set available_free_help = true where id = %s", (tutors[0],))

    up()
    assert everything(owner) == installed
    assert marks(owner) == [("installed", None, None, False, True)]
    drain(marketplace)
    assert [total(owner, tutor) for tutor in tutors] == [36, 32, 32]


def test_down_undoes_the_newest_migration_only(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, another_release: Release
) -> None:
    another_release.path("migrations/9999_more.sql").write_text("create table caas.more (id integer);\n")
    another_release.path("migrations/9999_more.rollback.sql").write_text("drop table caas.more;\n")
    up(another_release.shipped)
    tutor = add_tutor(owner)
    drain(marketplace)
    assert migrate.down(marketplace, another_release.shipped, quiet) == 1
    assert "relation caas.more" not in names_of_ours(owner)
    assert ledger(owner).keys() == {file.name for file in shipped.migrations}
    assert total(owner, tutor) == 32
    write_everywhere(owner)
    assert up() > 0


def test_down_by_no_migration_undoes_none(marketplace: str, up: Up, owner: Owner, shipped: Shipped) -> None:
    up()
    before = everything(owner)
    assert migrate.down(marketplace, shipped, quiet, count=0) == 0
    assert everything(owner) == before


def test_down_of_what_was_never_installed_undoes_nothing(marketplace: str, shipped: Shipped) -> None:
    assert migrate.down(marketplace, shipped, quiet) == 0


def test_every_migration_has_a_rollback(shipped: Shipped) -> None:
    assert all(file.rollback.strip() for file in shipped.migrations)


@pytest.mark.parametrize("number", range(1, len(MIGRATIONS) + 1), ids=lambda number: MIGRATIONS[number - 1])
def test_a_rollback_leaves_what_was_there_before_its_migration(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, number: int
) -> None:
    def standing() -> set[str]:
        # `up` grants on what is in the schema caas, and grants go where their tables go
        return everything(owner) if number <= OLDER else without_grants(everything(owner))

    older_release.create_ledger(owner)
    up(bare(shipped, number - 1))
    # the bridge of 0008 is for writes that wait while it commits: 0009 takes it away for good
    before = {line for line in standing() if not (number == OLDER + 2 and "caas_changes" in line)}
    migration = bare(shipped, number)
    up(migration)
    assert standing() != before
    assert migrate.down(marketplace, migration, quiet) == 1
    assert standing() - before == set()
    assert before - standing() == set()


@pytest.mark.parametrize("was_older", [False, True], ids=["a fresh install", "a moved one"])
def test_the_way_back_to_the_schema_public_ends_where_the_older_releases_migrations_do(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, was_older: bool
) -> None:
    empty = everything(owner)
    older_release.create_ledger(owner)
    up(bare(shipped, OLDER))
    expected = without_grants(everything(owner))
    migrate.down(marketplace, bare(shipped, OLDER), quiet, count=OLDER)
    owner.execute("drop table public.caas_migrations; drop schema caas")
    assert without_grants(everything(owner)) == without_grants(empty)

    if was_older:
        older_release.install(owner)
    up()
    assert migrate.down(marketplace, shipped, quiet, count=len(MIGRATIONS) - OLDER) == len(MIGRATIONS) - OLDER
    assert without_grants(everything(owner)) - expected == set()
    assert expected - without_grants(everything(owner)) == set()


def test_a_fresh_install_that_was_interrupted_half_way_can_be_undone(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped
) -> None:
    up(bare(shipped, 4))
    assert migrate.down(marketplace, shipped, quiet, count=2) == 2
    assert ledger(owner).keys() == {file.name for file in shipped.migrations[:2]}
    assert up() > 0
