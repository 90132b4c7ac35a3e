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

-- led_columns: first columns of the application's indexes
select
    t.relname,
    a.attname
from pg_index as i
inner join pg_class as t on t.oid = i.indrelid
inner join pg_attribute as a on a.attrelid = t.oid and a.attnum = i.indkey[0]
where t.relnamespace = 'public'::regnamespace
    and i.indisvalid
    and i.indpred is null;

-- table_grants: what this role may do with a table, and whether row-level security filters it
select
    has_table_privilege(%(table)s::text, 'select'),
    has_table_privilege(%(table)s::text, 'insert') and has_table_privilege(%(table)s::text, 'update')
    and has_table_privilege(%(table)s::text, 'delete'),
    row_security_active(%(table)s::text);

-- function_grants: our functions that this role may not call
select p.oid::regprocedure::text
from pg_proc as p
where p.pronamespace = 'public'::regnamespace
    and p.proname = any(%(functions)s::text[])
    and not has_function_privilege(p.oid, 'execute');

-- follow_grant: whether profiles.caas_score exists, and whether this role may write it
select
    true,
    has_column_privilege('public.profiles', 'caas_score', 'update')
from pg_attribute
where attrelid = to_regclass('public.profiles')
    and attname = 'caas_score'
    and not attisdropped;

-- sequence_grant: whether this role may number entries
select has_sequence_privilege(c.oid, 'usage')
from pg_class as c
where c.oid = to_regclass('public.caas_generation');

-- public_create: whether everyone may create objects beside ours
select exists(
    select
    from pg_namespace as n
    cross join aclexplode(n.nspacl) as a
    where n.nspname = 'public'
        and a.grantee = 0
        and a.privilege_type = 'CREATE'
);
