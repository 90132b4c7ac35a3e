-- Platform events of tutors in ranges of days (see caas.taught_sessions), a row per profile and day (scoring 3). Reads
-- platform_events along its index (profile_id, occurred_at). A time of response that is no number, or below 0, counts
-- nowhere; one above a thousand million minutes counts as so much.
create or replace function caas.told_events(
    profile_ids uuid[],
    from_days date[],
    to_days date[],
    as_of timestamptz,
    zone text
)
returns table (
    profile_id uuid,
    day date,
    logins integer,
    responses integer,
    response_minutes numeric
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_memoize = off
set enable_sort = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
begin
    return query
    select
        e.profile_id,
        (e.occurred_at at time zone zone)::date,
        (count(*) filter (where e.event_type = 'login'))::integer,
        count(e.minutes)::integer,
        coalesce(sum(e.minutes), 0)
    from (
        select
            ids.profile_id,
            t.occurred_at,
            t.event_type,
            case when t.minutes >= 0 then round(least(t.minutes, 1000000000), 6) end as minutes
        from unnest(profile_ids, from_days, to_days) as ids (profile_id, from_day, to_day)
        cross join lateral (
            select
                told.occurred_at,
                told.event_type,
                case
                    when told.event_type = 'message_response'
                        and jsonb_typeof(told.metadata -> 'response_time_minutes') = 'number'
                        then (told.metadata -> 'response_time_minutes')::numeric
                end as minutes
            from caas.source_platform_events as told
            where told.profile_id = ids.profile_id
                and told.occurred_at >= (ids.from_day::timestamp at time zone zone) - interval '3 hours'
                and told.occurred_at < (ids.to_day::timestamp at time zone zone) + interval '3 hours'
                and told.occurred_at <= as_of
                and told.occurred_at >= '0001-01-03 00:00:00+00'
                and (told.occurred_at at time zone zone)::date >= ids.from_day
                and (told.occurred_at at time zone zone)::date < ids.to_day
                and told.event_type in ('login', 'message_response')
            offset 0
        ) as t
    ) as e
    group by e.profile_id, (e.occurred_at at time zone zone)::date
    having count(*) filter (where e.event_type = 'login') + count(e.minutes) > 0;
end;
$function$;

comment on function caas.told_events(uuid[], date[], date[], timestamptz, text) is
    'Log-ins and answers of tutors in ranges of days, one row per profile and day.';
