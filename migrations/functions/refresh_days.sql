-- Cells, second part, in the transaction that publishes what depends on them: writes the day cells that the marks of
-- claimed tutors touched, and the session quality (scoring 6) of those days. Locks the entries that are still the
-- token's, and gives back those whose pair cells a crash undid (caas.lock_claimed). Reads caas.touched_cells,
-- caas.cell_states and what caas.taught_sessions and caas.told_events do; writes tutor_daily_aggregates,
-- caas.daily_events, session_scores, caas.cell_states, and email_reports where there is a recipient.
--
-- The days since the last time are always written anew: a session that lay in the future then may have begun, and may
-- be its client's first. A mark names a day of UTC, which lies in one or two of the zone's. What was touched of others
-- than tutors is forgotten. Why rows are deleted by ctid: see caas.count_pairs.
-- settled: those of the claimed whose outcome is published now, whether tutors or not. A session is reported once, if
-- it began after reports did for its tutor and at most two weeks ago. Returns those of the settled
-- that are still the token's: tutors, whose scores are to follow, and whether every cell of theirs is written anew, and
-- others. What follows may concern no one else.
create or replace function caas.refresh_days(
    claim_token uuid,
    claimed uuid[],
    settled uuid[],
    tutors uuid[],
    as_of timestamptz,
    zone text,
    recipient text
)
returns table (profile_id uuid, is_tutor boolean, is_whole boolean)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
declare
    ours uuid[];
    teaching uuid[];
    whole uuid[];
    item_ids uuid[];
    from_days date[];
    to_days date[];
