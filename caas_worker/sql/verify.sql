-- server: version
select
    current_setting('server_version_num')::integer,
    current_setting('server_version');

-- tables: ours that exist
select c.relname
from pg_class as c
where c.relnamespace = 'public'::regnamespace
    and c.relkind = 'r'
    and c.relname = any(%(tables)s::text[]);

-- indexes: ours, and whether they can be used
select
    c.relname,
    i.indisvalid
from pg_index as i
inner join pg_class as c on c.oid = i.indexrelid
inner join pg_class as t on t.oid = i.indrelid
where t.relnamespace = 'public'::regnamespace
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

-- drift: what was changed of our functions and who sees scores by other policies, by kind, and what undoes it
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
            when 'caas_follow' then 'pg_catalog, public, pg_temp'
            else 'pg_catalog, pg_temp'
        end as path,
        p.prosecdef as is_definer,
        p.proname ~ '^caas_(enqueue$|mark_)' as should_be_definer
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
        and p.proname ~ '^(caas_|get_(performance|network|digital)_stats$)'
),

policies as (
    select quote_ident(p.polname) as name
    from pg_policy as p
    where p.polrelid = to_regclass('public.caas_scores')
        and p.polpermissive
        and p.polcmd in ('r', '*')
        and p.polname <> 'caas_readers_see_tutors_clients_and_themselves'
        and exists (
            select
            from unnest(p.polroles) as r (role)
            where not exists (
                select
                from pg_roles as w
                where w.rolname = 'caas_worker'
                    and r.role <> 0
                    and pg_has_role(r.role, w.oid, 'member')
            )
        )
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
        'policy',
        p.name,
        'drop policy ' || p.name || ' on caas_scores'
    from policies as p
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
    coalesce(has_table_privilege(to_regclass('public.caas_migrations'), 'select'), true);

-- hidden: tables of the application's that row-level security filters for this role
select t.name
from unnest(%(tables)s::text[]) as t (name)
where row_security_active('public.' || quote_ident(t.name));

-- cache_security: what guards the score cache, and whether this role may write it
select
    c.relrowsecurity,
    exists(
        select
        from pg_policy as p
        where p.polrelid = c.oid
            and p.polname = 'caas_readers_see_tutors_clients_and_themselves'
    ),
    exists(
        select
        from pg_policy as p
        where p.polrelid = c.oid
            and p.polname = 'caas_workers_see_and_write_every_score'
    ),
    exists(
        select
        from pg_trigger as g
        where g.tgrelid = c.oid
            and g.tgname = 'caas_refuse_strangers'
            and g.tgenabled in ('O', 'A')
    ),
    not c.relforcerowsecurity,
    not row_security_active(c.oid) or current_setting('row_security')::boolean,
    not row_security_active(c.oid)
    or exists (
        select
        from pg_policy as p
        cross join unnest(p.polroles) as r (role)
        where p.polrelid = c.oid
            and p.polcmd = '*'
            and case when r.role = 0 then true else pg_has_role(r.role, 'usage') end
    )
from pg_class as c
where c.oid = to_regclass('public.caas_scores');

-- strangers: roles that may read or write more of ours than scores, without being the owner or a worker
select
    r.rolname,
    array_agg(distinct c.relname::text order by c.relname::text)
from pg_class as c
cross join aclexplode(c.relacl) as a
inner join pg_roles as r on r.oid = a.grantee
where c.relnamespace = 'public'::regnamespace
    and c.relname ~ %(ours)s::text
    and c.relname not like 'caas\_guard\_%%'
    and c.relkind in ('r', 'p', 'v')
    and a.grantee <> c.relowner
    and not r.rolsuper
    and not (c.relname = 'caas_scores' and lower(a.privilege_type) = 'select')
    and not exists (
        select
        from pg_roles as w
        where w.rolname = 'caas_worker'
            and pg_has_role(r.oid, w.oid, 'member')
    )
group by r.rolname
order by r.rolname;

-- public_create: whether everyone may create objects beside ours
select exists(
    select
    from pg_namespace as n
    cross join aclexplode(n.nspacl) as a
    where n.nspname = 'public'
        and a.grantee = 0
        and a.privilege_type = 'CREATE'
);

-- may_act_as: whether this role may become another
select
    case
        when current_setting('server_version_num')::integer >= 160000 then pg_has_role(%(role)s::text, 'set')
        else pg_has_role(%(role)s::text, 'member')
    end;
