"""From the schema public to the schema caas (migration 0008): a fresh install in the end, with the rights meant."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from caas_worker import migrate
from caas_worker.db import Database
from caas_worker.errors import MigrationRefused
from caas_worker.shipped import Shipped
from caas_worker.verify import verify
from tests.migration import older_release
from tests.migration.conftest import Release, Up, all_files, give
from tests.migration.inventory import everything, ledger, names_of_ours
from tests.migration.older_rows import audited, drain
from tests.migration.test_down import quiet, write_everywhere
from tests.people import add_tutor, marks
from tests.security.conftest import allowed

Owner = psycopg.Connection[Any]


def as_role(owner: Owner, role: str) -> Owner:
    """A connection of that role to the same database."""
    return psycopg.connect(make_conninfo(owner.info.dsn, user=role, password="none"), autocommit=True)


def faults(conninfo: str) -> set[str]:
    """What verify finds that is not a hint."""
    with Database(conninfo) as db:
        return {f"{check.subject}: {check.todo}" for check in verify(db, Shipped.load()) if not check.ok | check.hint}


def older_score(owner: Owner) -> UUID:
    """A tutor whose score the older release has cached."""
    tutor = add_tutor(owner)
    owner.execute(
        "insert into public.caas_scores (profile_id, role_type, total_score, score_breakdown, score_inputs,"
        " gate_failed, calculation_version, calculated_at, source_changed_at, generation)"
        " values (%s, 'TUTOR', 32, '{}', '{}', false, 'v1', now(), now(), 1)",
        (tutor,),
    )
    return tutor


def test_it_ends_as_a_fresh_install(marketplace: str, up: Up, owner: Owner, fresh: set[str], shipped: Shipped) -> None:
    older_release.install(owner)
    up()
    assert everything(owner) - fresh == set()
    assert fresh - everything(owner) == set()
    assert len(ledger(owner)) == len(all_files(shipped))
    assert up() == 0
    assert faults(marketplace) == set()


NAMES_IN_PUBLIC = """
    select relname from pg_class where relnamespace = 'public'::regnamespace
    union all select proname from pg_proc where pronamespace = 'public'::regnamespace
    union all select ltrim(typname, '_') from pg_type where typnamespace = 'public'::regnamespace
    union all select conname from pg_constraint where connamespace = 'public'::regnamespace
    union all select polname from pg_policy
