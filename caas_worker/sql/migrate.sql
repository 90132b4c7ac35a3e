-- lock: one migration at a time, whichever host it comes from
select pg_try_advisory_lock(hashtext('caas_worker.migrate'), 0);

-- ledger: the record of what is installed
create table if not exists caas_migrations (
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp(),
    constraint caas_migrations_are_named primary key (name)
);

-- describe_ledger: its comment
comment on table caas_migrations is 'Installed files of caas_worker and their hashes.';

-- drop_ledger: nothing of ours is left
drop table if exists caas_migrations;

-- has_ledger: whether anything was ever installed
select to_regclass('public.caas_migrations') is not null;

-- installed: names and hashes
select
    name,
    sha256
from caas_migrations;

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

-- holders: who holds a lock on a table
select
    a.pid,
    coalesce(a.application_name, ''),
    coalesce(a.state, ''),
    extract(epoch from clock_timestamp() - a.xact_start)::double precision
from pg_locks as l
inner join pg_stat_activity as a on a.pid = l.pid
where l.relation = to_regclass(%(relation)s::text)
    and l.granted
    and a.pid <> pg_backend_pid()
order by a.xact_start
limit 3;

-- attach: create the triggers of one relation
select caas_attach(%(watched)s::text, %(relation)s::text::regclass);

-- everyone: mark everyone with one row
select caas_enqueue_everyone(%(reason)s::text);

-- revoke: nobody but the owner may call our functions until they are granted
do $$
    declare
        routine regprocedure;
    begin
        for routine in
            select p.oid
            from pg_proc as p
            where p.pronamespace = 'public'::regnamespace
                and p.proowner = current_user::regrole
                and (p.proname like 'caas\_%' or p.proname like 'get\_%\_stats')
        loop
            execute format('revoke all on function %s from public', routine);
        end loop;
    end;
$$;
