-- columns: of the application's tables
select
    c.relname,
    a.attname
from pg_class as c
inner join pg_attribute as a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace
    and c.relname = any(%(tables)s::text[])
    and c.relkind in ('r', 'p')
    and a.attnum > 0
    and not a.attisdropped;

-- functions: ours that exist
select p.proname
from pg_proc as p
where p.pronamespace = to_regnamespace('caas');

-- sources: tables that have a source view
select substr(c.relname, length('source_') + 1)
from pg_class as c
where c.relnamespace = to_regnamespace('caas')
    and c.relname like 'source\_%%'
    and c.relkind = 'v';

-- relations: a watched table, its partitions and children, and how many of our triggers each has, and enabled
with recursive tree as (
    select to_regclass('public.' || quote_ident(%(watched)s::text))::oid as relation
    union all
    select i.inhrelid
    from tree as t
    inner join pg_inherits as i on i.inhparent = t.relation
)

select
    r.relation::regclass::text,
    count(g.oid),
    count(g.oid) filter (where g.tgenabled in ('O', 'A')),
    not exists (
        select
        from tree as t
        where t.relation = r.relation
    ),
    c.relkind = 'f'
from (
    select t.relation
    from tree as t
    union
    select o.tgrelid
    from pg_trigger as o
    inner join pg_proc as p on p.oid = o.tgfoid
    where p.pronamespace = to_regnamespace('caas')
        and p.proname = 'mark_' || %(watched)s::text
) as r
inner join pg_class as c on c.oid = r.relation
left join pg_trigger as g on g.tgrelid = r.relation and g.tgname like 'caas\_mark\_%%' and not g.tgisinternal
group by r.relation, c.relkind
order by r.relation;

-- intruders: what is in our schema, or would be taken for ours, and belongs to nobody who could have installed it
select
    o.what,
    r.rolname
from (
    select
        'function ' || p.oid::regprocedure::text as what,
        p.proowner as owner
    from pg_proc as p
    where p.pronamespace = to_regnamespace('caas')
    union all
    select
        case c.relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || c.oid::regclass::text,
        c.relowner
    from pg_class as c
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        and (c.relnamespace = to_regnamespace('caas') or c.oid = to_regclass('public.caas_scores'))
    union all
    -- what a first installation, or the move of an earlier one, would take for its own
    select
        e.what,
        e.owner
    from (
        select
            case c.relkind when 'v' then 'view ' else 'table ' end || c.oid::regclass::text as what,
            c.relowner as owner
        from pg_class as c
        where c.oid in (to_regclass('public.caas_migrations'), to_regclass('public.caas_changes'))
        union all
        select
            'function ' || p.oid::regprocedure::text,
            p.proowner
        from pg_proc as p
        where p.pronamespace = 'public'::regnamespace
            and p.proname like 'caas\_mark\_%%'
    ) as e
    where not exists (
            select
            from pg_class as m
            where m.relnamespace = to_regnamespace('caas')
                and m.relname = 'migrations'
        )
) as o
inner join pg_roles as r on r.oid = o.owner
where not r.rolsuper
    and r.rolname <> current_user
    and not exists (
        select
        from pg_database as d
        where d.datname = current_database()
            and d.datdba = o.owner
    )
    and not exists (
        select
        from pg_class as t
        where t.relnamespace = 'public'::regnamespace
            and t.relname = any(%(trusted)s::text[])
            and t.relowner = o.owner
    )
order by o.what;
