-- lock: one migration at a time, whichever host it comes from
select pg_try_advisory_lock(hashtext('caas_worker.migrate'), 0);

-- ledger: the record of what is installed
create table if not exists caas_migrations (
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp(),
    constraint caas_migrations_are_named primary key (name)
);

-- describe_ledger: its comments
do $$
    begin
        comment on table caas_migrations is 'Installed files of caas_worker and their hashes.';
        comment on column caas_migrations.name is 'Folder and name of the file.';
        comment on column caas_migrations.sha256 is 'Hash of its text when it was installed.';
        comment on column caas_migrations.applied_at is 'When it was installed.';
    end;
$$;

-- drop_ledger: nothing of ours is left
drop table if exists caas_migrations;

-- has_ledger: whether anything was ever installed
select to_regclass('public.caas_migrations') is not null;

-- installed: names and hashes
select
    name,
    sha256
from caas_migrations;

-- taken: which of these names a table or view bears
select c.relname
from pg_class as c
where c.relnamespace = 'public'::regnamespace
    and c.relname = any(%(tables)s::text[])
order by c.relname;

-- record: a file is installed
insert into caas_migrations (name, sha256)
values (%(name)s, %(sha256)s)
on conflict (name) do update
    set
        sha256 = excluded.sha256,
        applied_at = clock_timestamp();

-- forget: a file is no longer installed
delete from caas_migrations
where name = %(name)s;

-- callers: roles that may call a function besides its owner
select distinct r.rolname
from pg_proc as p
cross join aclexplode(p.proacl) as a
inner join pg_roles as r on r.oid = a.grantee
where p.pronamespace = 'public'::regnamespace
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
        when %(relation)s::text is null then c.relname ~ %(ours)s::text
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

-- attach: create the triggers of one relation
select caas_attach(%(watched)s::text, %(relation)s::text::regclass);

-- everyone: mark everyone with one row
select caas_enqueue_everyone(%(reason)s::text);
