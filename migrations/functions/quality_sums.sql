-- What the quality rules read of tutors (scoring 3 to 7, 9): one row per id. In a transaction that set caas.cells to
-- on, as the line's do, from tutor_daily_aggregates, daily_events and session_scores: at most 90 rows of each.
-- Else from what caas.taught_sessions and caas.told_events find in the application's rows: whoever asks without a claim
-- may ask before the cells are written, or in order to check them.
--
-- sums_7, sums_30, sums_90: over the calendar days that end today; null where nothing happened; in this order:
-- sessions, completed, rescheduled by the tutor, missed by the tutor, started, on time, ratings, their sum, ratings of
-- first sessions, good ones of those, sessions with engagement, its sum, sessions with an answer to objectives, met,
-- log-ins, answers, their minutes.
-- completed_by_age and lateness_by_age: completed sessions, and mean lateness, by the day's age: 0 is today.
-- first_age: age of the first day with a session. newest_sqs: the five newest, with their deductions.
-- next_due_at: the first moment at which time alone changes any of it: the start of a session that lies ahead, an event
-- that does, and for active tutors the day's turn.
create or replace function caas.quality_sums(
    profile_ids uuid[],
    as_of timestamptz,
    zone text
)
returns table (
    profile_id uuid,
    today date,
    first_age integer,
    sums_7 double precision[],
    sums_30 double precision[],
    sums_90 double precision[],
    completed_by_age jsonb,
    lateness_by_age jsonb,
    newest_sqs jsonb,
    threshold double precision,
    next_due_at timestamptz
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_memoize = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
declare
    this_day constant date := (as_of at time zone zone)::date;
    midnight constant timestamptz := (this_day + 1)::timestamp at time zone zone;
    -- where clocks are put back at midnight, it comes twice
    turn constant timestamptz := case
        when ((midnight - interval '1 hour') at time zone zone)::date > this_day then midnight - interval '1 hour'
        else midnight
    end;
    in_cells uuid[] := '{}';
    in_rows uuid[] := '{}';
    from_days date[] := '{}';
    to_days date[] := '{}';
begin
    profile_ids := array(
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
        where ids.profile_id is not null
    );
    if current_setting('caas.cells', true) = 'on' then
        in_cells := profile_ids;
    else
        in_rows := profile_ids;
        from_days := array_fill('-infinity'::date, array[cardinality(in_rows)]);
        to_days := array_fill('infinity'::date, array[cardinality(in_rows)]);
    end if;
    return query
    with taught as materialized (
        select t.*
        from caas.taught_sessions(in_rows, from_days, to_days, as_of, zone) as t
    ),

    days (
        profile_id, day, sessions, completed, rescheduled, missed, started, on_time, ratings, rating_sum,
        first_ratings, first_good, engaged, engagement, answered, met, logins, responses, response_minutes, lateness
    ) as (
        select
            ids.profile_id,
            d.*
        from unnest(in_cells) as ids (profile_id)
        cross join lateral (
            select
                cell.day,
                cell.sessions,
                cell.sessions_completed,
                cell.reschedules_tutor_initiated,
                cell.no_shows,
                cell.started,
                cell.on_time,
                cell.ratings,
                cell.rating_sum,
                cell.first_ratings,
                cell.first_ratings_good,
                cell.engagement_count,
                cell.engagement_sum,
                cell.objectives_answered,
                cell.objectives_met,
                0,
                0,
                0::numeric,
                cell.avg_lateness_min
            from caas.tutor_daily_aggregates as cell
            where cell.profile_id = ids.profile_id
                and cell.day > this_day - 90
                and cell.day <= this_day
            offset 0
        ) as d
        union all
        select
            ids.profile_id,
            d.day,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            d.logins,
            d.responses,
            d.response_minutes,
            null
        from unnest(in_cells) as ids (profile_id)
        cross join lateral (
            select cell.*
            from caas.daily_events as cell
            where cell.profile_id = ids.profile_id
                and cell.day > this_day - 90
                and cell.day <= this_day
            offset 0
        ) as d
        union all
        select
            t.profile_id,
            t.day,
            count(*),
            count(*) filter (where t.status = 'Completed'),
            count(*) filter (where t.is_rescheduled_by_tutor),
            count(*) filter (where t.is_missed_by_tutor),
            count(t.minutes_late),
            count(*) filter (where t.minutes_late <= 10),
            sum(t.ratings),
            sum(t.rating_sum),
            coalesce(sum(t.ratings) filter (where t.is_first), 0),
            coalesce(sum(t.good_ratings) filter (where t.is_first), 0),
            count(t.engagement_score),
            coalesce(sum(t.engagement_score), 0),
            count(t.objectives_met),
            count(*) filter (where t.objectives_met),
            0,
            0,
            0,
            avg(t.minutes_late)
        from taught as t
        where t.day > this_day - 90
        group by t.profile_id, t.day
        union all
        select
            t.profile_id,
            t.day,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            t.logins,
            t.responses,
            t.response_minutes,
            null
        from caas.told_events(in_rows, from_days, to_days, as_of, zone) as t
        where t.day > this_day - 90
    ),

    windows as (
        select
            d.profile_id,
            w.length,
            array[
                sum(d.sessions), sum(d.completed), sum(d.rescheduled), sum(d.missed), sum(d.started), sum(d.on_time),
                sum(d.ratings), sum(d.rating_sum), sum(d.first_ratings), sum(d.first_good), sum(d.engaged),
                sum(d.engagement), sum(d.answered), sum(d.met), sum(d.logins), sum(d.responses),
                sum(d.response_minutes)
            ]::double precision[] as sums,
            jsonb_object_agg(this_day - d.day, d.completed) filter (where d.completed > 0) as completed,
            jsonb_object_agg(this_day - d.day, d.lateness) filter (where d.lateness is not null) as lateness
        from days as d
        inner join unnest(array[7, 14, 30, 90]) as w (length) on this_day - d.day < w.length
        group by d.profile_id, w.length
    ),

    gathered as (
        select
            w.profile_id,
            max(w.sums) filter (where w.length = 7) as sums_7,
            max(w.sums) filter (where w.length = 30) as sums_30,
            max(w.sums) filter (where w.length = 90) as sums_90,
            max(w.completed::text) filter (where w.length = 14) as completed,
            max(w.lateness::text) filter (where w.length = 7) as lateness
        from (
            select windows.*
            from windows
            union all
            select
                ids.profile_id,
                0,
                null,
                null,
                null
            from unnest(profile_ids) as ids (profile_id)
        ) as w
        group by w.profile_id
    )

    select
        g.profile_id,
        this_day,
        this_day - case when g.profile_id = any(in_cells) then cells.first_day else in_source.first_day end,
        g.sums_7,
        g.sums_30,
        g.sums_90,
        g.completed::jsonb,
        g.lateness::jsonb,
        case when g.profile_id = any(in_cells) then cells.newest else in_source.newest end,
        coalesce(
            (
                select own.reschedule_rate::double precision
                from caas.tutor_thresholds as own
                where own.profile_id = g.profile_id
            ),
            15
        ),
        least(
            (
                select min(ahead.scheduled_start)
                from caas.source_listings as l
                cross join lateral (
                    select b.scheduled_start
                    from caas.source_bookings as b
                    where b.listing_id = l.id
                        and b.scheduled_start > as_of
                        and b.scheduled_start < '9999-01-01 00:00:00+00'
                        and b.status in ('Completed', 'Rescheduled', 'No-show')
                    order by b.scheduled_start
                    limit 1
                ) as ahead
                where l.profile_id = g.profile_id
            ),
            (
                select min(e.occurred_at)
                from caas.source_platform_events as e
                where e.profile_id = g.profile_id
                    and e.occurred_at > as_of
                    and e.occurred_at < '9999-01-01 00:00:00+00'
                    and e.event_type in ('login', 'message_response')
            ),
            case
                when (
                    select lower(btrim(coalesce(p.status, 'active')))
                    from caas.source_profiles as p
                    where p.id = g.profile_id
                ) = 'active'
                    then turn
            end
        )
    from gathered as g
    cross join lateral (
        select
            (
                select cell.day
                from caas.tutor_daily_aggregates as cell
                where cell.profile_id = g.profile_id
                order by cell.day
                limit 1
            ) as first_day,
            (
                select
                    jsonb_agg(
                        jsonb_build_object('value', s.value) || s.components
                        order by s.starts_at desc, s.booking_id desc
                    )
                from (
                    select
                        judged.value,
                        judged.components,
                        judged.starts_at,
                        judged.booking_id
                    from caas.session_scores as judged
                    where judged.profile_id = g.profile_id
                        and judged.score_type = 'sqs'
                    order by judged.starts_at desc, judged.booking_id desc
                    limit 5
                ) as s
            ) as newest
    ) as cells
    left join (
        select
            t.profile_id,
            min(t.day) as first_day,
            jsonb_agg(
                jsonb_build_object('value', t.value, 'late', t.late, 'short', t.short, 'tech', t.tech)
                order by t.place
            ) filter (where t.place <= 5 and t.value is not null) as newest
        from (
            select
                s.*,
                100 - s.late - s.short - s.tech as value,
                row_number() over (
                    partition by s.profile_id, s.short is null
                    order by s.starts_at desc, s.booking_id desc
                ) as place
            from taught as s
        ) as t
        group by t.profile_id
    ) as in_source on in_source.profile_id = g.profile_id;
end;
$function$;

comment on function caas.quality_sums(uuid[], timestamptz, text) is
    'Sums of the last 7, 30 and 90 days, and what else the quality rules read of tutors, one row per id.';
