-- What tutors' sessions and reviews add up to: one row per id, in sums that can be added again, for instance over an
-- agent's recruits. Reads listings, bookings, profile_reviews, along the indexes listings (profile_id), bookings
-- (listing_id) and profile_reviews (reviewee_id).
--
-- One pass over the batch's bookings, grouped by client, then by profile. What each part knows is brought together by
-- a union and a last grouping: a join would be planned for the ten ids that a generic plan expects, and be quadratic.
-- For the same reason each table is looked up by `lateral … offset 0`, once per id and along its index, whatever the
-- planner believes of its size: a plan made while a table was empty would walk all of it for every id.
create or replace function caas_teaching_sums(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    ratings bigint,
    rating_sum bigint,
    paid_sessions bigint,
    free_sessions bigint,
    recorded_sessions bigint,
    unlogged_sessions bigint,
    clients bigint,
    returning_clients bigint
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

    parts (profile_id, ratings, rating_sum, paid, free, recorded, unlogged, booked, booked_again) as (
        select
            ids.profile_id,
            0::bigint,
            0::bigint,
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
            0,
            0,
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
            count(v.rating),
            sum(v.rating),
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
    )

    select
        p.profile_id,
        max(p.ratings),
        max(p.rating_sum),
        max(p.paid),
        max(p.free),
        max(p.recorded),
        max(p.unlogged),
        max(p.booked),
        max(p.booked_again)
    from parts as p
    group by p.profile_id;
end;
$function$;

comment on function caas_teaching_sums(uuid[], timestamptz) is
    'Sums of ratings, sessions and clients of the profiles, one row per id.';
