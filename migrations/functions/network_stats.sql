-- Network statistics (scoring 1.2): one row per id. Reads profile_graph, along its indexes on either end (why
-- `lateral … offset 0`: see caas.teaching_sums).
create or replace function caas.network_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    referral_count integer,
    connection_count integer,
    is_agent_referred boolean
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
        e.profile_id,
        (count(distinct e.other) filter (where e.relationship_type = 'AGENT_REFERRAL' and e.outgoing))::integer,
        (count(distinct e.other) filter (where e.relationship_type = 'SOCIAL'))::integer,
        coalesce(bool_or(e.relationship_type = 'AGENT_REFERRAL' and not e.outgoing), false)
    from (
        select
            ids.profile_id,
            null::uuid as other,
            null::text as relationship_type,
            false as outgoing
        from unnest(profile_ids) as ids (profile_id)
        union all
        select
            g.source_profile_id,
            g.target_profile_id,
            g.relationship_type,
            true
        from unnest(profile_ids) as ids (profile_id)
        cross join lateral (
            select
                led.source_profile_id,
                led.target_profile_id,
                led.relationship_type
            from caas.source_profile_graph as led
            where led.source_profile_id = ids.profile_id
                and led.status = 'ACTIVE'
                and led.target_profile_id <> led.source_profile_id
            offset 0
        ) as g
        union all
        select
            g.target_profile_id,
            g.source_profile_id,
            g.relationship_type,
            false
        from unnest(profile_ids) as ids (profile_id)
        cross join lateral (
            select
                led.source_profile_id,
                led.target_profile_id,
                led.relationship_type
            from caas.source_profile_graph as led
            where led.target_profile_id = ids.profile_id
                and led.status = 'ACTIVE'
                and led.target_profile_id <> led.source_profile_id
            offset 0
        ) as g
    ) as e
    group by e.profile_id;
end;
$function$;

comment on function caas.network_stats(uuid[], timestamptz) is
    'Referrals and connections of the profiles, one row per id.';
