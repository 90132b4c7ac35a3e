-- Digital statistics (scoring 1.2): one row per id. Reads student_integration_links, listings, bookings, along the
-- indexes student_integration_links (profile_id), listings (profile_id) and bookings (listing_id).
create or replace function caas_digital_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    google_calendar_synced boolean,
    google_classroom_synced boolean,
    virtual_usage_rate numeric
)
language plpgsql
stable
set search_path = pg_catalog, public, pg_temp
set row_security = off
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
begin
    return query
    select
        w.profile_id,
        coalesce(k.calendar, false),
        coalesce(k.classroom, false),
        coalesce(s.recorded::numeric / nullif(s.completed, 0), 0)
    from (
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
    ) as w
    cross join lateral (
        select
            bool_or(i.integration_type = 'GOOGLE_CALENDAR') as calendar,
            bool_or(i.integration_type = 'GOOGLE_CLASSROOM') as classroom
        from student_integration_links as i
        where i.profile_id = w.profile_id
            and i.is_active
    ) as k
    cross join lateral (
        select
            count(*) as completed,
            count(*) filter (where coalesce(btrim(b.recording_url), '') <> '') as recorded
        from listings as l
        inner join bookings as b on b.listing_id = l.id
        where l.profile_id = w.profile_id
            and b.status = 'Completed'
            and b.type is distinct from 'free_help'
    ) as s;
end;
$function$;

comment on function caas_digital_stats(uuid[], timestamptz) is
    'Connected tools and recorded sessions of the profiles, one row per id.';
