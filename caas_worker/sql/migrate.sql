-- lock: one migration at a time, whichever host it comes from
select pg_try_advisory_lock(hashtext('caas_worker.migrate'), 0);

-- ledger: the record of what is installed
create table caas.migrations (
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp(),
    constraint migrations_are_named primary key (name)
);

-- describe_ledger: its comments
do $$
    begin
        comment on table caas.migrations is 'Installed files of caas_worker and their hashes.';
        comment on column caas.migrations.name is 'Folder and name of the file.';
        comment on column caas.migrations.sha256 is 'Hash of its text when it was installed.';
        comment on column caas.migrations.applied_at is 'When it was installed.';
    end;
$$;

-- has_schema: whether the schema of ours is there
select to_regnamespace('caas') is not null;

-- schema: where everything of ours lives
create schema caas;

-- home: the ledger's name, by which release installed last; null where none did
select format('%%s.%%s', n.nspname, c.relname)
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
inner join pg_roles as r on r.oid = c.relowner
where c.relkind = 'r'
    -- nor what somebody else has put there: a table with policies would run that role's functions as who reads it
    and (n.nspname, c.relname) in (('caas', 'migrations'), ('public', 'caas_migrations'))
    and (
        r.rolsuper
        or r.rolname = current_user
        or exists (
            select
            from pg_database as d
            where d.datname = current_database()
                and d.datdba = c.relowner
        )
        or exists (
            select
            from pg_class as t
            where t.relnamespace = 'public'::regnamespace
                and t.relname = any(%(trusted)s::text[])
                and t.relowner = c.relowner
        )
    )
order by n.nspname
limit 1;

-- installed: names and hashes
select
    name,
    sha256
from caas.migrations;

-- taken: whether something of the application's has the name of the view that it is to read
select to_regclass('public.caas_scores') is not null;

-- opened: what takes our things away from every role but the owner, ours, and who was granted to mark or to read
with ours as (
    select
        'schema' as kind,
        quote_ident(n.nspname) as name,
        n.nspacl as acl,
        n.nspowner as owner,
        '{}'::text[] as grantable,
        '{usage}'::text[] as workers
    from pg_namespace as n
    where n.nspname = 'caas'
    union all
    -- rights on columns, too: revoked on the table, they go along
    select
        case c.relkind when 'S' then 'sequence' else 'table' end,
        c.oid::regclass::text,
        held.acl,
        c.relowner,
        case when c.relnamespace <> to_regnamespace('caas') then '{select}'::text[] else '{}' end,
        case
            when c.relkind = 'S' then '{usage}'::text[]
            when c.relkind = 'v' or c.relname in ('migrations', 'source_views') then '{select}'
            else '{select, insert, update, delete}'
        end
    from pg_class as c
    cross join lateral (
        select c.relacl as acl
        union all
        select a.attacl
        from pg_attribute as a
        where a.attrelid = c.oid
            and a.attacl is not null
    ) as held
    where (c.relnamespace = to_regnamespace('caas') and c.relkind in ('r', 'p', 'v', 'm', 'S'))
        -- not the table of an earlier release, which 0008 moves
        or (c.oid = to_regclass('public.caas_scores') and c.relkind = 'v')
    union all
    select
        'function',
        p.oid::regprocedure::text,
        coalesce(p.proacl, acldefault('f', p.proowner)),
        p.proowner,
        case when p.proname = 'enqueue' then '{execute}'::text[] else '{}' end,
        case
            when p.proname = any(%(owners)s::text[]) or p.prorettype = 'trigger'::regtype then '{}'::text[]
            else '{execute}'
        end
    from pg_proc as p
    where p.pronamespace = to_regnamespace('caas')
),

