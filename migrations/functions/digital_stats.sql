-- Digital statistics (scoring 1.2): one row per id. Reads nothing itself: connected tools are caas.link_stats, recorded
-- sessions caas.performance_stats.
create or replace function caas.digital_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    google_calendar_synced boolean,
    google_classroom_synced boolean,
    virtual_usage_rate numeric
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $function$
    select
        k.profile_id,
        k.google_calendar_synced,
        k.google_classroom_synced,
        s.virtual_usage_rate
    from caas.link_stats(profile_ids, as_of) as k
    inner join caas.performance_stats(profile_ids, as_of) as s on s.profile_id = k.profile_id;
$function$;

comment on function caas.digital_stats(uuid[], timestamptz) is
    'Connected tools and recorded sessions of the profiles, one row per id.';
