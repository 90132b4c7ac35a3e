"""Default privileges: however wide a database's are, what we make in it is open to nobody but the documented roles.

A hosted database may give every new table, sequence and function to roles that anybody on the web can act as.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from caas_worker import migrate, worker
from caas_worker.db import Database
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from tests.interleaving import Rows, one
from tests.migration import older_release
from tests.people import add_tutor, total
from tests.security.conftest import CLOSED, OURS, Login, Server, allowed, faults, newer, refused

WEB = ("anon", "authenticated", "service_role")
KINDS = ("tables", "functions", "sequences")

PRIVILEGES = {
    "as Supabase sets them": [
        "grant usage on schema public to anon, authenticated, service_role",
        *(
            f"alter default privileges in schema public grant all on {kind} to anon, authenticated, service_role"
            for kind in KINDS
        ),
    ],
    "in every schema": [
        f"alter default privileges grant all on {kind} to anon, authenticated, service_role"
        for kind in (*KINDS, "schemas", "types")
    ],
    "to everybody": [f"alter default privileges grant all on {kind} to public" for kind in (*KINDS, "schemas")],
}


@pytest.fixture
def host(own_server: str) -> Iterator[Server]:
    """A server with the roles that the web acts as, and one that owns the application's tables."""
    with psycopg.connect(own_server, autocommit=True) as superuser:
        superuser.execute("create role hosted_owner login createrole; create role web login")
        superuser.execute("create role anon; create role authenticated; create role service_role bypassrls")
        made = Server(own_server, superuser)
        yield made
        for conninfo in made.made:
            made.databases.drop(conninfo)
        for role in (*OURS, "web", *WEB, "hosted_owner"):
            superuser.execute(f"drop role if exists {role}".encode())


@pytest.fixture(params=PRIVILEGES)
def hosted(request: pytest.FixtureRequest, host: Server) -> str:
    """The owner's conninfo of a marketplace whose owner opened beforehand whatever he will make."""
    owned = host.marketplace("hosted_owner")
    with host.connect(owned, "hosted_owner") as owner:
        for statement in PRIVILEGES[request.param]:
            owner.execute(statement.encode())
        owner.execute("create table public.theirs (id integer)")
        assert one(owner, "select has_table_privilege('anon', 'public.theirs', 'select, insert, truncate')")
    return owned


def held(app: Rows) -> dict[str, set[str]]:
    """What those hold of ours who should not hold anything."""
    return {role: rights for role in (*WEB, "public") if (rights := allowed(app, role))}


class Watching:
    """Listens to a migration, and looks after each of its steps what others may meanwhile."""

    def __init__(self, app: Rows) -> None:
        self.said: list[str] = []
        self.seen: dict[str, dict[str, set[str]]] = {}
        self._app = app

    def __call__(self, text: str) -> None:
        self.said.append(text)
        if found := held(self._app):
            self.seen[text] = found


def drain(conninfo: str) -> worker.Summary:
    with Database(conninfo) as db:
        return worker.drain(worker.line(db, Settings(), Registry([TutorStrategy()])), batch_size=10)


def test_installing_opens_nothing_at_any_moment(host: Server, hosted: str) -> None:
    with host.connect(hosted) as app:
        watching = Watching(app)
        assert migrate.up(hosted, Shipped.load(), watching) > 0
        assert len(watching.said) > 20
        assert (watching.seen, held(app)) == ({}, {})
        with Database(hosted) as db:
            assert faults(db) == {}
        assert migrate.up(hosted, Shipped.load(), lambda _: None) == 0
        app.execute("grant caas_worker to web")
        tutor = add_tutor(app)
        assert drain(hosted.replace("hosted_owner", "web")).failed == 0
        assert total(app, tutor) == 32


def test_an_installation_in_public_that_was_open_is_closed_by_the_move(host: Server, hosted: str) -> None:
    with host.connect(hosted) as app, host.connect(hosted, "hosted_owner") as owner:
        older_release.install(owner)
        assert one(app, "select has_table_privilege('anon', 'caas_changes', 'select, delete, truncate')")
        assert one(app, "select has_sequence_privilege('anon', 'caas_generation', 'update')")
        watching = Watching(app)
        assert migrate.up(hosted, Shipped.load(), watching) > 0
        # what was open until the tables moved is no news; from then on it is closed
        assert held(app) == {}
        with Database(hosted) as db:
            assert faults(db) == {}


def test_the_move_keeps_what_may_be_granted_and_was_by_hand(host: Server) -> None:
    owned = host.marketplace("hosted_owner")
    with host.connect(owned) as app, host.connect(owned, "hosted_owner") as owner:
        older_release.install(owner)
        owner.execute("grant select on caas_scores to web, anon; grant insert on caas_scores to anon")
        owner.execute("grant update (total_score) on caas_scores to service_role")
        owner.execute("grant execute on function caas_enqueue to web, authenticated")
        owner.execute("grant execute on all functions in schema public to authenticated")
        migrate.up(owned, Shipped.load(), lambda _: None)
        assert allowed(app, "web") == {"view public.caas_scores", "schema caas", "function caas.enqueue"}
        assert held(app) == {}


