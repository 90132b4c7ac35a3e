-- Fold: moves marks into the queue. Takes caas.changes away, reads listings, bookings, profile_graph and profiles
-- for the owners and agents as of now, writes caas.recalculation_queue and brings back what stood in caas.dead_entries.
--
-- Marks are taken by SKIP LOCKED, so that folders do not wait for each other. from_id is only where the search
-- begins, to step over dead rows behind an old transaction's horizon: the caller must come back with 0 regularly,
-- because a late commit strands lower ids.
-- Entries are written in the order of profile_id, like every lock of ours: folders and cachers that lock in
-- different orders deadlock.
-- An agent's score depends on its recruits' role, too: a change of a profile's own row also means whoever recruited it.
-- A mark that meets a leased entry keeps to the later_ columns: what came after the claim is not in the claim's score.
-- The cells that the marks name go to caas.touched_cells, whatever becomes of the entry.
-- debounce: how long an entry waits, from its first live change, for others that may follow; those do not prolong it,
-- and a recalculation by hand ends it.
create or replace function caas.fold(
    max_marks integer,
    from_id bigint default 0,
    only_ids bigint[] default null,
    debounce interval default '0 seconds'
)
returns table (marks integer, entries integer, last_id bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    taken bigint[] := only_ids;
    queued uuid[];
begin
    if taken is null then
        select array_agg(t.id)
        into taken
        from (
            select c.id
            from caas.changes as c
            where c.id >= from_id
                and not c.everyone
            order by c.id
            limit max_marks
            for update skip locked
        ) as t;
    end if;
    marks := coalesce(cardinality(taken), 0);
    entries := 0;
    last_id := taken[marks];
    if marks = 0 then
        return next;
        return;
    end if;
    with marked as (
        delete from caas.changes as c
        where c.id = any(taken)
        returning c.*
    ),

    owned as (
        select
            m.profile_id,
            m.reason,
            m.priority,
            m.changed_at,
            m.deleted,
            case
                when m.touched_at is not null and m.listing_id is null then m.touched_at
                when m.booking_id is not null
                    then (
                        select b.scheduled_start
                        from caas.source_bookings as b
                        where b.id = m.booking_id
                    )
            end as touched_at,
            m.reason = 'profile_reviews' as is_pair,
            m.other_id,
            m.whole or m.reason = 'listings' as whole
        from marked as m
        where m.profile_id is not null
        union all
        select
            (
                select l.profile_id
                from caas.source_listings as l
                where l.id = m.listing_id
            ),
            m.reason,
            m.priority,
            m.changed_at,
            false,
            m.touched_at,
            m.reason = 'bookings',
            m.profile_id,
            false
        from marked as m
        where m.listing_id is not null
        union all
        select
            t.profile_id,
            m.reason,
            m.priority,
            m.changed_at,
            false,
            t.scheduled_start,
            true,
            t.client_id,
            false
        from marked as m
        cross join lateral (
            select
                l.profile_id,
                b.client_id,
                b.scheduled_start
            from caas.source_bookings as b
            cross join lateral (
                select own.profile_id
                from caas.source_listings as own
                where own.id = b.listing_id
                offset 0
            ) as l
            where b.id = m.booking_id
            offset 0
        ) as t
        where m.booking_id is not null
            and m.profile_id is null
            and m.reason <> 'profile_reviews'
        union all
        select
            p.id,
            'recruits',
            a.priority,
            a.changed_at,
            false,
            null,
            false,
            null,
            false
        from (
            select
                m.agent_id,
                m.priority,
                m.changed_at
            from marked as m
            where m.agent_id is not null
            union all
            select
                g.source_profile_id,
                m.priority,
                m.changed_at
            from marked as m
            cross join lateral (
                select led.source_profile_id
                from caas.source_profile_graph as led
                where led.target_profile_id = m.profile_id
                    and led.relationship_type = 'AGENT_REFERRAL'
                    and led.status = 'ACTIVE'
                offset 0
            ) as g
            where m.reason = 'profiles'
        ) as a
        cross join lateral (
            select own.id
            from caas.source_profiles as own
            where own.id = a.agent_id
                and caas.role(own.roles::text[]) = 'AGENT'
            offset 0
        ) as p
    ),

    merged as (
        select
            o.profile_id,
            min(o.priority) as priority,
            (array_agg(distinct o.reason))[:16] as reasons,
            min(o.changed_at) as first_changed_at,
            max(o.changed_at) as last_changed_at,
            bool_or(o.deleted) as deleted
        from owned as o
        where o.profile_id is not null
        group by o.profile_id
    ),

    touched as (
        insert into caas.touched_cells (profile_id, cell, day, other_id)
        select distinct
            o.profile_id,
            c.cell,
            c.day,
            c.other_id
        from owned as o
        cross join lateral (
            values
            (
                'day',
                (o.touched_at at time zone 'UTC')::date,
                null,
                o.touched_at >= '0001-01-03 00:00:00+00' and o.touched_at < '9999-01-01 00:00:00+00'
            ),
            ('pair', null, o.other_id, o.is_pair),
            ('days', null, null, o.whole),
            ('pairs', null, null, o.whole)
        ) as c (cell, day, other_id, is_touched)
        where o.profile_id is not null
            and c.is_touched
    ),

    written as (
        insert into caas.recalculation_queue as q (
            profile_id, generation, priority, place, reasons, first_changed_at, last_changed_at, deleted, due_at
        )
        select
            m.profile_id,
            nextval('caas.generation'),
            m.priority,
            nextval('caas.generation'),
            m.reasons,
            m.first_changed_at,
            m.last_changed_at,
            m.deleted,
            case
                when m.priority = 10 and m.first_changed_at + debounce > clock_timestamp()
                    then m.first_changed_at + debounce
            end
        from merged as m
        order by m.profile_id
        on conflict (profile_id) do update
            set
                generation = excluded.generation,
                last_changed_at = greatest(q.last_changed_at, excluded.last_changed_at),
                deleted = q.deleted or excluded.deleted,
                priority = case when q.token is null then least(q.priority, excluded.priority) else q.priority end,
                place = case
                    when q.token is null and excluded.priority < q.priority then excluded.place
                    else q.place
                end,
                first_changed_at = case
                    when q.token is null then least(q.first_changed_at, excluded.first_changed_at)
                    else q.first_changed_at
                end,
                reasons = case when q.token is null then caas.merge_reasons(q.reasons, excluded.reasons) else q.reasons end,
                later_priority = case when q.token is not null then least(q.later_priority, excluded.priority) end,
                later_reasons = case
                    when q.token is not null then caas.merge_reasons(q.later_reasons, excluded.reasons)
                end,
                later_changed_at = case
                    when q.token is not null then least(q.later_changed_at, excluded.first_changed_at)
                end,
                due_at = case when q.error is null and excluded.priority = 0 then null else q.due_at end,
                later_due_at = case
                    when q.token is not null and least(q.later_priority, excluded.priority) = 10
                        then case when q.later_priority = 10 then q.later_due_at else excluded.due_at end
                end
        returning q.profile_id
    )

    select array_agg(w.profile_id order by w.profile_id)
    into queued
    from written as w;
    entries := coalesce(cardinality(queued), 0);
    delete from caas.dead_entries as d
    where d.profile_id = any(queued);
    return next;
end;
$function$;

comment on function caas.fold(integer, bigint, bigint[], interval) is
    'Moves up to max_marks marks into the queue; returns marks taken, entries written and the last mark''s id.';
