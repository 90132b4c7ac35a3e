"""Nobody runs anything with another's rights: neither through the functions that run as their owner, nor as the worker.

A role that may create in public, as everybody could before PostgreSQL 15, offers functions, operators, types and tables
under the names that ours use. Each of them writes down as whom it ran.
"""

from collections.abc import Iterator

import psycopg
import pytest

from caas_worker import follow, migrate, worker
from caas_worker.catalog import QUALITY_TABLES
from caas_worker.db import Database
from caas_worker.errors import MigrationRefused
from caas_worker.marketplace import schema
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from tests.interleaving import Rows, one
from tests.people import add_client, add_tutor, marks, total
from tests.security.conftest import Login, refused
from tests.town import INSERTS, TOWN, WATCHED, marked, put

FUNCTIONS = {
    "btrim(text)": ("text", "$1"),
    "left(text, integer)": ("text", "$1"),
    "unnest(uuid[])": ("setof uuid", "array_to_string($1, '')::uuid"),
    "clock_timestamp()": ("timestamptz", "now()"),
    "row_security_active(oid)": ("boolean", "false"),
    "format(text, text)": ("text", "$1"),
    "array_cat(uuid[], uuid[])": ("uuid[]", "$1"),
    "nextval(text)": ("bigint", "1"),
    "tutors_are_equal(uuid, uuid)": ("boolean", "true"),
    "texts_are_equal(text, text)": ("boolean", "true"),
    "words_are_in(text, text[])": ("boolean", "true"),
    "numbers_are_equal(smallint, numeric)": ("boolean", "true"),
    "numbers_are_equal(smallint, bigint)": ("boolean", "true"),
    "ids_together(uuid[], uuid[])": ("uuid[]", "$1"),
}
"""Signature, what it returns, and as what."""

OPERATORS = {
    "= (leftarg = uuid, rightarg = uuid": "tutors_are_equal",
    "= (leftarg = text, rightarg = text": "texts_are_equal",
    "= (leftarg = smallint, rightarg = bigint": "numbers_are_equal",
    "= (leftarg = smallint, rightarg = numeric": "numbers_are_equal",
    "|| (leftarg = uuid[], rightarg = uuid[]": "ids_together",
}

HOSTILE = {
    "search_path": "trap, pg_temp, public, pg_catalog",
    "row_security": "off",
    "plan_cache_mode": "force_generic_plan",
    "check_function_bodies": "off",
    "default_transaction_isolation": "serializable",
    "plpgsql.extra_errors": "all",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "DateStyle": "SQL, DMY",
    "caas.profile_id": "x",
}

QUOTES = "word'); drop table public.caas_changes; select pg_sleep(0) --$function$ %I %s \\ \" $1"


@pytest.fixture
def mallory(app: Rows, application: Rows) -> Rows:
    """The application's role, in a database where it may create in public."""
    app.execute("create schema trap; create table trap.witness (who text, what text)")
    app.execute("grant usage on schema trap to public; grant insert, select on trap.witness to public")
    for where in ("trap", "public"):
        app.execute(f"grant create on schema {where} to {application.info.user}")
    return application


def witnessed(app: Rows, besides: str) -> set[tuple[str, str]]:
    """Who else ran something of the attacker's, and what."""
    return {row for row in app.execute("select who, what from trap.witness").fetchall() if row[0] != besides}


def plant(mallory: Rows, where: str) -> None:
    """Offer functions, operators, types and tables under the names that ours use."""
    for signature, (returns, value) in FUNCTIONS.items():
        mallory.execute(
            f"create function {where}.{signature} returns {returns} language plpgsql as $$ begin"
            f" insert into trap.witness values (current_user, '{signature}');"
            f" {'return next' if 'setof' in returns else 'return'} {value}; {'return;' if 'setof' in returns else ''}"
            " end $$".encode()
        )
    for operator, function in OPERATORS.items():
        mallory.execute(f"create operator {where}.{operator}, function = {where}.{function})".encode())
    mallory.execute(
        f"create function {where}.first(uuid[], uuid) returns uuid[] language plpgsql as $$ begin"
        " insert into trap.witness values (current_user, 'array_agg'); return $1 || $2; end $$".encode()
    )
    mallory.execute(
        f"create aggregate {where}.array_agg(uuid) (sfunc = {where}.first, stype = uuid[], initcond = '{{}}')".encode()
    )
    mallory.execute(
        f"create function {where}.note() returns boolean language plpgsql as $$ begin"
        " insert into trap.witness values (current_user, 'domain'); return true; end $$".encode()
    )
    for name in ("uuid", "text", "timestamptz", "regclass"):
        mallory.execute(f"create domain {where}.{name} as pg_catalog.{name} check ({where}.note())".encode())
    mallory.execute(
        f"create function {where}.taken() returns trigger language plpgsql as $$ begin"
        " insert into trap.witness values (current_user, tg_table_name); return null; end $$".encode()
    )
    if where != "public":
        for name in ("caas_changes", "caas_recalculation_queue", "caas_scores", "caas_every_score", "old_rows"):
            mallory.execute(
                f"create table {where}.{name} (profile_id pg_catalog.uuid, reason pg_catalog.text);"
                f" create trigger taken before insert on {where}.{name}"
                f" for each statement execute function {where}.taken()".encode()
            )


