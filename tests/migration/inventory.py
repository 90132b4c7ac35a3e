"""What is in the schemas caas and public, as lines of text by which two databases, or two moments, can be compared."""

from typing import Any

from psycopg import Connection

_PARTS = {
    "relation": """
        select
            format(
                '%s %s %s row security %s options %s grants %s',
                c.relkind, c.oid::regclass, c.relpersistence, c.relrowsecurity, c.reloptions,
                (select array_agg(g::text order by g::text) from unnest(c.relacl) as g)
            )
        from pg_class as c
        where c.relnamespace::regnamespace::text in ('caas', 'public')
    """,
    "column": """
        select
            format(
                '%s.%s %s not null %s default %s identity %s generated %s grants %s',
                c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
                (select array_agg(g::text order by g::text) from unnest(a.attacl) as g)
            )
        from pg_attribute as a
        inner join pg_class as c on c.oid = a.attrelid
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relnamespace::regnamespace::text in ('caas', 'public')
            and c.relkind in ('r', 'p', 'v')
            and a.attnum > 0
            and not a.attisdropped
    """,
    "constraint": """
        select format('%s on %s %s', k.conname, k.conrelid::regclass, pg_get_constraintdef(k.oid))
        from pg_constraint as k
        where k.connamespace::regnamespace::text in ('caas', 'public')
    """,
    "index": """
        select pg_get_indexdef(i.indexrelid)
        from pg_index as i
        inner join pg_class as c on c.oid = i.indrelid
        where c.relnamespace::regnamespace::text in ('caas', 'public')
    """,
    "sequence": """
        select
            format(
                '%s %s from %s by %s up to %s of %s.%s',
                s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax,
                d.refobjid::regclass, d.refobjsubid
            )
        from pg_sequence as s
        inner join pg_class as c on c.oid = s.seqrelid
        left join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = s.seqrelid and d.deptype = 'i'
        where c.relnamespace::regnamespace::text in ('caas', 'public')
    """,
    "view": """
        select format('%s %s', c.oid::regclass, pg_get_viewdef(c.oid))
        from pg_class as c
        where c.relnamespace::regnamespace::text in ('caas', 'public')
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
        where p.pronamespace::regnamespace::text in ('caas', 'public')
    """,
    "policy": """
        select
            format('%s on %s.%s %s to %s %s %s', p.policyname, p.schemaname, p.tablename, p.cmd, p.roles, p.qual,
                p.with_check)
        from pg_policies as p
        where p.schemaname in ('caas', 'public')
    """,
    "schema": """
        select
            format('%s grants %s', n.nspname, (select array_agg(g::text order by g::text) from unnest(n.nspacl) as g))
        from pg_namespace as n
        where n.nspname in ('caas', 'public')
    """,
    "trigger": """
        select format('%s enabled %s', pg_get_triggerdef(g.oid), g.tgenabled)
        from pg_trigger as g
        where not g.tgisinternal
    """,
    "type": """
        select format('%s %s', t.oid::regtype, t.typtype)
        from pg_type as t
        where t.typnamespace::regnamespace::text in ('caas', 'public')
    """,
    "comment": """
        select format('%s %s: %s', o.type, o.identity, d.description)
        from pg_description as d
        cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as o
        where o.schema in ('caas', 'public')
            or o.type = 'schema' and o.identity in ('caas', 'public')
    """,
}

_OURS = r"""
    select 'schema ' || n.nspname from pg_namespace as n where n.nspname = 'caas'
    union all
    select 'relation ' || c.oid::regclass
    from pg_class as c
    where c.relnamespace = to_regnamespace('caas') or c.relname like 'caas\_%'
    union all
    select 'function ' || p.oid::regproc
    from pg_proc as p
    where p.pronamespace = to_regnamespace('caas') or p.proname like 'caas\_%'
    union all
    select 'trigger ' || g.tgname
    from pg_trigger as g
    where g.tgname like 'caas\_%' or g.tgfoid::regproc::text like 'caas.%'
    union all
    select 'type ' || t.oid::regtype
    from pg_type as t
    where t.typnamespace = to_regnamespace('caas') or ltrim(t.typname, '_') like 'caas\_%'
"""


def everything(connection: Connection[Any]) -> set[str]:
    """Every object of the two schemas with all that defines it."""
    return {
        f"{part}: {text}" for part, query in _PARTS.items() for (text,) in connection.execute(query.encode()).fetchall()
    }


def names_of_ours(connection: Connection[Any]) -> set[str]:
    """Kind and name of all objects that are this product's, or look like it."""
    return {name for (name,) in connection.execute(_OURS.encode()).fetchall()}


def ledger(connection: Connection[Any]) -> dict[str, str]:
    """The installed files and their hashes, wherever the ledger is."""
    home = connection.execute("select to_regclass('public.caas_migrations') is null").fetchone()
    table = "caas.migrations" if home == (True,) else "public.caas_migrations"
    return dict(connection.execute(f"select name, sha256 from {table}".encode()).fetchall())
