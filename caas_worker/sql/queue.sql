-- profile: where one profile stands. A mark names it by any of its keys, as in caas.fold and caas.expand
select
    p.place,
    p.state,
    p.priority,
    p.reasons,
    p.attempts,
    p.error,
    p.first_changed_at,
    p.due_at
from (
    (
        select
            'queue' as place,
            case
                when q.token is not null then 'in flight'
                when q.due_at is not null then 'waiting'
                else 'ready'
            end as state,
            q.priority,
            q.reasons,
            q.attempts,
            q.error,
            q.first_changed_at,
            q.due_at
        from caas.recalculation_queue as q
        where q.profile_id = %(profile_id)s
    )
    union all
    (
        select
            'changes',
            'marked',
            c.priority,
            array[c.reason],
            0,
            null,
            c.changed_at,
            null
        from caas.changes as c
        where case
            when c.everyone then c.profile_id is null or c.profile_id < %(profile_id)s
            else
                c.profile_id = %(profile_id)s
                or exists (
                    select
                    from caas.source_listings as l
                    where l.id = c.listing_id
                        and l.profile_id = %(profile_id)s
                )
                or exists (
                    select
                    from caas.source_bookings as b
                    inner join caas.source_listings as l on l.id = b.listing_id
                    where b.id = c.booking_id
                        and c.profile_id is null
                        and l.profile_id = %(profile_id)s
                )
                or exists (
                    select
                    from caas.source_profiles as p
                    where p.id = c.agent_id
                        and p.id = %(profile_id)s
                        and caas.role(p.roles::text[]) = 'AGENT'
                )
                or exists (
                    select
                    from caas.source_profile_graph as led
                    where c.reason = 'profiles'
                        and led.target_profile_id = c.profile_id
                        and led.source_profile_id = %(profile_id)s
                        and led.relationship_type = 'AGENT_REFERRAL'
                        and led.status = 'ACTIVE'
                )
        end
        order by c.id
        limit 1
    )
    union all
    (
        select
            'dead',
            'set aside',
            null,
            d.reasons,
            d.attempts,
            d.error,
            d.first_changed_at,
            null
        from caas.dead_entries as d
        where d.profile_id = %(profile_id)s
    )
) as p
order by array_position(array['queue', 'changes', 'dead'], p.place)
limit 1;

-- recalculate: mark and fold at once
select
    profile_id,
    generation,
    clock_timestamp()
from caas.recalculate(%(profile_ids)s::uuid[], %(reason)s::text, %(priority)s::integer);

-- everyone: mark everyone with one row
select caas.enqueue_everyone(%(reason)s::text);

-- expanding: whether a mark of everyone is not yet expanded
select exists(
    select
    from caas.changes
    where everyone
);

-- estimate_everyone: how many profiles there are, exactly where they are few
select
    case
        when c.reltuples > 1000000 then c.reltuples::bigint
        else (
            select count(*)
            from caas.source_profiles
        )
    end
from pg_class as c
where c.oid = 'public.profiles'::regclass;

-- failed: entries set aside, the newest first
select
    profile_id,
    error,
    message,
    attempts,
    reasons,
    first_changed_at,
    died_at,
    detail
from caas.dead_entries
where died_at >= clock_timestamp() - make_interval(secs => %(last_seconds)s::double precision)
    and (%(error)s::text is null or error = %(error)s::text)
order by died_at desc, profile_id asc
limit %(most)s::integer;

-- retry: the next of the entries that were set aside before, back into the queue
select profile_id
from caas.recalculate(
    array(
        select d.profile_id
        from caas.dead_entries as d
        where (%(profile_ids)s::uuid[] is null or d.profile_id = any(%(profile_ids)s::uuid[]))
            and (%(error)s::text is null or d.error = %(error)s::text)
            and d.died_at <= %(before)s::timestamptz
        order by d.profile_id
        limit %(most)s::integer
    ),
    'retry',
    10
);

-- now: the database's time
select clock_timestamp();

-- purge: the next of the dead entries, for good
with chosen as (
    select d.profile_id
    from caas.dead_entries as d
    where (%(profile_ids)s::uuid[] is null or d.profile_id = any(%(profile_ids)s::uuid[]))
        and (%(error)s::text is null or d.error = %(error)s::text)
        and d.died_at <= %(before)s::timestamptz - make_interval(secs => %(older_seconds)s::double precision)
    order by d.died_at, d.profile_id
    limit %(most)s::integer
    for update skip locked
)

delete from caas.dead_entries as d
using chosen as c
where d.profile_id = c.profile_id
returning d.profile_id;

-- standings: where each of a list stands, in the queue, among the dead and in the cache
select
    ids.profile_id,
    q.profile_id is not null as queued,
    coalesce(q.token is null and q.due_at is null, false) as ready,
    coalesce(q.attempts, 0) as attempts,
    coalesce(
        q.error,
        (
            select d.error
            from caas.dead_entries as d
            where d.profile_id = ids.profile_id
        )
    ) as error,
    q.due_at,
    s.generation,
    s.calculated_at
from unnest(%(profile_ids)s::uuid[]) as ids (profile_id)
left join lateral (
    select e.*
    from caas.recalculation_queue as e
    where e.profile_id = ids.profile_id
    offset 0
) as q on true
left join lateral (
    select
        c.generation,
        c.calculated_at
    from caas.scores as c
    where c.profile_id = ids.profile_id
    offset 0
) as s on true;
