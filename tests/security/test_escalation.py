"""Nobody runs anything with another's rights: neither through the functions that run as their owner, nor as the worker.

A role that may create in public, as everybody could before PostgreSQL 15, offers functions, operators, types and tables
under the names that ours use. Each of them writes down as whom it ran.
"""

from collections.abc import Iterator

import psycopg
import pytest

from caas_worker import follow, migrate, worker
from caas_worker.db import Database
from caas_worker.errors import MigrationRefused
from caas_worker.marketplace import schema
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.verify import OUR_TABLES
from tests.interleaving import Rows, one, plain_role, worker_as
from tests.people import add_client, add_tutor, marks, total
from tests.security.conftest import Login, faults, refused
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

QUOTES = "word'); drop table caas.changes; select pg_sleep(0) --$function$ %I %s \\ \" $1"


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
        for name in ("changes", "recalculation_queue", "scores", "caas_changes", "source_profiles", "old_rows"):
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
        " insert into caas.changes (reason, profile_id) select btrim('word'::text), u from unnest(ids) as u;"
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
    app.execute(f"grant usage on schema caas to {planted.info.user}")
    app.execute(f"grant execute on function caas.enqueue to {planted.info.user}")
    app.execute("delete from caas.changes")
    tutor = "00000000-0000-0000-0000-000000000001"
    for reason in ("word", QUOTES):
        planted.execute("select caas.enqueue(array[%s]::pg_catalog.uuid[], %s, 10)", (tutor, reason))
    assert witnessed(app, planted.info.user) == set()
    assert [reason for reason, *_ in marks(app)] == ["word", QUOTES[:100]]
    planted.execute(
        "create type trap.word as (letters pg_catalog.text); create function trap.spell(trap.word)"
        " returns pg_catalog.text language plpgsql as $$ begin"
        " insert into trap.witness values (current_user, 'cast'); return ($1).letters; end $$;"
        " create cast (trap.word as pg_catalog.text) with function trap.spell(trap.word) as implicit"
    )
    planted.execute("select caas.enqueue(array[%s]::pg_catalog.uuid[], row('cast')::trap.word, 10)", (tutor,))
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
            app.execute("insert into caas.score_follow values (%s)", (tutors[0],))
            follow.follow(db, tutors)
            follow.follow(db, None)
        assert witnessed(app, mallory.info.user) == set()
        assert one(app, "select count(*) from profiles where caas_score = 32 and id = any(%s)", tutors) == 2


INTRUSIONS = {
    r"function caas.enqueue_everyone\(character varying\)": "function caas.enqueue_everyone(varchar) returns bigint"
    " language plpgsql as $$ begin insert into trap.witness values (current_user, 'everyone'); return 1; end $$",
    "view caas.bookings": "view caas.bookings as select 1 as id",
    "table caas.mine": "table caas.mine (id integer)",
    "sequence caas.mine": "sequence caas.mine",
}


@pytest.mark.parametrize("what", INTRUSIONS)
def test_what_somebody_else_put_into_our_schema_stops_a_migration(
    app: Rows, mallory: Rows, url: str, db: Database, what: str
) -> None:
    app.execute(f"grant usage, create on schema caas to {mallory.info.user}")
    mallory.execute(f"create {INTRUSIONS[what]}".encode())
    with pytest.raises(MigrationRefused, match=f"{what} of {mallory.info.user}"):
        migrate.up(url, Shipped.load(), lambda _: None)
    assert what.replace("\\", "") in faults(db)
    assert witnessed(app, mallory.info.user) == set()


OLD_LEDGERS = {
    "view": "create view public.caas_migrations as select public.told() as name, ''::text as sha256",
    "table with a policy": "create table public.caas_migrations (name text, sha256 text);"
    " insert into public.caas_migrations values ('migrations/0001_line.sql', '');"
    " create policy p on public.caas_migrations using (public.told() is not null);"
    " alter table public.caas_migrations enable row level security",
}
"""What reading it would run, as who reads it: an earlier release kept its ledger under this name."""