@pytest.fixture(params=["trap", "pg_temp", "public"])
def planted(request: pytest.FixtureRequest, mallory: Rows) -> Rows:
    """The attacker, after everything was planted in one schema, under hostile settings."""
    plant(mallory, request.param)
    for name, value in HOSTILE.items():
        mallory.execute("select pg_catalog.set_config(%s, %s, false)", (name, value))
    return mallory


def test_a_function_without_a_path_would_run_what_was_planted(app: Rows, planted: Rows) -> None:
    """Else the tests below would prove nothing."""
    app.execute(
        "create function open_door(ids uuid[]) returns void language plpgsql security definer as $$ begin"
        " insert into caas_changes (reason, profile_id) select btrim('word'::text), u from unnest(ids) as u;"
        " end $$; grant execute on function open_door to public"
    )
    app.execute("truncate trap.witness")
    planted.execute("select public.open_door('{00000000-0000-0000-0000-000000000001}')")
    assert witnessed(app, planted.info.user) != set()


@pytest.mark.parametrize("table", INSERTS)
def test_the_trigger_functions_run_nothing_of_the_writers(app: Rows, planted: Rows, table: str) -> None:
    app.execute(TOWN.encode())
    app.execute("truncate trap.witness")
    values, whom = INSERTS[table]
    put(planted, f"insert into public.{table} {values}")
    assert set(marked(app, table)) == whom
    for column, value in WATCHED.get(table, (None, {"profile_id": "null"}))[1].items():
        if column != "id":
            planted.execute(f"update public.{table} set {column} = {value}".encode())
    planted.execute(f"delete from public.{table}".encode())
    planted.execute(f"truncate public.{table} cascade".encode())
    assert witnessed(app, planted.info.user) == set()


def test_caas_enqueue_runs_nothing_of_its_callers(app: Rows, planted: Rows) -> None:
    app.execute(f"grant execute on function caas_enqueue to {planted.info.user}")
    app.execute("delete from caas_changes")
    tutor = "00000000-0000-0000-0000-000000000001"
    for reason in ("word", QUOTES):
        planted.execute("select public.caas_enqueue(array[%s]::pg_catalog.uuid[], %s, 10)", (tutor, reason))
    assert witnessed(app, planted.info.user) == set()
    assert [reason for reason, *_ in marks(app)] == ["word", QUOTES[:100]]
    planted.execute(
        "create type trap.word as (letters pg_catalog.text); create function trap.spell(trap.word)"
        " returns pg_catalog.text language plpgsql as $$ begin"
        " insert into trap.witness values (current_user, 'cast'); return ($1).letters; end $$;"
        " create cast (trap.word as pg_catalog.text) with function trap.spell(trap.word) as implicit"
    )
    planted.execute("select public.caas_enqueue(array[%s]::pg_catalog.uuid[], row('cast')::trap.word, 10)", (tutor,))
    assert ("cast",) in app.execute("select what from trap.witness").fetchall()
    assert witnessed(app, planted.info.user) == set()


def test_the_worker_runs_nothing_that_somebody_put_into_public(app: Rows, mallory: Rows, login: Login) -> None:
    plant(mallory, "public")
    for kind in ("numeric", "bigint", "integer"):
        app.execute(f"alter table profiles alter caas_score type {kind}")
        tutors = [add_tutor(app), add_tutor(app)]
        app.execute("truncate trap.witness")
        with Database(login("caas_worker")) as db:
            worker.drain(worker.line(db, Settings(), Registry([TutorStrategy()])), batch_size=10)
            app.execute("update profiles set caas_score = 1 where id = any(%s)", (tutors,))
            app.execute("insert into caas_score_follow values (%s)", (tutors[0],))
            follow.follow(db, tutors)
            follow.follow(db, None)
        assert witnessed(app, mallory.info.user) == set()
        assert one(app, "select count(*) from profiles where caas_score = 32 and id = any(%s)", tutors) == 2


