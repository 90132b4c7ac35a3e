"""docs/reference/database.md has the tables and views that migrations leave, with each column, rule and comment."""

from collections.abc import Iterator

import pytest

from docs.pages import database, ddl
from tests.conftest import Databases
from tests.people import Rows

CATALOG = {
    "columns": "select a.attname, a.attrelid::regclass::text from pg_attribute as a inner join pg_class as c on "
    "c.oid = a.attrelid where c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped and {ours}",
    "types": "select a.attname || ' ' || format_type(a.atttypid, null), a.attrelid::regclass::text from pg_attribute "
    "as a inner join pg_class as c on c.oid = a.attrelid where c.relkind in ('r', 'v') and a.attnum > 0 and {ours}",
    "constraints": "select k.conname, k.conrelid::regclass::text from pg_constraint as k inner join pg_class as c on "
    "c.oid = k.conrelid where k.contype in ('p', 'u', 'c', 'x') and {ours}",
    "indexes": "select x.relname, i.indrelid::regclass::text from pg_index as i inner join pg_class as c on "
    "c.oid = i.indrelid inner join pg_class as x on x.oid = i.indexrelid where {ours} and not exists (select from "
    "pg_constraint as k where k.conindid = i.indexrelid)",
    "comments": "select coalesce(a.attname, '') || ': ' || d.description, d.objoid::regclass::text from pg_description "
    "as d inner join pg_class as c on c.oid = d.objoid left join pg_attribute as a on a.attrelid = d.objoid "
    "and a.attnum = d.objsubid and a.attnum > 0 where d.classoid = 'pg_class'::regclass and c.relkind in ('r', 'v') "
    "and {ours}",
}
OURS = "(c.relnamespace = 'caas'::regnamespace or c.oid = 'public.caas_scores'::regclass)"


@pytest.fixture(scope="module")
def url(databases: Databases, template: str) -> Iterator[str]:
    """One database for all of them: they only look."""
    conninfo = databases.create(template)
    yield conninfo
    databases.drop(conninfo)


def as_written(table: ddl.Table, what: str, app: Rows) -> set[str]:
    """What the reference says of a table, in the catalog's words."""
    match what:
        case "types":
            words = [f"{name} {kind.split()[0]}" for name, kind in table.columns.items()]
            rows = app.execute(
                "select name || ' ' || format_type(to_regtype(kind), null) from unnest(%s::text[]) as w (words), "
                "lateral (select split_part(words, ' ', 1), split_part(words, ' ', 2)) as p (name, kind)",
                (words,),
            )
            return {row[0] for row in rows.fetchall()}
        case "comments":
            return {f"{name}: {text}" for name, text in table.comments.items()}
        case _:
            return set(getattr(table, what))


@pytest.mark.parametrize("what", CATALOG)
def test_the_reference_says_what_the_catalog_says(what: str, app: Rows) -> None:
    app.execute("set search_path = pg_catalog, pg_temp")
    found: dict[str, set[str]] = {}
    for name, table in app.execute(CATALOG[what].format(ours=OURS).encode()).fetchall():
        found.setdefault(table, set()).add(name)
    told = {table.name: as_written(table, what, app) for table in database.relations()}
    assert found == {name: things for name, things in told.items() if things}
