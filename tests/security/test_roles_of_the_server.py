"""The roles belong to the server, not to a database: who makes them, what happens without them, and what is left."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from caas_worker import migrate, roles, worker
from caas_worker.db import Database
from caas_worker.ledger import open_ledger
from caas_worker.marketplace.schema import TABLES
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.verify import Check, verify
from tests.people import add, add_tutor, total
from tests.security.conftest import OURS, Server, allowed, refused

ROLES = (*OURS, "plain_owner", "creating_owner", "scorer")


@pytest.fixture
def server(own_server: str) -> Iterator[Server]:
    with psycopg.connect(own_server, autocommit=True) as superuser:
        superuser.execute("create role plain_owner login; create role creating_owner login createrole")
        superuser.execute("create role scorer login")
        made = Server(own_server, superuser)
        yield made
        for conninfo in made.made:
            made.databases.drop(conninfo)
        for role in ROLES:
            superuser.execute(f"drop role if exists {role}".encode())


def up(conninfo: str) -> tuple[int, list[str]]:
    """Steps of a migration, and what it said of roles."""
    said: list[str] = []
    steps = migrate.up(conninfo, Shipped.load(), said.append)
    return steps, [text for text in said if text.startswith(("role ", "caas_")) and not text.endswith(" grants")]


def checks(conninfo: str) -> list[Check]:
    """What verify finds, but for the hint that who only works may not write sessions on the application's behalf."""
    with Database(conninfo) as db:
        found = [check for check in verify(db, Shipped.load()) if not check.ok]
    return [check for check in found if not (check.hint and check.subject.endswith(" may act as caas_sessions"))]


def drain(conninfo: str) -> worker.Summary:
    with Database(conninfo) as db:
        return worker.drain(worker.line(db, Settings(), Registry([TutorStrategy()])), batch_size=10)


def test_an_owner_who_may_not_create_roles_migrates_and_works_without_them(server: Server) -> None:
    owned = server.marketplace("plain_owner")
    steps, said = up(owned)
    assert steps > 0
    assert said == [
        f"{role} is missing, and this role may not create it; caas-worker verify says who may, and how" for role in OURS
    ]
    assert up(owned)[0] == 0
    assert [(check.subject, check.hint) for check in checks(owned)] == [(role, True) for role in OURS]
    with server.connect(owned) as app:
        tutor = add_tutor(app)
        assert drain(owned).failed == 0
        assert total(app, tutor) == 32


def test_what_verify_says_then_makes_the_roles_work(server: Server) -> None:
    owned = server.marketplace("plain_owner")
    up(owned)
    scorer = make_conninfo(owned, user="scorer")
    todo = next(check.todo for check in checks(owned) if check.subject == "caas_worker")
    create, then = todo.removeprefix("run as a superuser or a role with createrole: ").split("; then ")
    assert then == "as the owner of the tables: caas-worker migrate up"
    for statement in (*(create.replace("caas_worker", role) for role in OURS), "grant caas_worker to scorer"):
        server.superuser.execute(statement.encode())
    assert any(check.subject.startswith("caas_worker: ") for check in checks(owned))
    assert up(owned)[0] > 0
    assert up(owned)[0] == 0
    assert checks(owned) == checks(scorer) == []
    with server.connect(owned) as app:
        tutor = add_tutor(app)
        assert drain(scorer).failed == 0
        assert total(app, tutor) == 32


def test_an_owner_who_may_create_roles_makes_them_and_lets_others_in(server: Server) -> None:
    owned = server.marketplace("creating_owner")
    assert up(owned)[1] == [f"role {role}" for role in OURS]
    assert up(owned) == (0, [])
    with server.connect(owned, "creating_owner") as owner:
        owner.execute("grant caas_worker to scorer")
        tutor = add_tutor(owner)
        assert drain(make_conninfo(owned, user="scorer")).failed == 0
        assert total(owner, tutor) == 32
    assert checks(owned) == []


def test_a_role_of_that_name_stays_as_it_is_and_gets_what_it_lacks(server: Server) -> None:
    owned = server.marketplace("plain_owner")
    server.superuser.execute("create role caas_worker login connection limit 7")
    with server.connect(owned, "plain_owner") as owner:
        owner.execute(
            "grant select on profiles, bookings to caas_worker; grant update (caas_score) on profiles to caas_worker"
        )
        up(owned)
        assert up(owned)[0] == 0
        kept = owner.execute(
            "select rolcanlogin, rolconnlimit, has_table_privilege('caas_worker', 'profiles', 'select')"
            " from pg_roles where rolname = 'caas_worker'"
        ).fetchone()
        assert kept == (True, 7, True)
    tried = make_conninfo(owned, user="caas_worker")
    assert [check.subject for check in checks(tried)] == ["caas_reader", "caas_sessions"]


