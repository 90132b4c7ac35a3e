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
