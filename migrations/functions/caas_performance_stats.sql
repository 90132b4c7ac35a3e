-- Performance statistics (scoring 1.2): one row per id. Reads listings, bookings, profile_reviews, along the indexes
-- listings (profile_id), bookings (listing_id) and profile_reviews (reviewee_id).
create or replace function caas_performance_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    avg_rating numeric,
    completed_sessions integer,
    retention_rate numeric,
    manual_session_log_rate numeric,
    completed_free_sessions_count integer
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
        coalesce(r.mean, 0),
        coalesce(s.paid, 0)::integer,
        coalesce(s.booked_again::numeric / nullif(s.booked, 0), 0),
        case when s.logged + s.unlogged >= 5 then s.logged / (s.logged + s.unlogged) else 0 end,
        coalesce(s.free, 0)::integer
    from (
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
    ) as w
    cross join lateral (
        select
            sum(c.paid) as paid,
            sum(c.free) as free,
            sum(c.logged) as logged,
            sum(c.unlogged) as unlogged,
            count(c.client_id) filter (where c.paid > 0) as booked,
            count(c.client_id) filter (where c.paid > 1) as booked_again
        from (
            select
                b.client_id,
                count(*) filter (where b.status = 'Completed' and b.type is distinct from 'free_help') as paid,
                count(*) filter (where b.status = 'Completed' and b.type = 'free_help') as free,
                count(*) filter (
                    where b.status = 'Completed'
                        and b.type is distinct from 'free_help'
                        and coalesce(btrim(b.recording_url), '') = ''
                ) as logged,
                count(*) filter (
                    where b.status = 'Pending log'
                        and b.type is distinct from 'free_help'
                        and coalesce(btrim(b.recording_url), '') = ''
                ) as unlogged
            from listings as l
            inner join bookings as b on b.listing_id = l.id
            where l.profile_id = w.profile_id
                and b.status in ('Completed', 'Pending log')
            group by b.client_id
        ) as c
    ) as s
    cross join lateral (
        select avg(v.rating) as mean
        from profile_reviews as v
        where v.reviewee_id = w.profile_id
            and v.reviewer_id is distinct from v.reviewee_id
    ) as r;
end;
$function$;

comment on function caas_performance_stats(uuid[], timestamptz) is
    'Ratings, sessions and retention of the profiles, one row per id.';