"""


def test_nothing_of_ours_stays_in_public_but_the_view(up: Up, owner: Owner) -> None:
    def names() -> set[str]:
        return {name for (name,) in owner.execute(NAMES_IN_PUBLIC).fetchall()}

    before = names()
    older_release.install(owner)
    assert len(names()) > len(before) + 100
    up()
    assert names() - before == {"caas_scores"}


def test_roles_keep_what_was_granted_to_them_by_name_and_no_more(
    marketplace: str, up: Up, owner: Owner, role: str
) -> None:
    older_release.install(owner)
    tutor = older_score(owner)
    owner.execute(f"grant select on caas_scores to {role}".encode())
    up()
    assert allowed(owner, role) == {"view public.caas_scores"}
    with as_role(owner, role) as reader:
        row = reader.execute("select total_score from caas_scores where profile_id = %s", (tutor,)).fetchone()
        assert row == (32,)
    assert faults(marketplace) == set()


def test_columns_that_were_granted_are_those_that_may_be_read(
    marketplace: str, up: Up, owner: Owner, role: str
) -> None:
    older_release.install(owner)
    tutor = older_score(owner)
    owner.execute(f"grant select (profile_id, total_score) on caas_scores to {role}".encode())
    up()
    assert allowed(owner, role) == {"view public.caas_scores"}
    with as_role(owner, role) as reader:
        row = reader.execute("select total_score from caas_scores where profile_id = %s", (tutor,)).fetchone()
        assert row == (32,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select score_inputs from caas_scores")
    assert faults(marketplace) == set()


def test_a_view_of_another_role_over_the_older_cache_is_named_before_anything_moves(
    up: Up, owner: Owner, role: str
) -> None:
    older_release.install(owner)
    owner.execute(f"grant select on caas_scores to {role}; grant create on schema public to {role}".encode())
    owner.execute("create view public.ours as select total_score from public.caas_scores")
    with as_role(owner, role) as reader:
        reader.execute("create view public.cards as select total_score from public.caas_scores")
        before = everything(owner)
        with pytest.raises(MigrationRefused, match=r"public\.cards"):
            up()
        assert everything(owner) == before
        reader.execute("select * from public.cards; drop view public.cards")
        up()
        reader.execute("create view public.cards as select total_score from public.caas_scores")
        reader.execute("select * from public.cards")
    owner.execute("select * from public.ours")


def test_who_may_mark_may_go_on_marking(marketplace: str, up: Up, owner: Owner, role: str) -> None:
    older_release.install(owner)
    owner.execute(f"grant execute on function caas_enqueue to {role}".encode())
    up()
    assert allowed(owner, role) == {"schema caas", "function caas.enqueue"}
    with as_role(owner, role) as marking:
        assert marking.execute("select caas.enqueue(array[gen_random_uuid()], 'word')").fetchone() == (1,)
    assert faults(marketplace) == set()


def test_what_default_privileges_opened_is_closed(marketplace: str, up: Up, owner: Owner, role: str) -> None:
    for kind in ("tables", "functions", "sequences"):
        owner.execute(f"alter default privileges in schema public grant all on {kind} to {role}".encode())
    older_release.install(owner)
    assert owner.execute("select has_table_privilege(%s, 'caas_changes', 'insert')", (role,)).fetchone() == (True,)
    up()
    assert allowed(owner, role) == set()
    assert faults(marketplace) == set()


def test_a_later_migration_that_fails_leaves_the_move_done_and_writes_marked(
    marketplace: str, up: Up, owner: Owner, another_release: Release, fresh: set[str]
) -> None:
    older_release.install(owner)
    path = another_release.path("migrations/0009_source_views.sql")
    path.write_text(f"{path.read_text()}\nselect 1 / 0;\n")
    for _ in range(2):
        with pytest.raises(Exception, match="division by zero"):
            up(another_release.shipped)
    tutor = add_tutor(owner)
    assert marks(owner) == [("profiles", tutor, None, False, False)]
    up()
    assert everything(owner) == fresh
    assert marks(owner) == [("profiles", tutor, None, False, False)]
    drain(marketplace)
    assert audited(marketplace, tutor).same == 1


def test_a_role_without_the_right_to_create_a_schema_is_told_the_one_statement_that_helps(
    marketplace: str, owner: Owner, role: str, shipped: Shipped
) -> None:
    give(owner, role)
    before = everything(owner)
    conninfo = make_conninfo(marketplace, user=role, password="none")
    with pytest.raises(MigrationRefused) as refused:
        migrate.up(conninfo, shipped, quiet)
    statement = f'create schema caas authorization "{role}"'
    assert f"Run as the database's owner: {statement}" in str(refused.value)
    assert everything(owner) == before
    write_everywhere(owner)

    owner.execute(statement.encode())
    migrate.up(conninfo, shipped, quiet)
    assert migrate.up(conninfo, shipped, quiet) == 0
    assert faults(conninfo) == set()
    tutor = add_tutor(owner)
    drain(conninfo)
    assert audited(conninfo, tutor).same == 1
    migrate.uninstall(conninfo, shipped, quiet)
    assert names_of_ours(owner) == set()


def test_such_a_role_moves_an_installation_of_its_own(
    marketplace: str, owner: Owner, role: str, shipped: Shipped
) -> None:
    give(owner, role)
    with as_role(owner, role) as connection:
        older_release.install(connection)
    before = everything(owner)
    conninfo = make_conninfo(marketplace, user=role, password="none")
    with pytest.raises(MigrationRefused, match="create schema caas authorization"):
        migrate.up(conninfo, shipped, quiet)
    assert everything(owner) == before
    owner.execute(f"create schema caas authorization {role}".encode())
    migrate.up(conninfo, shipped, quiet)
    assert faults(conninfo) == set()
    tutor = add_tutor(owner)
    drain(conninfo)
    assert audited(conninfo, tutor).same == 1
