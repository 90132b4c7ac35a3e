-- may_create: whether this role may create others
select
    r.rolsuper
    or r.rolcreaterole
from pg_roles as r
where r.rolname = current_user;

-- present: which of these roles exist
select r.rolname
from pg_roles as r
where r.rolname = any(%(roles)s::text[]);

-- worker_needs: what a role that works has to have, whose grant it is, and the statement that gives what is missing
with ours as (
    select
        c.oid,
        c.oid::regclass::text as name,
        c.relname,
        string_to_array(
            case
                when c.relkind = 'v' or c.relname in ('migrations', 'source_views') then 'select'
                else 'select, insert, update, delete'
            end,
            ', '
        ) as privileges
    from pg_class as c
    where c.relnamespace = to_regnamespace('caas')
        and c.relkind in ('r', 'p', 'v')
),

functions as (
    select p.oid
    from pg_proc as p
    where p.pronamespace = to_regnamespace('caas')
        and p.prorettype <> 'trigger'::regtype
        and p.proname <> all(%(owners)s::text[])
        and not has_function_privilege(%(role)s::text, p.oid, 'execute')
),

-- the application's one column that follows, and what finds its row
theirs as (
    select
        c.oid,
        c.relname,
        n.privilege,
        a.attnum,
        a.attname
    from (
        values
            ('select', 'id'),
            ('select', 'caas_score'),
            ('update', 'caas_score')
    ) as n (privilege, attname)
    inner join pg_class as c
        on c.relname = 'profiles'
        and c.relnamespace = 'public'::regnamespace
        and c.relkind in ('r', 'p')
    inner join pg_attribute as a
        on a.attrelid = c.oid
        and a.attname = n.attname
        and a.attnum > 0
        and not a.attisdropped
)

select
    needs.what,
    needs.relation,
    needs.statement
from (
    select
        1 as place,
        format('usage on schema %%s', n.nspname) as what,
        case when n.nspname = 'public' then 'schema public' end as relation,
        case
            when not has_schema_privilege(%(role)s::text, n.oid, 'usage')
                then format('grant usage on schema %%s to %%I', n.nspname, %(role)s::text)
        end as statement
    from pg_namespace as n
    where n.nspname in ('public', 'caas')
    union all
    select
        2,
        format('%%s on %%s', array_to_string(o.privileges, ', '), o.name),
        null,
        case
            when not (
                select bool_and(has_table_privilege(%(role)s::text, o.oid, p.privilege))
                from unnest(o.privileges) as p (privilege)
            )
                then format('grant %%s on %%s to %%I', array_to_string(o.privileges, ', '), o.name, %(role)s::text)
        end
    from ours as o
    union all
    select
        3,
        format('usage on %%s', c.oid::regclass),
        null,
        case
            when not has_sequence_privilege(%(role)s::text, c.oid, 'usage')
                then format('grant usage on sequence %%s to %%I', c.oid::regclass, %(role)s::text)
        end
    from pg_class as c
    where c.relnamespace = to_regnamespace('caas')
        and c.relkind = 'S'
        and not exists (
            select
            from pg_depend as d
            where d.classid = 'pg_class'::regclass
                and d.objid = c.oid
                and d.deptype = 'i'
        )
    union all
    select
        4,
        'execute on every function',
        null,
        'grant execute on function ' || string_agg(f.oid::regprocedure::text, ', ') || format(' to %%I', %(role)s::text)
    from functions as f
    union all
    select
        5,
        format('%%s on %%s', t.privilege, t.relname)
        || case when t.privilege = 'update' then ' (caas_score)' else '' end,
        t.relname,
        'grant ' || t.privilege || ' (' || string_agg(quote_ident(t.attname), ', ' order by t.attnum) filter (
            where not has_column_privilege(%(role)s::text, t.oid, t.attnum, t.privilege)
        ) || format(') on public.%%I to %%I', t.relname, %(role)s::text)
    from theirs as t
    group by t.oid, t.relname, t.privilege
) as needs
order by needs.place, needs.what;

