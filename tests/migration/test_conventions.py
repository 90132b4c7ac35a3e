"""What every object of ours has in common: comments, privileges, pinned paths, and no grip on the application."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from caas_worker.application import COLUMNS
from caas_worker.shipped import Shipped
from caas_worker.verify import OUR_TABLES
from tests.conftest import Databases
from tests.people import Rows

FROZEN = Path(__file__).parent / "frozen.txt"

CALLED_BY_THE_APPLICATION = {"enqueue"}
"""Besides the trigger functions, the only ones that run with their owner's rights."""

WRITING_FOR_THE_APPLICATION = {"follow"}
"""Updates a table of the application's, whose own triggers may need public on the path."""

FUNCTIONS = "from pg_proc as p where p.pronamespace = 'caas'::regnamespace"
RELATIONS = (
    "from pg_class as c where (c.relnamespace = 'caas'::regnamespace or c.oid = 'public.caas_scores'::regclass)"
    " and c.relkind in ('r', 'p', 'v', 'm', 'S')"
)


@pytest.fixture(scope="module")
def url(databases: Databases, template: str) -> Iterator[str]:
    """One database for all of them: they only look."""
    conninfo = databases.create(template)
    yield conninfo
    databases.drop(conninfo)


def names(app: Rows, query: str) -> set[str]:
    """The first column of a query over the catalogue."""
    return {row[0] for row in app.execute(query.encode()).fetchall()}


def test_there_is_something_to_look_at(app: Rows, shipped: Shipped) -> None:
    marking = {f"mark_{file.stem}" for file in shipped.triggers}
    assert names(app, f"select p.proname {FUNCTIONS}") == marking | {file.stem for file in shipped.functions}
    views = {f"caas.source_{file.stem}" for file in shipped.views} | {"caas_scores"}
    assert names(app, f"select c.oid::regclass::text {RELATIONS} and c.relkind = 'v'") == views


def test_verify_knows_every_table_and_index(app: Rows) -> None:
    rows = app.execute(
        "select t.relname, c.relname from pg_class as t left join pg_index as i on i.indrelid = t.oid "
        "left join pg_class as c on c.oid = i.indexrelid "
        "where t.relnamespace = 'caas'::regnamespace and t.relkind in ('r', 'p') and t.relname <> 'migrations'"
    ).fetchall()
    assert {*rows} == {(table, index) for table, indexes in OUR_TABLES.items() for index in indexes}


def test_nothing_in_the_applications_schema_is_named_as_ours_but_the_view(app: Rows) -> None:
    named = names(
        app,
        "select o.name from ("
        "select relnamespace, relname from pg_class union all select pronamespace, proname from pg_proc"
        " union all select typnamespace, ltrim(typname, '_') from pg_type"
        " union all select connamespace, conname from pg_constraint"
        ") as o (namespace, name) where o.namespace = 'public'::regnamespace and o.name ~ '^caas'",
    )
    assert named == {"caas_scores"}


def test_no_name_in_our_schema_repeats_the_schemas(app: Rows) -> None:
    prefixed = names(
        app,
        "select o.name from ("
        "select relnamespace, relname from pg_class union all select pronamespace, proname from pg_proc"
        " union all select connamespace, conname from pg_constraint"
        ") as o (namespace, name) where o.namespace = 'caas'::regnamespace and o.name ~ '^caas'",
    )
    assert prefixed == set()


def test_source_views_have_the_columns_that_the_rules_read_and_no_others(app: Rows) -> None:
    rows = app.execute(
        "select substr(c.relname, 8), array_agg(a.attname::text order by a.attname) from pg_class as c "
        "inner join pg_attribute as a on a.attrelid = c.oid "
        "where c.relnamespace = 'caas'::regnamespace and c.relkind = 'v' group by c.relname"
    ).fetchall()
    assert dict(rows) == {table: sorted(columns) for table, columns in COLUMNS.items()}


