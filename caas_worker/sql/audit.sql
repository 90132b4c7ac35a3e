-- unfiltered: an error where row-level security would hide rows
select set_config('row_security', 'off', true);

-- everyone: the next ids after one, of profiles and of cached scores
with known as (
    (
        select p.id
        from caas.source_profiles as p
        where p.id > %(after)s::uuid
            or (%(after)s::uuid is null and p.id >= '00000000-0000-0000-0000-000000000000')
        order by p.id
        limit %(most)s::integer
    )
    union
    (
        select s.profile_id
        from caas.scores as s
        where s.profile_id > %(after)s::uuid
            or (%(after)s::uuid is null and s.profile_id >= '00000000-0000-0000-0000-000000000000')
        order by s.profile_id
        limit %(most)s::integer
    )
)

select k.id
from known as k
order by k.id
limit %(most)s::integer;

-- share: what percentage of a table, partitions included, so many pages are
with recursive tree as (
    select to_regclass(%(relation)s::text)::oid as relation
    union all
    select i.inhrelid
    from tree as t
    inner join pg_inherits as i on i.inhparent = t.relation
)

select
    least(
        100.0 * %(pages)s::integer * current_setting('block_size')::integer
        / greatest(sum(pg_relation_size(t.relation)), 1),
        100
    )::double precision
from tree as t;

-- sample: random profiles out of random pages, each row as likely as any other
select id
from public.profiles tablesample system (%(share)s)  -- noqa: PRS
order by random()
limit %(most)s::integer;

-- sample_orphans: of cached scores on random pages, those without a profile
select profile_id
from caas.scores tablesample system (%(share)s)  -- noqa: PRS
where not exists (
        select
        from caas.source_profiles as p
        where p.id = caas.scores.profile_id
        -- looked up row by row: a join might read all of profiles
        offset 0
    )
limit %(most)s::integer;

-- cached: what the cache says of these profiles, and the holds that stand
select
    s.profile_id,
    s.role_type,
    s.total_score,
    s.computed_score,
    s.score_breakdown,
    s.reason,
    s.calculation_version,
    s.gate_failed,
    s.generation,
    (
        select h.score
        from caas.holds as h
        where h.profile_id = s.profile_id
            and h.released_at is null
            and (h.expires_at is null or h.expires_at > clock_timestamp())
    ) as held
from caas.scores as s
where s.profile_id = any(%(profile_ids)s::uuid[]);

-- standing: what may explain a difference: a change on its way, an entry set aside, a time that has come
with marks as materialized (
    select c.*
    from caas.changes as c
    order by c.id
    limit %(most_marks)s::integer
),

-- whom caas.fold would find, but for the agents of changed profiles: see below
meant as (
    select m.profile_id
    from marks as m
    where not m.everyone
    union
    select m.agent_id
    from marks as m
    union
    select
        (
            select l.profile_id
            from caas.source_listings as l
            where l.id = m.listing_id
        )
    from marks as m
    union
    select
        (
            select l.profile_id
            from caas.source_bookings as b
            inner join caas.source_listings as l on l.id = b.listing_id
            where b.id = m.booking_id
        )
    from marks as m
),

-- an agent also waits for what its recruits wait for: it is marked when they are published
awaited as (
    select
        ids.profile_id,
        ids.profile_id as other
    from unnest(%(profile_ids)s::uuid[]) as ids (profile_id)
    union
    select
        ids.profile_id,
        g.target_profile_id
    from unnest(%(profile_ids)s::uuid[]) as ids (profile_id)
    cross join lateral (
        select led.target_profile_id
        from caas.source_profile_graph as led
        where led.source_profile_id = ids.profile_id
            and led.relationship_type = 'AGENT_REFERRAL'
            and led.status = 'ACTIVE'
        offset 0
    ) as g
),

pending as materialized (
    select a.profile_id
    from awaited as a
    where (
            select count(*)
            from marks
        ) = %(most_marks)s::integer
        or exists (
            select
            from marks as m
            where m.everyone
                and (m.profile_id is null or m.profile_id < a.other)
        )
        or exists (
            select
            from caas.recalculation_queue as q
            where q.profile_id = a.other
        )
        or a.other in (
            select w.profile_id
            from meant as w
            where w.profile_id is not null
        )
)

select
    ids.profile_id,
    s.generation,
    case
        when ids.profile_id in (
            select p.profile_id
            from pending as p
        )
            then 'pending'
        when d.profile_id is not null then 'dead'
        when s.next_due_at <= clock_timestamp() and not s.swept then 'due'
        when c.next_due_at <= clock_timestamp() and not c.swept then 'due'
    end
from unnest(%(profile_ids)s::uuid[]) as ids (profile_id)
left join caas.scores as s on s.profile_id = ids.profile_id
left join caas.cell_states as c on c.profile_id = ids.profile_id
left join caas.dead_entries as d on d.profile_id = ids.profile_id;

-- quality: what is published today of these tutors; the windows of an inactive one stand where they were
select
    ids.profile_id,
    today.metrics,
    (
        select jsonb_object_agg(t.score_type, jsonb_build_array(t.value::double precision, t.level))
        from caas.tutor_scores as t
        where t.profile_id = ids.profile_id
    ) as scores
from unnest(%(profile_ids)s::uuid[]) as ids (profile_id)
cross join lateral (
    select
        jsonb_object_agg(
            m.time_window,
            jsonb_build_array(m.performance_tier, m.sessions_completed, m.engagement_score::double precision)
        ) as metrics
    from caas.tutor_performance_metrics as m
    where m.profile_id = ids.profile_id
        and m.calculation_date = (%(now)s::timestamptz at time zone %(zone)s::text)::date
) as today
where today.metrics is not null;

-- not_followed: whose profiles.caas_score is not the cached total, neither listed to become it nor to be computed
select s.profile_id
from caas.scores as s
inner join public.profiles as p on p.id = s.profile_id
where s.profile_id = any(%(profile_ids)s::uuid[])
    and s.total_score::numeric is distinct from p.caas_score::numeric
    and not exists (
        select
        from caas.score_follow as f
        where f.profile_id = s.profile_id
    )
    and not exists (
        select
        from caas.recalculation_queue as q
        where q.profile_id = s.profile_id
    );

-- other_rules: published rules that are not these
select caas.other_rules(%(rules)s::jsonb);