begin
    ours := caas.lock_claimed(claim_token, claimed, settled);

    select array_agg(ids.profile_id order by ids.profile_id)
    into teaching
    from unnest(ours) as ids (profile_id)
    where ids.profile_id = any(tutors);

    with taken as (
        delete from caas.touched_cells as t
        where t.profile_id = any(ours)
            and t.profile_id = any(settled)
            and t.cell in ('day', 'days')
        returning t.profile_id, t.cell, t.day
    ),

    known as (
        select
            ids.profile_id,
            (
                select (least(s.taught_until, as_of) at time zone zone)::date
                from caas.cell_states as s
                where s.profile_id = ids.profile_id
                    and s.taught_until is not null
            ) as since
        from unnest(teaching) as ids (profile_id)
    ),

    every_day as (
        select t.profile_id
        from taken as t
        where t.cell = 'days'
            and t.profile_id = any(teaching)
        union
        select k.profile_id
        from known as k
        where k.since is null
    ),

    singles as (
        select distinct
            k.profile_id,
            d.day
        from taken as t
        cross join lateral (
            select
                same.profile_id,
                same.since
            from known as same
            where same.profile_id = t.profile_id
                and same.since is not null
        ) as k
        cross join lateral (
            values
            ((t.day::timestamp at time zone 'UTC' at time zone zone)::date),
            (((((t.day + 1)::timestamp at time zone 'UTC') - interval '1 microsecond') at time zone zone)::date)
        ) as d (day)
        where t.cell = 'day'
            and d.day < k.since
    ),

    items (profile_id, from_day, to_day) as (
        select
            e.profile_id,
            '-infinity'::date,
            'infinity'::date
        from every_day as e
        union all
        select
            k.profile_id,
            k.since,
            'infinity'
        from known as k
        where k.since is not null
            and k.profile_id not in (select e.profile_id from every_day as e)
        union all
        select
            s.profile_id,
            s.day,
            s.day + 1
        from singles as s
        where s.profile_id not in (select e.profile_id from every_day as e)
    )

    select
        array_agg(i.profile_id),
        array_agg(i.from_day),
        array_agg(i.to_day),
        (
            select array_agg(e.profile_id)
            from every_day as e
        )
    into item_ids, from_days, to_days, whole
    from items as i;

    return query
    select
        ids.profile_id,
        (ids.profile_id = any(teaching)) is true,
        (ids.profile_id = any(whole)) is true
    from unnest(ours) as ids (profile_id)
    where ids.profile_id = any(settled);
    if item_ids is null then
        return;
    end if;

    delete from caas.tutor_daily_aggregates as d
    where d.ctid = any(
        array(
            select gone.ctid
            from unnest(item_ids, from_days, to_days) as i (profile_id, from_day, to_day)
            cross join lateral (
                select cell.ctid
                from caas.tutor_daily_aggregates as cell
                where cell.profile_id = i.profile_id
                    and cell.day >= i.from_day
                    and cell.day < i.to_day
                offset 0
            ) as gone
        )
    );
    delete from caas.daily_events as d
    where d.ctid = any(
        array(
            select gone.ctid
            from unnest(item_ids, from_days, to_days) as i (profile_id, from_day, to_day)
            cross join lateral (
                select cell.ctid
                from caas.daily_events as cell
                where cell.profile_id = i.profile_id
                    and cell.day >= i.from_day
                    and cell.day < i.to_day
                offset 0
            ) as gone
        )
    );
    delete from caas.session_scores as s
    where s.ctid = any(
        array(
            select gone.ctid
            from unnest(item_ids, from_days, to_days) as i (profile_id, from_day, to_day)
            cross join lateral (
                select judged.ctid
                from caas.session_scores as judged
                where judged.profile_id = i.profile_id
                    and judged.score_type = 'sqs'
                    and judged.starts_at >= (i.from_day::timestamp at time zone zone) - interval '3 hours'
                    and judged.starts_at < (i.to_day::timestamp at time zone zone) + interval '3 hours'
                    and (judged.starts_at at time zone zone)::date >= i.from_day
                    and (judged.starts_at at time zone zone)::date < i.to_day
                order by judged.starts_at
                offset 0
            ) as gone
        )
    )
        -- it may move to another tutor while this waits
        and s.profile_id = any(item_ids);

    with sessions as materialized (
        select t.*
        from caas.taught_sessions(item_ids, from_days, to_days, as_of, zone) as t
    ),

    judged as (
        insert into caas.session_scores as s (
            booking_id, score_type, profile_id, client_id, starts_at, value, level, components, version, calculated_at
        )
        select
            q.booking_id,
            'sqs',
            q.profile_id,
            q.client_id,
            q.starts_at,
            q.value,
            case when q.value < 60 then 'risk' when q.value <= 75 then 'warn' else 'ok' end,
            jsonb_build_object('late', q.late, 'short', q.short, 'tech', q.tech),
            'sqs-v1',
            as_of
        from (
            select
                t.*,
                100 - t.late - t.short - t.tech as value
            from sessions as t
            where t.short is not null
        ) as q
        order by q.booking_id
        -- a session that moved here from another tutor
        on conflict (booking_id, score_type) do update
            set
                profile_id = excluded.profile_id,
                client_id = excluded.client_id,
                starts_at = excluded.starts_at,
                value = excluded.value,
                level = excluded.level,
                components = excluded.components,
                version = excluded.version,
                calculated_at = excluded.calculated_at
            where caas.tutor_of(excluded.booking_id) = excluded.profile_id
    ),

    reported as (
        insert into caas.email_reports as r (booking_id, profile_id, recipient_email, subject)
        select
            t.booking_id,
            t.profile_id,
            recipient,
            'Session report ' || t.booking_id
        from sessions as t
        where recipient is not null
            and t.starts_at > as_of - interval '14 days'
            and t.starts_at > (
                select s.reports_since
                from caas.cell_states as s
                where s.profile_id = t.profile_id
            )
        order by t.booking_id
        -- a session that moved here from another tutor
        on conflict (booking_id) do update
            set profile_id = excluded.profile_id
            where r.profile_id <> excluded.profile_id
                and caas.tutor_of(excluded.booking_id) = excluded.profile_id
    ),

    begun as (
        insert into caas.touched_cells (profile_id, cell, other_id, refreshed)
        select
            t.profile_id,
            'pair',
            t.client_id,
            true
        from sessions as t
        where t.client_id is not null
            and (t.profile_id = any(whole)) is not true
            and t.starts_at > (
                select s.taught_until
                from caas.cell_states as s
                where s.profile_id = t.profile_id
            )
    )

    insert into caas.tutor_daily_aggregates (
        profile_id, day, sessions, sessions_completed, reschedules_tutor_initiated, no_shows, started, on_time,
        lateness_min, ratings, rating_sum, first_ratings, first_ratings_good, engagement_count, engagement_sum,
        objectives_answered, objectives_met
    )
    select
        t.profile_id,
        t.day,
        count(*),
        count(*) filter (where t.status = 'Completed'),
        count(*) filter (where t.is_rescheduled_by_tutor),
        count(*) filter (where t.is_missed_by_tutor),
        count(t.minutes_late),
        count(*) filter (where t.minutes_late <= 10),
        coalesce(sum(t.minutes_late), 0),
        sum(t.ratings),
        sum(t.rating_sum),
        coalesce(sum(t.ratings) filter (where t.is_first), 0),
        coalesce(sum(t.good_ratings) filter (where t.is_first), 0),
        count(t.engagement_score),
        coalesce(sum(t.engagement_score), 0),
        count(t.objectives_met),
        count(*) filter (where t.objectives_met)
    from sessions as t
    group by t.profile_id, t.day;

    insert into caas.daily_events (profile_id, day, logins, responses, response_minutes)
    select t.*
    from caas.told_events(item_ids, from_days, to_days, as_of, zone) as t;

    insert into caas.cell_states as s (profile_id, taught_until, reports_since)
    select
        ids.profile_id,
        as_of,
        as_of
    from unnest(teaching) as ids (profile_id)
    order by ids.profile_id
    on conflict (profile_id) do update
        set
            taught_until = excluded.taught_until,
            reports_since = coalesce(case when recipient is not null then s.reports_since end, as_of);
end;
$function$;

comment on function caas.refresh_days(uuid, uuid[], uuid[], uuid[], timestamptz, text, text) is
    'Writes the touched day cells of those claimed tutors that are still the token''s; returns who is.';