def test_functions_read_the_applications_tables_through_source_views_only(app: Rows) -> None:
    reading = names(
        app,
        f"select p.proname {FUNCTIONS} and p.prosrc ~* '(from|join)\\s+(only\\s+)?public\\.' and p.proname <> 'watch'",
    )
    assert reading == WRITING_FOR_THE_APPLICATION


def test_shipped_migrations_are_frozen(shipped: Shipped) -> None:
    current = "".join(f"{file.path.name} {file.sha256}\n" for file in shipped.migrations)
    assert FROZEN.read_text() == current, (
        "A migration is not what was shipped. Migrations run once: restore it and put the change into a new file. "
        f"For a new one, or before its first release, write this to {FROZEN}:\n{current}"
    )


def test_the_schema_has_a_comment(app: Rows) -> None:
    assert names(app, "select obj_description('caas'::regnamespace, 'pg_namespace')") != {None}


def test_every_table_view_and_sequence_has_a_comment(app: Rows) -> None:
    silent = f"""
        select c.relname {RELATIONS} and obj_description(c.oid, 'pg_class') is null
            and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'i')
    """
    assert names(app, silent) == set()


def test_every_column_of_a_table_or_view_has_a_comment(app: Rows) -> None:
    silent = f"""
        select r.name || '.' || a.attname
        from (select c.oid, c.oid::regclass::text {RELATIONS} and c.relkind <> 'S') as r (relation, name)
        inner join pg_attribute as a on a.attrelid = r.relation
        where a.attnum > 0 and not a.attisdropped and col_description(r.relation, a.attnum) is null
    """
    assert names(app, silent) == set()


def test_every_function_has_a_comment(app: Rows) -> None:
    assert names(app, f"select p.proname {FUNCTIONS} and obj_description(p.oid, 'pg_proc') is null") == set()


def test_every_function_looks_for_names_in_the_catalogue_only(app: Rows) -> None:
    loose = f"select p.proname {FUNCTIONS} and 'search_path=pg_catalog, pg_temp' <> all(coalesce(p.proconfig, '{{}}'))"
    assert names(app, loose) == WRITING_FOR_THE_APPLICATION
    paths = f"select c {FUNCTIONS.replace('where', 'cross join unnest(p.proconfig) as c where')} and c ~ '^search_path'"
    assert names(app, paths) == {"search_path=pg_catalog, pg_temp", "search_path=pg_catalog, public, pg_temp"}


def test_only_marks_are_made_with_the_owners_rights(app: Rows, shipped: Shipped) -> None:
    marking = {f"mark_{file.stem}" for file in shipped.triggers}
    assert names(app, f"select p.proname {FUNCTIONS} and p.prosecdef") == marking | CALLED_BY_THE_APPLICATION


def test_the_readers_view_filters_before_a_readers_function_sees_a_row(app: Rows) -> None:
    options = names(app, "select unnest(reloptions) from pg_class where oid = 'public.caas_scores'::regclass")
    assert options == {"security_barrier=true"}


def test_no_table_of_ours_has_row_level_security(app: Rows) -> None:
    assert names(app, f"select c.relname {RELATIONS} and (c.relrowsecurity or c.relforcerowsecurity)") == set()
    assert names(app, "select polname from pg_policy") == set()


GRANTED = {"caas_worker": {"USAGE"}}
"""The schema, by role."""


def test_the_schema_is_open_to_workers_only(app: Rows) -> None:
    rows = app.execute(
        "select r.rolname, array_agg(a.privilege_type) from pg_namespace as n cross join aclexplode(n.nspacl) as a "
        "left join pg_roles as r on r.oid = a.grantee where n.nspname = 'caas' and a.grantee <> n.nspowner group by 1"
    ).fetchall()
    assert {role: {*privileges} for role, privileges in rows} == GRANTED


def test_nobody_may_execute_a_function_unless_it_was_granted(app: Rows) -> None:
    public = f"""
        select p.proname {FUNCTIONS}
            and (p.proacl is null or exists (select from aclexplode(p.proacl) as a where a.grantee = 0))
    """
    assert names(app, public) == set()


