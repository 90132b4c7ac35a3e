-- brief: wait for nobody, and hold nothing if this process is stopped
select
    set_config('lock_timeout', '200ms', true),
    set_config('idle_in_transaction_session_timeout', '5s', true);

-- insertable: whether this role may insert profiles, and whether that runs the application's code as well
with recursive tree as (
    select 'public.profiles'::regclass::oid as relation
    union all
    select i.inhrelid
    from tree as t
    inner join pg_inherits as i on i.inhparent = t.relation
)

select
    (
        select bool_and(has_column_privilege('public.profiles', needed.name, 'insert'))
        from unnest('{id,roles,identity_verified}'::text[]) as needed (name)
    ),
    row_security_active('public.profiles')
    or exists (
        select
        from tree as t
        inner join pg_trigger as g on g.tgrelid = t.relation
        where not g.tgisinternal
            and g.tgname not like 'caas\_mark\_%%'
    )
    or exists (
        select
        from tree as t
        inner join pg_rewrite as r on r.ev_class = t.relation
    );

-- applications_path: the application's own triggers run under this
set local search_path = pg_catalog, public, pg_temp;

-- our_path: back again
set local search_path = pg_catalog, pg_temp;

-- insert: somebody who never was
insert into public.profiles (id, roles, identity_verified)
values (%(profile_id)s::uuid, '{TUTOR}', true);

-- candidates: existing profiles from a random one on, tutors first, whose entries nobody holds
select c.id
from (
    (
        select
            p.id,
            1 as choice
        from caas.source_profiles as p
        where p.id >= %(from_id)s::uuid
            and caas.role(p.roles::text[]) = 'TUTOR'
        order by p.id
        limit 20 * %(most)s::integer
    )
    union all
    (
        select
            p.id,
            2
        from caas.source_profiles as p
        where caas.role(p.roles::text[]) = 'TUTOR'
        order by p.id
        limit 20 * %(most)s::integer
    )
    union all
    (
        select
            p.id,
            3
        from caas.source_profiles as p
        order by p.id
        limit 20 * %(most)s::integer
    )
) as c
where not exists (
        select
        from caas.recalculation_queue as q
        where q.profile_id = c.id
            and (q.token is not null or q.due_at is not null or q.losses > 0)
    )
    and not exists (
        select
        from caas.dead_entries as d
        where d.profile_id = c.id
    )
group by c.id
order by min(c.choice), c.id
limit %(most)s::integer;

-- newest_mark: where the marks of this transaction begin
select coalesce(max(id), 0)
from caas.changes;

-- mark: by hand
select caas.enqueue(array[%(profile_id)s::uuid], 'smoke', 0);

-- marks: ours, which nobody else sees
select id
from caas.changes
where id > %(after)s::bigint
    and profile_id = %(profile_id)s::uuid;

-- fold: our marks and no others
select
    marks,
    entries
from caas.fold(cardinality(%(marks)s::bigint[]), 0::bigint, %(marks)s::bigint[], interval '0 seconds');

-- entry: ours in the queue, and whether it can be claimed
select
    priority,
    place,
    token is null
    and due_at is null
    and losses < 2
from caas.recalculation_queue
where profile_id = %(profile_id)s::uuid;
