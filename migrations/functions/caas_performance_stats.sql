-- Performance statistics (scoring 1.2), and with them virtual_usage_rate, which the same sessions give: one row per id.
-- Reads listings, bookings, profile_reviews, along the indexes listings (profile_id), bookings (listing_id) and
-- profile_reviews (reviewee_id).
--
-- One pass over the batch's bookings, grouped by client, then by profile. What each part knows is brought together by
-- a union and a last grouping: a join would be planned for the ten ids that a generic plan expects, and be quadratic.
-- For the same reason each table is looked up by `lateral … offset 0`, once per id and along its index, whatever the
-- planner believes of its size: a plan made while a table was empty would walk all of it for every id.
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
    completed_free_sessions_count integer,
    virtual_usage_rate numeric
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
    with clients as (
        select
            l.profile_id,
            b.client_id,
            (count(*) filter (where b.status = 'Completed' and b.type is distinct from 'free_help'))::integer as paid,
            (count(*) filter (where b.status = 'Completed' and b.type = 'free_help'))::integer as free,
            (
                count(*) filter (
                    where b.status = 'Completed'
                        and b.type is distinct from 'free_help'
                        and btrim(b.recording_url, e' \t\n\r\f\v') <> ''
                )
            )::integer as recorded,
            (
                count(*) filter (
                    where b.status = 'Pending log'
                        and b.type is distinct from 'free_help'
                        and (btrim(b.recording_url, e' \t\n\r\f\v') <> '') is not true
                )
            )::integer as unlogged
        from unnest(profile_ids) as ids (profile_id)
        cross join lateral (
            select
                own.id,
                own.profile_id
            from public.listings as own
            where own.profile_id = ids.profile_id
            offset 0
        ) as l
        cross join lateral (
            select
                held.client_id,
                held.status,
                held.type,
                held.recording_url
            from public.bookings as held
            where held.listing_id = l.id
                and held.status in ('Completed', 'Pending log')
            offset 0
        ) as b
        group by l.profile_id, b.client_id
    ),

    parts (profile_id, rating, paid, free, recorded, unlogged, booked, booked_again) as (
        select
            ids.profile_id,
            null::numeric,
            0::bigint,
            0::bigint,
            0::bigint,
            0::bigint,
            0::bigint,
            0::bigint
        from unnest(profile_ids) as ids (profile_id)
        union all
        select
            c.profile_id,
            null,
            sum(c.paid),
            sum(c.free),
            sum(c.recorded),
            sum(c.unlogged),
            count(c.client_id) filter (where c.paid > 0),
            count(c.client_id) filter (where c.paid > 1)
        from clients as c
        group by c.profile_id
        union all
        select
            v.reviewee_id,
            avg(v.rating),
            0,
            0,
            0,
            0,
            0,
            0
        from unnest(profile_ids) as ids (profile_id)
        cross join lateral (
            select
                got.reviewee_id,
                got.rating
            from public.profile_reviews as got
            where got.reviewee_id = ids.profile_id
                and got.reviewer_id is distinct from got.reviewee_id
            offset 0
        ) as v
        group by v.reviewee_id
    ),

    totals as (
        select
            p.profile_id,
            max(p.rating) as rating,
            max(p.paid)::integer as paid,
            max(p.free)::integer as free,
            max(p.recorded) as recorded,
            max(p.unlogged) as unlogged,
            max(p.booked)::numeric as booked,
            max(p.booked_again) as booked_again
        from parts as p
        group by p.profile_id
    )

    select
        t.profile_id,
        coalesce(t.rating, 0),
        t.paid,
        coalesce(t.booked_again / nullif(t.booked, 0), 0),
        case
            when t.paid - t.recorded + t.unlogged >= 5
                then (t.paid - t.recorded) / (t.paid - t.recorded + t.unlogged)::numeric
            else 0
        end,
        t.free,
        coalesce(t.recorded / nullif(t.paid, 0)::numeric, 0)
    from totals as t;
end;
$function$;

comment on function caas_performance_stats(uuid[], timestamptz) is
    'Ratings, sessions, retention and recorded sessions of the profiles, one row per id.';
