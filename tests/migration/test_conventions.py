"""What every object of ours has in common: comments, privileges, pinned paths, and no grip on the application."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from caas_worker.catalog import QUALITY_TABLES, RELATIONS
from caas_worker.marketplace import schema
from caas_worker.shipped import Shipped
from caas_worker.verify import OUR_TABLES
from tests.conftest import Databases
from tests.migration.inventory import OURS
from tests.people import Rows

FROZEN = Path(__file__).parent / "frozen.txt"

CALLED_BY_THE_APPLICATION = {"caas_enqueue"}
"""Besides the trigger functions, the only ones that run with their owner's rights."""


@pytest.fixture(scope="module")
def url(databases: Databases, template: str) -> Iterator[str]:
    """One database for all of them: they only look."""
    conninfo = databases.create(template)
    yield conninfo
    databases.drop(conninfo)


def names(app: Rows, query: str) -> set[str]:
    """The first column of a query over the catalogue; %(ours)s matches our names."""
    return {row[0] for row in app.execute(query.encode(), {"ours": OURS}).fetchall()}


FUNCTIONS = "from pg_proc as p where p.pronamespace = 'public'::regnamespace and p.proname ~ %(ours)s"


GUARDING = {"caas_refuse_strangers"}
"""Trigger functions of our own tables, which come with a migration."""


def test_there_is_something_to_look_at(app: Rows, shipped: Shipped) -> None:
    functions = names(app, f"select p.proname {FUNCTIONS}")
    marking = {f"caas_mark_{file.stem}" for file in shipped.triggers}
    assert functions == marking | GUARDING | {file.stem for file in shipped.functions}


def test_verify_knows_every_table_and_index_and_the_names_that_are_ours(app: Rows) -> None:
    rows = app.execute(
        "select t.relname, c.relname from pg_class as t left join pg_index as i on i.indrelid = t.oid "
        "left join pg_class as c on c.oid = i.indexrelid "
        "where t.relnamespace = 'public'::regnamespace and t.relkind in ('r', 'p') and t.relname <> all(%s)",
        ([*schema.TABLES, "caas_migrations"],),
    ).fetchall()
    assert {*rows} == {(table, index) for table, indexes in OUR_TABLES.items() for index in indexes}
    assert {table for table in OUR_TABLES if not table.startswith("caas_")} == {*QUALITY_TABLES}
    assert all(re.match(RELATIONS, table) for table in OUR_TABLES)
    assert not any(re.match(RELATIONS, name) for name in ("tutor_subjects", "session_scores_old", "tutor_scores_2025"))


def test_shipped_migrations_are_frozen(shipped: Shipped) -> None:
    current = "".join(f"{file.path.name} {file.sha256}\n" for file in shipped.migrations)
    assert FROZEN.read_text() == current, (
        "A migration is not what was shipped. Migrations run once: restore it and put the change into a new file. "
        f"For a new one, or before its first release, write this to {FROZEN}:\n{current}"
    )


def test_every_table_view_and_sequence_has_a_comment(app: Rows) -> None:
    silent = """
        select c.relname from pg_class as c
        where c.relname ~ %(ours)s and c.relkind in ('r', 'p', 'v', 'S') and obj_description(c.oid, 'pg_class') is null
            and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'i')
    """
    assert names(app, silent) == set()


def test_every_policy_has_a_comment(app: Rows) -> None:
    silent = "select polname from pg_policy where obj_description(oid, 'pg_policy') is null and %(ours)s <> ''"
    assert names(app, silent) == set()


def test_every_column_of_a_table_has_a_comment(app: Rows) -> None:
    silent = """
        select c.relname || '.' || a.attname from pg_attribute as a
        inner join pg_class as c on c.oid = a.attrelid
        where c.relname ~ %(ours)s and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
            and col_description(c.oid, a.attnum) is null
    """
    assert names(app, silent) == set()


def test_every_function_has_a_comment(app: Rows) -> None:
    assert names(app, f"select p.proname {FUNCTIONS} and obj_description(p.oid, 'pg_proc') is null") == set()


def test_every_function_pins_its_search_path(app: Rows) -> None:
    loose = f"""
        select p.proname {FUNCTIONS}
            and not coalesce(p.proconfig, '{{}}') && array['search_path=pg_catalog, public, pg_temp', 'search_path=pg_catalog, pg_temp']
    """  # noqa: E501
    assert names(app, loose) == set()


