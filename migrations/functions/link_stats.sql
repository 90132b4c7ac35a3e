-- Connected tools (scoring 1.2): one row per id. Reads student_integration_links, along its index on profile_id
-- (why `lateral … offset 0`: see caas.teaching_sums).
create or replace function caas.link_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    google_calendar_synced boolean,
    google_classroom_synced boolean
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
    profile_ids := array(
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
        where ids.profile_id is not null
    );
    return query
    select
        p.profile_id,
        coalesce(bool_or(p.integration_type = 'GOOGLE_CALENDAR'), false),
        coalesce(bool_or(p.integration_type = 'GOOGLE_CLASSROOM'), false)
    from (
        select
            ids.profile_id,
            null::text as integration_type
        from unnest(profile_ids) as ids (profile_id)
        union all
        select
            k.profile_id,
            k.integration_type
        from unnest(profile_ids) as ids (profile_id)
        cross join lateral (
            select
                own.profile_id,
                own.integration_type
            from caas.source_student_integration_links as own
            where own.profile_id = ids.profile_id
                and own.is_active
            offset 0
        ) as k
    ) as p
    group by p.profile_id;
end;
$function$;

comment on function caas.link_stats(uuid[], timestamptz) is 'Connected tools of the profiles, one row per id.';