def test_what_only_another_may_grant_is_left_said_and_named_by_verify(server: Server) -> None:
    owned = server.marketplace("plain_owner")
    server.superuser.execute("create role caas_worker; create role caas_reader; create role caas_sessions")
    with server.connect(owned) as superuser:
        superuser.execute("alter table profiles owner to creating_owner")
        superuser.execute("grant select, trigger on profiles to plain_owner")
        steps, said = up(owned)
        assert steps > 0
        lacking = "lacks grants that this role may not give; caas-worker verify says which"
        assert said == [f"caas_worker {lacking}", f"caas_sessions {lacking}"]
        found = {check.subject: check.todo for check in checks(owned)}
        assert {*found} == {
            "caas_worker: select on profiles",
            "caas_worker: update on profiles (caas_score)",
            "caas_sessions: select on profiles",
            "plain_owner may do the work",
        }
        superuser.execute(found.pop("plain_owner may do the work").rpartition(": ")[2].encode())
        for todo in found.values():
            superuser.execute(f"set role creating_owner; {todo.rpartition(': ')[2]}; reset role".encode())
    assert checks(owned) == []
    assert up(owned) == (0, [])


def test_a_table_of_another_owners_is_read_by_workers_as_who_migrated_may_read_it(server: Server) -> None:
    owned = server.marketplace("plain_owner")
    server.superuser.execute("create role caas_worker; create role caas_reader; create role caas_sessions")
    with server.connect(owned) as superuser:
        superuser.execute("alter table role_details owner to creating_owner")
        superuser.execute("grant select, trigger on role_details to plain_owner; grant caas_worker to scorer")
        up(owned)
        assert checks(owned) == checks(make_conninfo(owned, user="scorer")) == []
        tutor = add_tutor(superuser)
        add(superuser, "role_details", profile_id=tutor, role_type="TUTOR", degree_level="PHD")
        assert drain(make_conninfo(owned, user="scorer")).failed == 0
        assert (total(superuser, tutor) or 0) > 32
        with server.connect(owned, "scorer") as scorer:
            assert refused(scorer, "select * from role_details")


def test_two_databases_of_a_server_that_migrate_at_once_make_the_roles_once(server: Server) -> None:
    owned = [server.marketplace("creating_owner") for _ in range(3)]
    together = threading.Barrier(len(owned))

    def install(conninfo: str) -> list[str]:
        together.wait(timeout=20)
        return up(conninfo)[1]

    with ThreadPoolExecutor(len(owned)) as pool:
        said = [text for texts in pool.map(install, owned) for text in texts]
    assert sorted(said) == sorted(f"role {role}" for role in OURS)
    for conninfo in owned:
        assert up(conninfo)[0] == 0
        assert checks(conninfo) == []


def test_a_role_that_another_database_makes_just_now_is_waited_for(server: Server) -> None:
    owned = server.marketplace("creating_owner")
    said: list[str] = []
    waits = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        if "is busy" in text:
            waits.set()

    other = server.connect(owned, "creating_owner")
    other.autocommit = False
    other.execute("create role caas_worker")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(migrate.up, owned, Shipped.load(), say)
        assert waits.wait(timeout=20)
        other.commit()
        running.result(timeout=20)
    other.close()
    assert "role caas_worker" not in said
    assert {"role caas_reader", "role caas_sessions"} <= {*said}
    assert checks(owned) == []


def test_grants_of_a_table_that_the_application_has_locked_are_tried_again(server: Server) -> None:
    owned = server.marketplace("creating_owner")
    up(owned)
    with server.connect(owned, "creating_owner") as owner, server.connect(owned, "creating_owner") as holder:
        owner.execute("revoke update (caas_score) on profiles from caas_worker")
        with holder.transaction():
            holder.execute("update profiles set bio = bio")
            with open_ledger(owned, lambda _: None, patience_seconds=0) as ledger:
                assert roles.admit(ledger) == 1
    assert checks(owned) == []


def test_uninstall_leaves_no_privilege_on_the_applications_tables_and_the_roles(server: Server) -> None:
    owned = server.marketplace("creating_owner")
    with server.connect(owned, "creating_owner") as owner:
        server.superuser.execute("create role caas_worker")
        owner.execute("grant select on profiles to caas_worker; grant usage on schema public to caas_worker")
        up(owned)
        migrate.uninstall(owned, Shipped.load(), lambda _: None)
        for role in OURS:
            assert allowed(owner, role) == set()
            for table in TABLES:
                held = owner.execute(
                    "select has_table_privilege(%(role)s, %(table)s, 'select, insert, update, delete')"
                    " or has_any_column_privilege(%(role)s, %(table)s, 'select, insert, update')",
                    {"role": role, "table": table},
                ).fetchone()
                assert held == (False,), table
    server.superuser.execute("drop role caas_worker; drop role caas_reader; drop role caas_sessions")


@pytest.mark.parametrize("count", [1, 2], ids=["the views", "back to public"])
def test_down_and_up_again_leaves_every_role_what_it_may_and_nothing_else(server: Server, count: int) -> None:
    owned = server.marketplace("creating_owner")
    up(owned)
    with server.connect(owned) as app:
        before = {role: allowed(app, role) for role in (*OURS, "public")}
        migrate.down(owned, Shipped.load(), lambda _: None, count=count)
        up(owned)
        assert checks(owned) == []
        assert {role: allowed(app, role) for role in (*OURS, "public")} == before
        app.execute("grant caas_reader to scorer")
        with server.connect(owned, "scorer") as reader:
            assert reader.execute("select count(*) from public.caas_scores").fetchone() == (0,)
            assert refused(reader, "select count(*) from caas.changes")
