"""What stands in schema public, as lines of text by which two databases, or two moments, can be compared."""

from typing import Any

from psycopg import Connection

from caas_worker.catalog import QUALITY_TABLES

OURS = rf"^(caas_|get_(performance|network|digital)_stats|{'|'.join(QUALITY_TABLES)})"
"""Names of objects that this product may own."""

_PARTS = {
    "relation": """
        select
            format(
                '%s %s %s row security %s options %s grants %s',
                c.relkind, c.relname, c.relpersistence, c.relrowsecurity, c.reloptions,
                (select array_agg(g::text order by g::text) from unnest(c.relacl) as g)
            )
        from pg_class as c
        where c.relnamespace = 'public'::regnamespace
    """,
    "column": """
        select
            format(
                '%s.%s %s not null %s default %s identity %s generated %s grants %s',
                c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
                (select array_agg(g::text order by g::text) from unnest(a.attacl) as g)
            )
        from pg_attribute as a
        inner join pg_class as c on c.oid = a.attrelid
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace
            and c.relkind in ('r', 'p', 'v')
            and a.attnum > 0
            and not a.attisdropped
    """,
    "constraint": """
        select format('%s on %s %s', k.conname, k.conrelid::regclass, pg_get_constraintdef(k.oid))
        from pg_constraint as k
        where k.connamespace = 'public'::regnamespace
    """,
    "index": """
        select pg_get_indexdef(i.indexrelid)
        from pg_index as i
        inner join pg_class as c on c.oid = i.indrelid
        where c.relnamespace = 'public'::regnamespace
    """,
    "view": """
        select format('%s %s', c.relname, pg_get_viewdef(c.oid))
        from pg_class as c
        where c.relnamespace = 'public'::regnamespace
            and c.relkind = 'v'
    """,
    "function": """
        select
            format(
                '%s grants %s',
                pg_get_functiondef(p.oid),
                (select array_agg(g::text order by g::text) from unnest(p.proacl) as g)
            )
        from pg_proc as p
        where p.pronamespace = 'public'::regnamespace
    """,
    "policy": """
        select format('%s on %s %s to %s %s %s', p.policyname, p.tablename, p.cmd, p.roles, p.qual, p.with_check)
        from pg_policies as p
        where p.schemaname = 'public'
    """,
    "schema": """
        select format('grants %s', (select array_agg(g::text order by g::text) from unnest(n.nspacl) as g))
        from pg_namespace as n
        where n.nspname = 'public'
    """,
    "trigger": """
        select format('%s enabled %s', pg_get_triggerdef(g.oid), g.tgenabled)
        from pg_trigger as g
        where not g.tgisinternal
    """,
    "type": """
        select format('%s %s', t.typname, t.typtype)
        from pg_type as t
        where t.typnamespace = 'public'::regnamespace
    """,
    "comment": """
        select format('%s %s: %s', o.type, o.identity, d.description)
        from pg_description as d
        cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as o
        where o.schema = 'public'
    """,
}


def everything(connection: Connection[Any]) -> set[str]:
    """Every object of schema public with all that defines it."""
    return {
        f"{part}: {text}" for part, query in _PARTS.items() for (text,) in connection.execute(query.encode()).fetchall()
    }


def names_of_ours(connection: Connection[Any]) -> set[str]:
    """Kind and name of all objects that look like this product's."""
    query = """
        select 'relation ' || relname from pg_class where relname ~ %(ours)s
        union all select 'function ' || proname from pg_proc where proname ~ %(ours)s
        union all select 'trigger ' || tgname from pg_trigger where tgname ~ %(ours)s
        union all select 'type ' || typname from pg_type where ltrim(typname, '_') ~ %(ours)s
    """
    return {name for (name,) in connection.execute(query, {"ours": OURS}).fetchall()}


def ledger(connection: Connection[Any]) -> dict[str, str]:
    """The installed files and their hashes."""
    return dict(connection.execute("select name, sha256 from caas_migrations").fetchall())