-- surplus: columns of the application's that earlier releases granted to workers, which read views now
select
    c.relname,
    format(
        'revoke select (%%s) on public.%%I from %%I',
        string_agg(quote_ident(a.attname), ', ' order by a.attnum),
        c.relname,
        %(role)s::text
    )
from pg_class as c
inner join pg_attribute as a on a.attrelid = c.oid
cross join aclexplode(a.attacl) as g
inner join pg_roles as r on r.oid = g.grantee
where c.relnamespace = 'public'::regnamespace
    and c.relname = any(%(tables)s::text[])
    and r.rolname = %(role)s::text
    and lower(g.privilege_type) = 'select'
    and not (c.relname = 'profiles' and a.attname in ('id', 'caas_score'))
group by c.relname;

-- reader_needs: the same for a role that reads scores
select
    needs.what,
    needs.relation,
    needs.statement
from (
    select
        'usage on schema public' as what,
        'schema public' as relation,
        case
            when not has_schema_privilege(%(role)s::text, 'public', 'usage')
                then format('grant usage on schema public to %%I', %(role)s::text)
        end as statement
    union all
    select
        'select on public.caas_scores',
        null,
        case
            when not has_table_privilege(%(role)s::text, c.oid, 'select')
                then format('grant select on public.caas_scores to %%I', %(role)s::text)
        end
    from pg_class as c
    where c.oid = to_regclass('public.caas_scores')
) as needs;

-- sessions_needs: the same for a role that writes sessions on the application's behalf
select
    needs.what,
    needs.relation,
    needs.statement
from (
    select
        1 as place,
        'usage on schema public' as what,
        'schema public' as relation,
        case
            when not has_schema_privilege(%(role)s::text, 'public', 'usage')
                then format('grant usage on schema public to %%I', %(role)s::text)
        end as statement
    union all
    select
        2,
        format('%%s on %%s', p.key, c.relname),
        c.relname,
        'grant ' || p.key || ' (' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) filter (
            where not has_column_privilege(%(role)s::text, c.oid, a.attnum, p.key)
        ) || format(') on public.%%I to %%I', c.relname, %(role)s::text)
    from jsonb_each(%(writes)s::jsonb) as w
    cross join jsonb_each(w.value) as p
    cross join jsonb_array_elements_text(p.value) as col (name)
    inner join pg_class as c
        on c.relname = w.key
        and c.relnamespace = 'public'::regnamespace
        and c.relkind in ('r', 'p')
    inner join pg_attribute as a
        on a.attrelid = c.oid
        and a.attname = col.name
        and a.attnum > 0
        and not a.attisdropped
    group by c.oid, c.relname, p.key
) as needs
order by needs.place, needs.what;

-- held: what a role holds on the application's tables and on the schema, and how it is taken back
select
    taken.relation,
    taken.statement
from (
    select
        c.relname as relation,
        format('revoke all on public.%%I from %%I', c.relname, %(role)s::text) as statement
    from pg_class as c
    cross join aclexplode(c.relacl) as a
    where c.relnamespace = 'public'::regnamespace
        and c.relname = any(%(tables)s::text[])
        and a.grantee = %(role)s::regrole
        and a.grantee <> c.relowner
    union
    select
        c.relname,
        format(
            'revoke all (%%s) on public.%%I from %%I',
            string_agg(distinct quote_ident(t.attname), ', '),
            c.relname,
            %(role)s::text
        )
    from pg_class as c
    inner join pg_attribute as t on t.attrelid = c.oid
    cross join aclexplode(t.attacl) as a
    where c.relnamespace = 'public'::regnamespace
        and c.relname = any(%(tables)s::text[])
        and not t.attisdropped
        and a.grantee = %(role)s::regrole
        and a.grantee <> c.relowner
    group by c.relname
    union
    select
        'schema public',
        format('revoke usage on schema public from %%I', %(role)s::text)
    from pg_namespace as n
    cross join aclexplode(n.nspacl) as a
    where n.nspname = 'public'
        and a.grantee = %(role)s::regrole
        and a.grantee <> n.nspowner
        and a.privilege_type = 'USAGE'
) as taken
order by taken.relation;