def test_functions_with_their_owners_rights_trust_no_other_schema(app: Rows) -> None:
    reach = f"select p.proname {FUNCTIONS} and p.prosecdef and not 'search_path=pg_catalog, pg_temp' = any(p.proconfig)"
    assert names(app, reach) == set()


def test_only_marks_are_made_with_the_owners_rights(app: Rows, shipped: Shipped) -> None:
    marking = {f"caas_mark_{file.stem}" for file in shipped.triggers}
    assert names(app, f"select p.proname {FUNCTIONS} and p.prosecdef") == marking | CALLED_BY_THE_APPLICATION


def test_nobody_may_execute_a_function_unless_it_was_granted(app: Rows) -> None:
    public = f"""
        select p.proname {FUNCTIONS}
            and (p.proacl is null or exists (select from aclexplode(p.proacl) as a where a.grantee = 0))
    """
    assert names(app, public) == set()


def test_nobody_may_read_a_table_or_view_unless_it_was_granted(app: Rows) -> None:
    public = """
        select c.relname from pg_class as c cross join lateral aclexplode(c.relacl) as a
        where c.relname ~ %(ours)s and a.grantee = 0
    """
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
            and p.proname ~ '^caas_(.*_stats|.*_sums|profile_facts|fold|expand|follow|cascade)$'
            and p.prolang = (select l.oid from pg_language as l where l.lanname = 'plpgsql')
            and not 'row_security=off' = any(p.proconfig)
    """
    assert names(app, reading) == set()


def test_trigger_functions_leave_row_level_security_alone(app: Rows) -> None:
    assert names(app, f"select p.proname {FUNCTIONS} and p.prosecdef and p.proconfig::text ~ 'row_security'") == set()


def test_no_table_of_ours_has_a_foreign_key_and_none_refers_to_one(app: Rows) -> None:
    query = """
        select k.conname from pg_constraint as k
        where k.contype = 'f' and (k.conrelid::regclass::text ~ %(ours)s or k.confrelid::regclass::text ~ %(ours)s)
    """
    assert names(app, query) == set()


def test_every_table_has_a_primary_key(app: Rows) -> None:
    query = """
        select c.relname from pg_class as c
        where c.relname ~ %(ours)s and c.relkind = 'r'
            and not exists (select from pg_constraint as k where k.conrelid = c.oid and k.contype = 'p')
    """
    assert names(app, query) == set()


def test_our_triggers_are_after_statement_triggers_that_notify_nobody(app: Rows, shipped: Shipped) -> None:
    rows = app.execute(
        "select tgrelid::regclass::text, tgname, tgtype & 1, tgtype & 2, tgdeferrable from pg_trigger "
        "where tgname ~ '^caas_mark_'"
    ).fetchall()
    expected = {
        (file.stem, f"caas_mark_{event}", 0, 0, False)
        for file in shipped.triggers
        for event in ("insert", "update", "delete", "truncate")
    }
    assert set(rows) == expected
    assert names(app, f"select p.proname {FUNCTIONS} and p.prosrc ~* 'notify'") == set()


def test_trigger_functions_read_nothing_but_the_changed_rows(app: Rows, shipped: Shipped) -> None:
    sources = app.execute("select prosrc from pg_proc where proname ~ '^caas_mark_'").fetchall()
    assert len(sources) == len(shipped.triggers)
    read = {table for (source,) in sources for table in re.findall(r"\b(?:from|join)\s+(?:public\.)?(\w+)", source)}
    assert read - {"lateral"} == {"old_rows", "new_rows"}


def test_a_schema_of_the_callers_can_not_stand_in_for_ours(app: Rows, url: str) -> None:
    app.execute("create schema trap; create table trap.caas_changes (like public.caas_changes)")
    with psycopg.connect(url, autocommit=True, options="-c search_path=trap,public") as connection:
        marked: Any = connection.execute("select caas_enqueue(array[gen_random_uuid()], 'word')").fetchone()
        connection.execute("insert into public.profiles (roles) values ('{TUTOR}')")
    assert marked == (1,)
    assert app.execute("select count(*) from trap.caas_changes").fetchone() == (0,)
    assert app.execute("select count(*) from public.caas_changes").fetchone() == (2,)