def test_what_bears_our_names_and_is_somebody_elses_stops_a_migration(app: Rows, mallory: Rows, url: str) -> None:
    mallory.execute(
        "create function public.caas_enqueue_everyone(text) returns bigint language plpgsql as $$ begin"
        " insert into trap.witness values (current_user, 'everyone'); return 1; end $$"
    )
    with pytest.raises(MigrationRefused, match=rf"caas_enqueue_everyone\(text\) of {mallory.info.user}"):
        migrate.up(url, Shipped.load(), lambda _: None)
    assert witnessed(app, mallory.info.user) == set()


@pytest.mark.parametrize("table", ["caas_migrations", *QUALITY_TABLES])
def test_what_was_prepared_before_we_came_stops_a_migration(database_url: str, table: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        schema.create(owner)
        owner.execute("create role caas_test_early; grant create, usage on schema public to caas_test_early")
        owner.execute(f"set role caas_test_early; create table public.{table} (name text, sha256 text)".encode())
        owner.execute("reset role")
        try:
            with pytest.raises(MigrationRefused, match=f"table {table} of caas_test_early"):
                migrate.up(database_url, Shipped.load(), lambda _: None)
        finally:
            owner.execute("drop owned by caas_test_early; drop role caas_test_early")


def test_a_table_of_somebody_elses_whose_name_only_begins_like_ours_is_none_of_our_business(
    app: Rows, mallory: Rows, url: str
) -> None:
    mallory.execute("create table public.tutor_subjects (id integer)")
    assert migrate.up(url, Shipped.load(), lambda _: None) == 0
    assert not one(app, "select has_table_privilege('caas_worker', 'tutor_subjects', 'select')")


def test_the_trigger_functions_serve_no_table_of_somebody_elses(mallory: Rows) -> None:
    mallory.execute("create temp table bookings (id uuid, listing_id uuid, client_id uuid)")
    for function in ("caas_mark_bookings", "caas_mark_profiles", "caas_refuse_strangers"):
        assert refused(
            mallory,
            f"create trigger t after insert on pg_temp.bookings for each statement execute function {function}()",
        )


@pytest.mark.parametrize(
    "statement",
    [
        "alter function public.caas_enqueue reset search_path",
        "alter function public.caas_enqueue owner to current_user",
        "create or replace function public.caas_enqueue(profile_ids uuid[], reason text, priority integer default 10)"
        " returns integer language sql as 'select 1'",
        "drop function public.caas_mark_bookings cascade",
        "create or replace view public.caas_every_score as select null::uuid as profile_id, 1::smallint as total_score",
        "create trigger t before insert on public.caas_changes for each row execute function trap.own()",
        "create rule r as on insert to public.caas_changes do instead nothing",
        "create policy p on public.caas_scores using (true)",
        "alter table public.caas_changes add column more text",
        "create table public.heir () inherits (public.caas_changes)",
        "grant select on public.caas_scores to current_user",
        "reassign owned by caas_worker to current_user",
        "set session_replication_role = replica",
        "set session_preload_libraries = 'x'",
        "grant caas_worker to current_user",
        "set role caas_worker",
    ],
)
def test_nothing_of_ours_can_be_changed_or_taken_over(mallory: Rows, statement: str) -> None:
    mallory.execute("create function trap.own() returns trigger language plpgsql as 'begin return null; end'")
    assert refused(mallory, statement)


@pytest.fixture
def everybody_creates(app: Rows) -> Iterator[Rows]:
    """A database as it was before PostgreSQL 15."""
    app.execute("grant create on schema public to public")
    yield app
    app.execute("revoke create on schema public from public")


def test_a_database_where_everybody_creates_is_served_all_the_same(
    everybody_creates: Rows, login: Login, application: Rows
) -> None:
    tutor = add_tutor(everybody_creates)
    add_client(application)
    with Database(login("caas_worker")) as db:
        worker.drain(worker.line(db, Settings(), Registry([TutorStrategy()])), batch_size=10)
    assert total(everybody_creates, tutor) == 32