surplus as (
    select
        o.kind,
        o.name,
        g.name as grantee,
        lower(a.privilege_type) as privilege
    from ours as o
    cross join aclexplode(o.acl) as a
    cross join lateral (
        select case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as name
    ) as g
    where a.grantee <> o.owner
        and not (a.grantee <> 0 and lower(a.privilege_type) = any(o.grantable))
        and not (
            o.kind = 'schema'
            and lower(a.privilege_type) = 'usage'
            and a.grantee <> 0
            and (
                exists (
                    select
                    from ours as own
                    where own.owner = a.grantee
                )
                or exists (
                    select
                    from ours as marking
                    cross join aclexplode(marking.acl) as b
                    where marking.kind = 'function'
                        and 'execute' = any(marking.grantable)
                        and b.grantee = a.grantee
                )
            )
        )
        and not exists (
            select
            from pg_roles as r
            where r.oid = a.grantee
                and r.rolname = 'caas_worker'
                and lower(a.privilege_type) = any(o.workers)
        )
)

select
    s.kind || ' ' || s.name as what,
    s.grantee,
    'revoke ' || string_agg(distinct s.privilege, ', ') || ' on ' || s.kind || ' ' || s.name || ' from ' || s.grantee
    || ' cascade' as statement
from surplus as s
group by s.kind, s.name, s.grantee
order by what, s.grantee;

-- record: a file is installed
insert into caas.migrations (name, sha256)
values (%(name)s, %(sha256)s)
on conflict (name) do update
    set
        sha256 = excluded.sha256,
        applied_at = clock_timestamp();

-- forget: a file is no longer installed
delete from caas.migrations
where name = %(name)s;

-- callers: roles that may call a function besides its owner
select distinct r.rolname
from pg_proc as p
cross join aclexplode(p.proacl) as a
inner join pg_roles as r on r.oid = a.grantee
where p.pronamespace = to_regnamespace('caas')
    and p.proname = %(function)s
    and a.grantee <> p.proowner;

-- holders: who holds a lock on a table, or, without a name, on any of ours
select distinct
    a.pid,
    coalesce(a.application_name, ''),
    coalesce(a.state, ''),
    extract(epoch from clock_timestamp() - a.xact_start)::double precision as age
from pg_locks as l
inner join pg_class as c on c.oid = l.relation
inner join pg_stat_activity as a on a.pid = l.pid
where case
        when %(relation)s::text is null
            then c.relnamespace = to_regnamespace('caas')
                or c.relnamespace = to_regnamespace('public') and c.relname like 'caas\_%%'
        else c.oid = to_regclass(%(relation)s::text)
    end
    and l.database = (
        select d.oid
        from pg_database as d
        where d.datname = current_database()
    )
    and l.granted
    and a.pid <> pg_backend_pid()
order by age desc
limit 3;

-- close_function: what takes a function that was just made away from everybody but its owner
select distinct
    format(
        'revoke all on function %%s from %%s',
        p.oid::regprocedure,
        case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    )
from pg_proc as p
cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
where p.pronamespace = to_regnamespace('caas')
    and p.proname = %(function)s::text
    and a.grantee <> p.proowner;

-- keep_view: how a source view is made, for caas.restore
insert into caas.source_views (name, definition)
values (%(name)s, %(definition)s)
on conflict (name) do update
    set definition = excluded.definition;

-- view_grants: what the roles of ours may do with source views, which are about to be made again
select 'grant select on ' || c.oid::regclass || ' to ' || quote_ident(r.rolname)
from pg_class as c
cross join aclexplode(c.relacl) as a
inner join pg_roles as r on r.oid = a.grantee
where c.relnamespace = to_regnamespace('caas')
    and c.relname = any(%(names)s::text[])
    and r.rolname = 'caas_worker'
    and lower(a.privilege_type) = 'select';

-- forget_view: one that this release does not have any more
delete from caas.source_views
where name = %(name)s;

-- has_bridge: whether the view is there that the move to the schema caas leaves in place of the old marks
select exists(
    select
    from pg_class as c
    where c.oid = to_regclass('public.caas_changes')
        and c.relkind = 'v'
);