def test_what_is_made_anew_later_opens_nothing_either(host: Server, tmp_path: Path) -> None:
    owned = host.marketplace("hosted_owner")
    shipped = Shipped.load()
    migrate.up(owned, shipped, lambda _: None)
    with host.connect(owned) as app, host.connect(owned, "hosted_owner") as owner:
        for kind in KINDS:
            owner.execute(f"alter default privileges in schema caas grant all on {kind} to anon, public".encode())
            owner.execute(f"alter default privileges grant all on {kind} to authenticated".encode())
        watching = Watching(app)
        assert migrate.up(owned, newer(shipped, tmp_path), watching) > 10
        assert (watching.seen, held(app)) == ({}, {})
        migrate.down(owned, newer(shipped, tmp_path), lambda _: None, count=2)
        migrate.up(owned, shipped, lambda _: None)
        assert held(app) == {}


def test_views_that_an_applications_migration_restores_open_nothing(host: Server) -> None:
    owned = host.marketplace("hosted_owner")
    migrate.up(owned, Shipped.load(), lambda _: None)
    with host.connect(owned) as app, host.connect(owned, "hosted_owner") as owner:
        before = allowed(app, "caas_worker")
        owner.execute("alter default privileges grant all on tables to anon, public")
        with owner.transaction():
            owner.execute("select caas.release('public.profiles'); alter table profiles alter bio type varchar")
            owner.execute("select caas.restore()")
        assert held(app) == {}
        assert allowed(app, "caas_worker") == before


GRANTS = {
    "select on a table": "grant select on caas.scores to {role}",
    "truncate on a table": "grant truncate on caas.changes to {role}",
    "references on a table": "grant references on caas.scores to {role}",
    "a column": "grant select (total_score) on caas.scores to {role}",
    "a column to write": "grant update (total_score) on caas.scores to {role}",
    "the ledger": "grant select on caas.migrations to {role}",
    "a table of quality scores": "grant all on caas.tutor_scores to {role}",
    "a source view": "grant select on caas.source_profiles to {role}",
    "a column of a source view": "grant select (roles) on caas.source_profiles to {role}",
    "a sequence": "grant usage on sequence caas.generation to {role}",
    "a sequence of numbers": "grant select on sequence caas.changes_id_seq to {role}",
    "a function": "grant execute on function caas.hold to {role}",
    "a trigger function": "grant execute on function caas.mark_profiles to {role}",
    "a function of the owner's": "grant execute on function caas.restore to {role}",
    "the schema": "grant usage on schema caas to {role}",
    "to make something in the schema": "grant create on schema caas to {role}",
    "to insert through the view": "grant insert on public.caas_scores to {role}",
    "to update through the view": "grant update on public.caas_scores to {role}",
    "to update a column through the view": "grant update (total_score) on public.caas_scores to {role}",
    "to have triggers on the view": "grant trigger on public.caas_scores to {role}",
}

ONLY_EVERYBODY = {
    "the view": "grant select on public.caas_scores to {role}",
    "to mark": "grant execute on function caas.enqueue to {role}",
}


@pytest.fixture
def stranger(login: Login) -> str:
    """The name of a role that holds nothing of ours."""
    return str(conninfo_to_dict(login())["user"])


def taken_back(url: str) -> list[str]:
    """What a migration says that it takes back."""
    said: list[str] = []
    migrate.up(url, Shipped.load(), said.append)
    return [text for text in said if text.startswith("close ")]


@pytest.mark.parametrize("what", GRANTS)
@pytest.mark.parametrize("whom", ["a role", "everybody"])
def test_a_right_that_somebody_granted_is_a_fault_and_taken_back(
    app: Rows, url: str, login: Login, stranger: str, what: str, whom: str
) -> None:
    role = stranger if whom == "a role" else "public"
    is_a_fault_and_taken_back(app, url, login, role, GRANTS[what])


@pytest.mark.parametrize("what", ONLY_EVERYBODY)
def test_what_a_role_may_be_granted_is_not_for_everybody(app: Rows, url: str, login: Login, what: str) -> None:
    is_a_fault_and_taken_back(app, url, login, "public", ONLY_EVERYBODY[what])


def is_a_fault_and_taken_back(app: Rows, url: str, login: Login, role: str, grant: str) -> None:
    before = {name: allowed(app, name) for name in OURS}
    app.execute(grant.format(role=role).encode())
    assert allowed(app, role) != set()
    with Database(login("caas_worker")) as db:
        found = faults(db)
        assert {CLOSED, f"{role} has no right on ours"} <= found.keys()
        assert "caas-worker migrate up" in found[f"{role} has no right on ours"]
        assert [text.rpartition(" to ")[2] for text in taken_back(url)] == [role]
        assert faults(db) == {}
    assert allowed(app, role) == set()
    assert {name: allowed(app, name) for name in OURS} == before
    assert taken_back(url) == []


