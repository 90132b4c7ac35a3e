-- Agent statistics (scoring 1.4): one row per id. Reads profile_graph along its index on the source, profiles and
-- caas.scores by primary key, and the recruits' sessions and reviews by caas.teaching_sums. Sums over recruits are
-- divided by sums over recruits. Ninety days are 2160 hours, whatever the time zone's clock did meanwhile.
create or replace function caas.agent_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    recruits integer,
    recent_recruits integer,
    scored_recruits integer,
    team_score numeric,
    team_sessions integer,
    team_rating numeric,
    team_retention numeric,
    next_due_at timestamptz
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
declare
    agents uuid[];
    recruited uuid[];
    gained timestamptz[];
begin
    profile_ids := array(
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
        where ids.profile_id is not null
    );
    select
        array_agg(r.agent),
        array_agg(r.recruit),
        array_agg(r.gained_at)
    into agents, recruited, gained
    from (
        select
            ids.profile_id as agent,
            g.target_profile_id as recruit,
            least(min(g.created_at), '9999-01-01 00:00:00+00') as gained_at
        from unnest(profile_ids) as ids (profile_id)
        cross join lateral (
            select
                led.target_profile_id,
                led.created_at
            from caas.source_profile_graph as led
            where led.source_profile_id = ids.profile_id
                and led.relationship_type = 'AGENT_REFERRAL'
                and led.status = 'ACTIVE'
            offset 0
        ) as g
        where (
            select caas.role(p.roles::text[])
            from caas.source_profiles as p
            where p.id = g.target_profile_id
        ) = 'TUTOR'
        group by ids.profile_id, g.target_profile_id
    ) as r;
    return query
    with teams as (
        select
            r.agent,
            count(*)::integer as recruits,
            (count(*) filter (where r.gained_at > as_of - interval '2160 hours'))::integer as recent_recruits,
            min(r.gained_at + interval '2160 hours') filter (
                where r.gained_at > as_of - interval '2160 hours'
            ) as due,
            count(s.total_score)::integer as scored_recruits,
            avg(s.total_score) as team_score,
            sum(t.paid_sessions)::integer as sessions,
            sum(t.rating_sum) / nullif(sum(t.ratings), 0) as rating,
            sum(t.returning_clients) / nullif(sum(t.clients), 0) as retention
        from unnest(agents, recruited, gained) as r (agent, recruit, gained_at)
        inner join caas.teaching_sums(recruited, as_of) as t on t.profile_id = r.recruit
        left join lateral (
            select cached.total_score
            from caas.scores as cached
            where cached.profile_id = r.recruit
            offset 0
        ) as s on true
        group by r.agent
    )

    select
        ids.profile_id,
        coalesce(m.recruits, 0),
        coalesce(m.recent_recruits, 0),
        coalesce(m.scored_recruits, 0),
        m.team_score,
        coalesce(m.sessions, 0),
        coalesce(m.rating, 0),
        coalesce(m.retention, 0),
        m.due
    from unnest(profile_ids) as ids (profile_id)
    left join teams as m on m.agent = ids.profile_id;
end;
$function$;

comment on function caas.agent_stats(uuid[], timestamptz) is
    'Recruits of the agents and what they achieved together, one row per id.';