-- stranger: a schema caas in which no release is: whose it is, whether that is a trusted role, and what is in it
select
    pg_get_userbyid(n.nspowner),
    r.rolsuper
    or r.rolname = current_user
    or exists (
        select
        from pg_database as d
        where d.datname = current_database()
            and d.datdba = n.nspowner
    )
    or exists (
        select
        from pg_class as t
        where t.relnamespace = 'public'::regnamespace
            and t.relname = any(%(trusted)s::text[])
            and t.relowner = n.nspowner
    ),
    array(
        select pg_describe_object(d.classid, d.objid, 0) as what
        from pg_depend as d
        where d.refclassid = 'pg_namespace'::regclass
            and d.refobjid = n.oid
            and d.deptype = 'n'
        order by what
        limit 3
    )
from pg_namespace as n
inner join pg_roles as r on r.oid = n.nspowner
where n.nspname = 'caas'
    and to_regclass('caas.migrations') is null;

-- views_of_others: views over what an earlier release has in public, of roles that may not read it after the move
select
    v.oid::regclass::text as view,
    r.rolname
from pg_class as c
inner join pg_depend as d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
inner join pg_rewrite as w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
inner join pg_class as v on v.oid = w.ev_class
inner join pg_roles as r on r.oid = v.relowner
where to_regclass('public.caas_migrations') is not null
    and c.relnamespace = 'public'::regnamespace
    and (
        c.relname like 'caas\_%%'
        or c.relname in (
            'tutor_daily_aggregates', 'tutor_performance_metrics', 'tutor_scores', 'session_scores', 'tutor_alerts',
            'tutor_performance_summaries', 'tutor_thresholds', 'email_reports'
        )
    )
    and v.relowner <> c.relowner
    and not r.rolsuper
    and v.relname not like 'caas\_%%'
group by v.oid, r.rolname
order by view;

-- drop_bridge: no write needs it any more
drop view public.caas_changes;

-- outsiders: what is not ours and needs something of ours, which an uninstall would take along
with ours (class, object) as (
    select
        'pg_class'::regclass,
        c.oid
    from pg_class as c
    where c.relnamespace = to_regnamespace('caas')
        or c.oid = to_regclass('public.caas_scores')
    union all
    select
        'pg_proc'::regclass,
        p.oid
    from pg_proc as p
    where p.pronamespace = to_regnamespace('caas')
    union all
    select
        'pg_type'::regclass,
        t.oid
    from pg_type as t
    where t.typnamespace = to_regnamespace('caas')
        or t.typrelid = to_regclass('public.caas_scores')
)

select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
from ours as o
inner join pg_depend as d on d.refclassid = o.class and d.refobjid = o.object
left join pg_rewrite as rule on d.classid = 'pg_rewrite'::regclass and rule.oid = d.objid
left join pg_constraint as con on d.classid = 'pg_constraint'::regclass and con.oid = d.objid
left join pg_attrdef as def on d.classid = 'pg_attrdef'::regclass and def.oid = d.objid
left join pg_trigger as trg on d.classid = 'pg_trigger'::regclass and trg.oid = d.objid
where d.deptype = 'n'
    and coalesce(trg.tgname, '') not like 'caas\_mark\_%%'
    and not exists (
        select
        from ours as own
        where (own.class, own.object) = (d.classid, d.objid)
            or (
                own.class = 'pg_class'::regclass
                and own.object in (rule.ev_class, con.conrelid, def.adrelid, trg.tgrelid)
            )
    );

-- drop_readers_view: what the application read
drop view if exists public.caas_scores;

-- drop_schema: nothing of ours is left
drop schema caas cascade;

-- attach: create the triggers of one relation
select caas.attach(%(watched)s::text, %(relation)s::text::regclass);

-- everyone: mark everyone with one row
select caas.enqueue_everyone(%(reason)s::text);