def test_nobody_may_read_a_table_or_view_unless_it_was_granted(app: Rows) -> None:
    public = f"select c.relname {RELATIONS} and exists (select from aclexplode(c.relacl) as a where a.grantee = 0)"
    assert names(app, public) == set()


def test_every_function_names_its_volatility(shipped: Shipped) -> None:
    texts = {file.stem: re.sub(r"--.*", "", file.text) for file in shipped.functions}
    silent = {name for name, text in texts.items() if not re.search(r"\n(volatile|stable|immutable)\n", text)}
    assert silent == set()


def test_functions_that_only_read_are_stable(app: Rows) -> None:
    reading = f"select p.proname {FUNCTIONS} and p.proname ~ '(_stats|_sums|_facts)$' and p.provolatile <> 's'"
    assert names(app, reading) == set()


def test_statistics_and_fold_fail_rather_than_read_through_row_level_security(app: Rows) -> None:
    reading = f"""
        select p.proname {FUNCTIONS}
            and p.proname ~ '(_stats|_sums|_facts)$|^(fold|expand|follow|cascade)$'
            and p.prolang = (select l.oid from pg_language as l where l.lanname = 'plpgsql')
            and not 'row_security=off' = any(p.proconfig)
    """
    assert names(app, reading) == set()


def test_trigger_functions_leave_row_level_security_alone(app: Rows) -> None:
    assert names(app, f"select p.proname {FUNCTIONS} and p.prosecdef and p.proconfig::text ~ 'row_security'") == set()


def test_no_table_of_ours_has_a_foreign_key_and_none_refers_to_one(app: Rows) -> None:
    query = f"""
        select k.conname from pg_constraint as k
        cross join unnest(array[k.conrelid, k.confrelid]) as r (relation)
        where k.contype = 'f' and r.relation in (select c.oid {RELATIONS})
    """
    assert names(app, query) == set()


def test_every_table_has_a_primary_key(app: Rows) -> None:
    query = f"""
        select c.relname {RELATIONS} and c.relkind = 'r'
            and not exists (select from pg_constraint as k where k.conrelid = c.oid and k.contype = 'p')
    """
    assert names(app, query) == set()


def test_our_triggers_are_after_statement_triggers_that_notify_nobody(app: Rows, shipped: Shipped) -> None:
    rows = app.execute(
        "select tgrelid::regclass::text, tgname, tgtype & 1, tgtype & 2, tgdeferrable, tgfoid::regproc::text "
        "from pg_trigger where tgname ~ '^caas_'"
    ).fetchall()
    expected = {
        (file.stem, f"caas_mark_{event}", 0, 0, False, f"caas.mark_{file.stem}")
        for file in shipped.triggers
        for event in ("insert", "update", "delete", "truncate")
    }
    assert set(rows) == expected
    assert names(app, f"select p.proname {FUNCTIONS} and p.prosrc ~* 'notify'") == set()


def test_trigger_functions_read_nothing_but_the_changed_rows(app: Rows, shipped: Shipped) -> None:
    sources = app.execute("select prosrc from pg_proc where proname ~ '^mark_'").fetchall()
    assert len(sources) == len(shipped.triggers)
    read = {table for (source,) in sources for table in re.findall(r"\b(?:from|join)\s+([\w.]+)", source)}
    assert read - {"lateral"} == {"old_rows", "new_rows"}


def test_a_schema_of_the_callers_can_not_stand_in_for_ours(app: Rows, url: str) -> None:
    app.execute("create schema trap; create table trap.changes (like caas.changes)")
    with psycopg.connect(url, autocommit=True, options="-c search_path=trap,public") as connection:
        marked: Any = connection.execute("select caas.enqueue(array[gen_random_uuid()], 'word')").fetchone()
        connection.execute("insert into public.profiles (roles) values ('{TUTOR}')")
    assert marked == (1,)
    assert app.execute("select count(*) from trap.changes").fetchone() == (0,)
    assert app.execute("select count(*) from caas.changes").fetchone() == (2,)
