-- figures: the queue at a glance, by state and priority; none is counted beyond %(most)s
with seen as (
    (
        select
            'marks' as state,
            c.priority,
            c.changed_at
        from caas.changes as c
        order by c.id
        limit %(most)s::integer
    )
    union all
    (
        select
            'ready',
            level.priority,
            q.first_changed_at
        from unnest('{0,10,50,90}'::smallint[]) as level (priority)
        cross join lateral (
            select r.first_changed_at
            from caas.recalculation_queue as r
            where r.token is null
                and r.due_at is null
                and r.losses < 2
                and r.priority = level.priority
            order by r.priority, r.place
            limit %(most)s::integer
        ) as q
    )
    union all
    (
        select
            'ready',
            q.priority,
            q.first_changed_at
        from caas.recalculation_queue as q
        where q.token is null
            and q.due_at is null
            and q.losses >= 2
        order by q.priority, q.place
        limit %(most)s::integer
    )
    union all
    (
        select
            'waiting',
            q.priority,
            q.first_changed_at
        from caas.recalculation_queue as q
        where q.token is null
            and q.due_at is not null
        order by q.due_at
        limit %(most)s::integer
    )
    union all
    (
        select
            'in_flight',
            q.priority,
            q.first_changed_at
        from caas.recalculation_queue as q
        where q.token is not null
        order by q.lease_until
        limit %(most)s::integer
    )
    union all
    (
        select
            'dead',
            null,
            d.first_changed_at
        from caas.dead_entries as d
        order by d.died_at
        limit %(most)s::integer
    )
    union all
    (
        select
            'due',
            null,
            s.next_due_at
        from caas.scores as s
        where s.next_due_at is not null
            and not s.swept
            and s.next_due_at <= clock_timestamp()
        order by s.next_due_at
        limit %(most)s::integer
    )
    union all
    (
        select
            'due',
            null,
            s.next_due_at
        from caas.cell_states as s
        where s.next_due_at is not null
            and not s.swept
            and s.next_due_at <= clock_timestamp()
        order by s.next_due_at
        limit %(most)s::integer
    )
    union all
    (
        select
            'tier ' || coalesce(s.performance_tier, 'none'),
            null,
            null
        from caas.cell_states as s
        where s.taught_until is not null
        limit %(most)s::integer
    )
    union all
    (
        select
            'scores',
            null,
            null
        from caas.scores
        limit %(most_scores)s::integer
    )
    union all
    select
        'workers',
        null,
        null
    from caas.workers as w
    where w.beat_at > clock_timestamp() - interval '1 minute'
    union all
    select
        'holds',
        null,
        null
    from caas.holds as h
    where h.released_at is null
        and (h.expires_at is null or h.expires_at > clock_timestamp())
)

select
    state,
    priority,
    count(*),
    extract(epoch from clock_timestamp() - min(changed_at))::double precision
from seen
group by state, priority;

-- estimates: rows of the large tables, as the planner knows them
select
    c.relname,
    coalesce(
        c.reltuples / nullif(c.relpages, 0) * pg_relation_size(c.oid) / current_setting('block_size')::integer, 0
    )::bigint
from pg_class as c
where c.oid in (
        'caas.changes'::regclass, 'caas.recalculation_queue'::regclass, 'caas.dead_entries'::regclass,
        'caas.scores'::regclass
    );

-- written: how often rows were written so far, by the database's own statistics
select
    coalesce(sum(t.n_tup_ins) filter (where t.relname = 'changes'), 0)::bigint as marks,
    coalesce(sum(t.n_tup_ins + t.n_tup_upd) filter (where t.relname = 'scores'), 0)::bigint as scores
from pg_stat_user_tables as t
where t.relid in ('caas.changes'::regclass, 'caas.scores'::regclass);
