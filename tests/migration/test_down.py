"""`down` and `uninstall` take everything back, and the application never notices."""

from typing import Any

import psycopg
import pytest

from caas_worker import migrate
from caas_worker.ledger import Say
from caas_worker.shipped import Shipped
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
        migrate.uninstall(marketplace, shipped, interrupt_at("leave profiles"))
    write_everywhere(owner)
    migrate.uninstall(marketplace, shipped, quiet)
    assert everything(owner) == before


def test_up_goes_on_where_another_one_was_interrupted(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped, url: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        migrate.up(marketplace, shipped, interrupt_at("watch profiles"))
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
        "relation caas_migrations",
        "relation caas_migrations_are_named",
        "type caas_migrations",
        "type _caas_migrations",
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
    another_release.path("migrations/9999_more.sql").write_text("create table caas_more (id integer);\n")
    another_release.path("migrations/9999_more.rollback.sql").write_text("drop table caas_more;\n")
    up(another_release.shipped)
    tutor = add_tutor(owner)
    drain(marketplace)
    assert migrate.down(marketplace, another_release.shipped, quiet) == 1
    assert "relation caas_more" not in names_of_ours(owner)
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