def test_what_verify_says_takes_it_back_as_well(app: Rows, db: Database, stranger: str) -> None:
    app.execute(f"grant select on caas.scores, caas.rules to {stranger}; grant create on schema caas to {stranger}")
    todo = faults(db)[f"{stranger} has no right on ours"]
    for statement in todo.partition("run as the owner of the table: ")[2].split("; "):
        app.execute(statement.encode())
    assert faults(db) == {}
    assert allowed(app, stranger) == set()


def test_each_role_is_one_fault_that_names_some_of_what_it_holds(
    app: Rows, db: Database, login: Login, stranger: str
) -> None:
    another = str(conninfo_to_dict(login())["user"])
    app.execute(f"grant select on all tables in schema caas to {stranger}, {another}")
    found = faults(db)
    assert found.keys() == {CLOSED, *(f"{role} has no right on ours" for role in (stranger, another))}
    assert "table caas.cell_states" in found[f"{another} has no right on ours"]
    assert " more" in found[f"{another} has no right on ours"]


def test_rights_that_were_handed_on_go_with_those_that_they_came_from(
    app: Rows, url: str, db: Database, login: Login, stranger: str
) -> None:
    another = str(conninfo_to_dict(login())["user"])
    app.execute(f"grant usage on schema caas to {stranger}, {another}")
    app.execute(f"grant all on caas.scores to {stranger} with grant option")
    app.execute(f"set role {stranger}; grant select, update on caas.scores to {another}; reset role")
    assert {f"{role} has no right on ours" for role in (stranger, another)} <= faults(db).keys()
    assert taken_back(url) != []
    assert allowed(app, stranger) == allowed(app, another) == set()
    assert faults(db) == {}


def test_whoever_holds_more_than_may_be_granted_keeps_that_which_may(app: Rows, url: str, stranger: str) -> None:
    app.execute(f"grant select, insert, delete on public.caas_scores to {stranger}")
    app.execute(f"grant usage, create on schema caas to {stranger}")
    app.execute(f"grant execute on function caas.enqueue, caas.hold to {stranger}")
    assert len(taken_back(url)) == 3
    assert allowed(app, stranger) == {"view public.caas_scores", "schema caas", "function caas.enqueue"}
    assert one(app, "select has_table_privilege(%s, 'public.caas_scores', 'select')", stranger)
    assert not one(app, "select has_table_privilege(%s, 'public.caas_scores', 'insert, delete')", stranger)
    assert not one(app, "select has_schema_privilege(%s, 'caas', 'create')", stranger)


SURPLUS = {
    "grant truncate on caas.scores to caas_worker": "truncate caas.scores",
    "grant insert on caas.migrations to caas_worker": "insert into caas.migrations values ('x', 'y')",
    "grant update (definition) on caas.source_views to caas_worker": "update caas.source_views set definition = ''",
    "grant update on caas.source_profiles to caas_worker": "update caas.source_profiles set bio = ''",
    "grant create on schema caas to caas_worker": "create table caas.mine (id integer)",
    "grant execute on function caas.restore to caas_worker": "select caas.restore()",
    "grant execute on function caas.mark_profiles to caas_worker": None,
    "grant update on sequence caas.generation to caas_worker": "select setval('caas.generation', 1)",
}
"""Rights that no worker needs, and what they would allow."""


@pytest.mark.parametrize("grant", SURPLUS)
def test_workers_too_keep_what_is_documented_and_nothing_else(app: Rows, url: str, login: Login, grant: str) -> None:
    conninfo = login("caas_worker")
    before = allowed(app, "caas_worker")
    app.execute(grant.encode())
    with Database(conninfo) as db:
        assert {CLOSED, "caas_worker has no right on ours"} == faults(db).keys()
        assert [text.rpartition(" to ")[2] for text in taken_back(url)] == ["caas_worker"]
        assert faults(db) == {}
    assert allowed(app, "caas_worker") == before
    if statement := SURPLUS[grant]:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            assert refused(connection, statement)


DOCUMENTED: dict[str, tuple[Callable[[str], list[str]], set[str]]] = {
    "membership of caas_reader": (lambda role: [f"grant caas_reader to {role}"], {"view public.caas_scores"}),
    "the view": (lambda role: [f"grant select on public.caas_scores to {role}"], {"view public.caas_scores"}),
    "columns of the view": (
        lambda role: [f"grant select (profile_id, total_score) on public.caas_scores to {role}"],
        {"view public.caas_scores"},
    ),
    "to mark": (
        lambda role: [
            f"grant usage on schema caas to {role}",
            f"grant execute on function caas.enqueue to {role}",
        ],
        {"schema caas", "function caas.enqueue"},
    ),
}


@pytest.mark.parametrize("what", DOCUMENTED)
def test_what_may_be_granted_is_no_fault_and_stays(
    app: Rows, url: str, db: Database, stranger: str, tmp_path: Path, what: str
) -> None:
    statements, rights = DOCUMENTED[what]
    for statement in statements(stranger):
        app.execute(statement.encode())
    assert faults(db) == {}
    assert taken_back(url) == []
    migrate.up(url, newer(Shipped.load(), tmp_path), lambda _: None)
    assert allowed(app, stranger) == rights
