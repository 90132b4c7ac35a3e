-- Network statistics (scoring 1.2): one row per id. Reads profile_graph, along its indexes on either end.
create or replace function caas_network_stats(
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
        c.referrals::integer,
        c.connections::integer,
        coalesce(c.is_agent_referred, false)
    from (
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
    ) as w
    cross join lateral (
        select
            count(distinct e.other) filter (where e.relationship_type = 'AGENT_REFERRAL' and e.outgoing) as referrals,
            count(distinct e.other) filter (where e.relationship_type = 'SOCIAL') as connections,
            bool_or(e.relationship_type = 'AGENT_REFERRAL' and not e.outgoing) as is_agent_referred
        from (
            select
                g.target_profile_id as other,
                g.relationship_type,
                true as outgoing
            from profile_graph as g
            where g.source_profile_id = w.profile_id
                and g.status = 'ACTIVE'
            union all
            select
                g.source_profile_id,
                g.relationship_type,
                false
            from profile_graph as g
            where g.target_profile_id = w.profile_id
                and g.status = 'ACTIVE'
        ) as e
        where e.other <> w.profile_id
    ) as c;
end;
$function$;

comment on function caas_network_stats(uuid[], timestamptz) is
    'Referrals and connections of the profiles, one row per id.';
