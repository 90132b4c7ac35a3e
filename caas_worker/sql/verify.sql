-- server: version
select
    current_setting('server_version_num')::integer,
    current_setting('server_version');

-- tables: ours that exist
select c.relname
from pg_class as c
where c.relnamespace = to_regnamespace('caas')
    and c.relkind = 'r'
    and c.relname = any(%(tables)s::text[]);

-- indexes: ours, and whether they can be used
select
    c.relname,
    i.indisvalid
from pg_index as i
inner join pg_class as c on c.oid = i.indexrelid
inner join pg_class as t on t.oid = i.indrelid
where t.relnamespace = to_regnamespace('caas')
    and t.relname = any(%(tables)s::text[]);

-- led_columns: columns of the application's indexes in their order, null for an expression
select
    t.relname,
    array_agg(a.attname::text order by k.place)
from pg_index as i
inner join pg_class as t on t.oid = i.indrelid
cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
where t.relnamespace = 'public'::regnamespace
    and i.indisvalid
    and i.indpred is null
    and k.place <= i.indnkeyatts
group by i.indexrelid, t.relname;

-- drift: what was changed of our functions and of the readers' view, by kind, and what undoes it
with ours as (
    select
        p.oid::regprocedure::text as name,
        p.proacl is null
        or exists (
            select
            from aclexplode(p.proacl) as a
            where a.grantee = 0
        ) as is_open,
        coalesce(p.proconfig, '{}') as settings,
        case p.proname
            when 'follow' then 'pg_catalog, public, pg_temp'
            else 'pg_catalog, pg_temp'
        end as path,
        p.prosecdef as is_definer,
        p.proname ~ '^(enqueue$|mark_)' as should_be_definer
    from pg_proc as p
    where p.pronamespace = to_regnamespace('caas')
),

mended as (
    select
        'open' as kind,
        o.name,
        'revoke all on function ' || o.name || ' from public' as statement
    from ours as o
    where o.is_open
    union all
    select
        'path',
        o.name,
        'alter function ' || o.name || ' set search_path = ' || o.path
    from ours as o
    where 'search_path=' || o.path <> all(o.settings)
    union all
    select
        'rights',
        o.name,
        'alter function ' || o.name || ' security ' || case when o.should_be_definer then 'definer' else 'invoker' end
    from ours as o
    where o.is_definer <> o.should_be_definer
    union all
    select
        'policies',
        c.oid::regclass::text,
        'alter table ' || c.oid::regclass::text || ' no force row level security, disable row level security'
    from pg_class as c
    where c.relnamespace = to_regnamespace('caas')
        and (c.relrowsecurity or c.relforcerowsecurity)
    union all
    select
        'barrier',
        'public.caas_scores',
        case
            when coalesce('security_barrier=true' <> all(c.reloptions), true)
                then 'alter view public.caas_scores set (security_barrier)'
            else 'create or replace it as migrations/0008_a_schema_of_its_own.sql does'
        end
    from pg_class as c
    where c.oid = to_regclass('public.caas_scores')
        and c.relkind = 'v'
        and (
            coalesce('security_barrier=true' <> all(c.reloptions), true)
            or strpos(pg_get_viewdef(c.oid), 'caas.profile_id') = 0
        )
)

select
    m.kind,
    string_agg(m.name, ', ' order by m.name),
    array_agg(m.statement order by m.name)
from mended as m
group by m.kind;

-- asking: this role, and whether it is a member of caas_worker, and whether it has that role's rights without asking
select
    current_user::text,
    quote_ident(current_user),
    exists(
        select
        from pg_roles as r
        where r.rolname = 'caas_worker'
            and pg_has_role(r.oid, 'member')
    ),
    exists(
        select
        from pg_roles as r
        where r.rolname = 'caas_worker'
            and pg_has_role(r.oid, 'usage')
    ),
    coalesce(
        (
            select has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(c.oid, 'select')
            from pg_class as c
            where c.relnamespace = to_regnamespace('caas')
                and c.relname = 'migrations'
        ),
        true
    );

-- follow_is_filtered: whether row-level security hides profiles, whose caas_score follows, from this role
select row_security_active(c.oid)
from pg_class as c
inner join pg_attribute as a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace
    and c.relname = 'profiles'
    and a.attname = 'caas_score'
    and not a.attisdropped;

-- may_select: whether this role may read a view of ours
select has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(c.oid, 'select')
from pg_class as c
where c.relnamespace = to_regnamespace('caas')
    and 'caas.' || c.relname = %(view)s::text;

-- unfiltered: an error where row-level security would hide rows
set local row_security = off;

-- may_act_as: whether this role may become another
select
    case
        when current_setting('server_version_num')::integer >= 160000 then pg_has_role(%(role)s::text, 'set')
        else pg_has_role(%(role)s::text, 'member')
    end;