@pytest.fixture(params=OLD_LEDGERS)
def ledger_of_mallorys(request: pytest.FixtureRequest, mallory: Rows) -> None:
    mallory.execute(
        "create function public.told() returns text language plpgsql as $$ begin"
        " insert into trap.witness values (current_user, 'ledger'); return ''; end $$"
    )
    mallory.execute(f"{OLD_LEDGERS[request.param]}; grant select on public.caas_migrations to public".encode())


@pytest.mark.usefixtures("ledger_of_mallorys")
def test_a_ledger_that_somebody_put_where_an_earlier_release_had_it_is_not_read(
    app: Rows, mallory: Rows, url: str, login: Login
) -> None:
    shipped = Shipped.load()
    assert {file.state for file in migrate.status(url, shipped)} == {"installed"}
    with Database(login("caas_worker")) as db:
        assert faults(db) == {}
    assert migrate.up(url, shipped, lambda _: None) == 0
    assert witnessed(app, mallory.info.user) == set()


@pytest.fixture
def early(database_url: str) -> Iterator[Rows]:
    """The owner's connection to a marketplace where we are not yet, and the role early was let in before us."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        schema.create(owner)
        owner.execute("create role caas_test_early; grant create, usage on schema public to caas_test_early")
        owner.execute(f"grant create on database {owner.info.dbname} to caas_test_early".encode())
        try:
            yield owner
        finally:
            owner.execute("reset role; drop owned by caas_test_early cascade; drop role caas_test_early")


STRANGERS_SCHEMA = "schema caas belongs to caas_test_early|schema caas that caas_worker did not make|of caas_test_early"
PREPARED = {
    "create table public.caas_scores (profile_id uuid)": "public.caas_scores",
    "create view public.caas_scores as select 1 as total_score": "public.caas_scores",
    "create table public.caas_migrations (name text, sha256 text)": "public.caas_migrations",
    "create view public.caas_migrations as select ''::text as name, ''::text as sha256": "public.caas_migrations",
    "create table public.caas_changes (id bigint)": "public.caas_changes",
    "create schema caas": STRANGERS_SCHEMA,
    "create schema caas; create table caas.migrations (name text, sha256 text)": STRANGERS_SCHEMA,
    "create schema caas; create function caas.fold(text) returns integer language sql return 1": STRANGERS_SCHEMA,
}
"""What a role that may create in public or in the database left for us to take for our own; what is then named."""


@pytest.mark.parametrize("statement", PREPARED)
def test_what_was_prepared_before_we_came_stops_a_migration(early: Rows, database_url: str, statement: str) -> None:
    early.execute(f"set role caas_test_early; {statement}; reset role".encode())
    with pytest.raises(MigrationRefused, match=PREPARED[statement]):
        migrate.up(database_url, Shipped.load(), lambda _: None)
    assert one(early, "select count(*) from pg_trigger where not tgisinternal") == 0


LEDGERS = {
    "as an earlier release had it": "create view public.caas_migrations as select public.tell() as name, '' as sha256;"
    " grant select on public.caas_migrations to public",
    "a table with a policy": "create table public.caas_migrations as select 'x' as name, 'x' as sha256;"
    " grant select on public.caas_migrations to public;"
    " create policy p on public.caas_migrations using (public.tell() is not null);"
    " alter table public.caas_migrations enable row level security",
    "in a schema of our name": "create schema caas; grant usage on schema caas to public;"
    " create view caas.migrations as select public.tell() as name, '' as sha256;"
    " grant select on caas.migrations to public",
}


@pytest.mark.parametrize("where", LEDGERS)
def test_looking_at_a_database_reads_no_ledger_that_somebody_prepared(
    early: Rows, database_url: str, where: str
) -> None:
    """A view, and a policy of a table, run their functions as whoever reads."""
    early.execute("create sequence public.told; grant all on public.told to public; set role caas_test_early")
    early.execute(
        "create function public.tell() returns text language sql volatile as 'select nextval(''public.told'')::text'"
    )
    early.execute(f"{LEDGERS[where]}; reset role".encode())
    shipped = Shipped.load()
    assert {file.state for file in migrate.status(database_url, shipped)} == {"pending"}
    with plain_role(early) as role, worker_as(database_url, role) as plain, Database(database_url) as owners:
        assert faults(plain) != {}
        assert faults(owners) != {}
    with pytest.raises(MigrationRefused):
        migrate.up(database_url, shipped, lambda _: None)
    assert not one(early, "select is_called from public.told")


def test_a_schema_that_the_databases_owner_made_for_who_migrates_is_ours(early: Rows, database_url: str) -> None:
    early.execute("create schema caas authorization current_user")
    assert migrate.up(database_url, Shipped.load(), lambda _: None) > 0


@pytest.mark.parametrize("creator", ["caas_test_early", "none"], ids=["a stranger's", "the application's"])
def test_tables_in_public_that_are_named_like_ours_are_none_of_our_business(
    early: Rows, database_url: str, creator: str
) -> None:
    tables = {*OUR_TABLES, "tutor_subjects"} - {"source_views"}
    early.execute(f"set role {creator}".encode())
    for table in tables:
        early.execute(f"create table public.{table} (id integer); insert into public.{table} values (1)".encode())
    early.execute("reset role")
    migrate.up(database_url, Shipped.load(), lambda _: None)
    assert migrate.up(database_url, Shipped.load(), lambda _: None) == 0
    for table in tables:
        assert not one(early, f"select has_table_privilege('caas_worker', 'public.{table}', 'select')"), table
    migrate.uninstall(database_url, Shipped.load(), lambda _: None)
    assert [one(early, f"select id from public.{table}") for table in tables] == [1] * len(tables)


def test_the_trigger_functions_serve_no_table_of_somebody_elses(app: Rows, mallory: Rows) -> None:
    app.execute(f"grant usage on schema caas to {mallory.info.user}")
    mallory.execute("create temp table bookings (id uuid, listing_id uuid, client_id uuid)")
    for watched in (*WATCHED, "listings"):
        assert refused(
            mallory,
            f"create trigger t after insert on pg_temp.bookings for each statement execute function"
            f" caas.mark_{watched}()",
        )


@pytest.mark.parametrize("knows_the_way", [False, True], ids=["as it is", "with usage on the schema"])
@pytest.mark.parametrize(
    "statement",
    [
        "alter function caas.enqueue reset search_path",
        "alter function caas.enqueue owner to current_user",
        "create or replace function caas.enqueue(profile_ids uuid[], reason text, priority integer default 10)"
        " returns integer language sql as 'select 1'",
        "drop function caas.mark_bookings cascade",
        "create function caas.own() returns integer language sql as 'select 1'",
        "create or replace view public.caas_scores as select null::uuid as profile_id, 1::smallint as total_score",
        "create or replace view caas.source_profiles as select id from public.profiles",
        "alter view public.caas_scores reset (security_barrier)",
        "alter view public.caas_scores owner to current_user",
        "alter view public.caas_scores set schema trap",
        "alter table caas.scores set schema trap",
        "alter schema caas rename to mine",
        "alter schema caas owner to current_user",
        "drop schema caas cascade",
        "alter default privileges for role caas_worker grant all on tables to current_user",
        "create trigger t before insert on caas.changes for each row execute function trap.own()",
        "create trigger t instead of insert on public.caas_scores for each row execute function trap.own()",
        "create rule r as on insert to caas.changes do instead nothing",
        "create policy p on caas.scores using (true)",
        "alter table caas.scores enable row level security",
        "alter table caas.changes add column more text",
        "create table public.heir () inherits (caas.changes)",
        "create table public.child (id uuid references caas.scores (profile_id))",
        "grant select on caas.scores to current_user",
        "grant select on public.caas_scores to current_user",
        "select caas.release('public.bookings')",
        "select caas.restore()",
        "reassign owned by caas_worker to current_user",
        "set session_replication_role = replica",
        "set session_preload_libraries = 'x'",
        "grant caas_worker to current_user",
        "set role caas_worker",
    ],
)
def test_nothing_of_ours_can_be_changed_or_taken_over(
    app: Rows, mallory: Rows, statement: str, knows_the_way: bool
) -> None:
    if knows_the_way:
        app.execute(f"grant usage on schema caas to {mallory.info.user}")
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
