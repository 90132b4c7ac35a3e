-- Pair cells as the application's rows are now (scoring 1.2): one row per profile and counterpart that share a counted
-- session or review. Reads listings, bookings and profile_reviews, along the indexes listings (profile_id), bookings
-- (listing_id), bookings (client_id, listing_id) and profile_reviews (reviewee_id, reviewer_id).
--
-- others: the counterpart of the id at the same place, null for sessions and reviews by nobody; without it, everyone.
-- Each table is looked up by `lateral … offset 0`, once per id and along its index, whatever the planner believes of
-- its size: a plan made while a table was empty would walk all of it for every id. What each part knows is brought
-- together by a union and a last grouping: a join would be planned for the ten ids that a generic plan expects, and be
-- quadratic.
-- For the same reason rows to be deleted are looked up first, and deleted by their ctid: nobody else writes them while
-- the entry of their profile is locked. A delete that joins the ids has read a whole table for every batch. (Held by
-- tests/integration/test_plans_made_on_empty_tables.py.)
create or replace function caas.count_pairs(
    profile_ids uuid[],
    others uuid[] default null
)
returns table (
    profile_id uuid,
    bucket smallint,
    other_id uuid,
    paid integer,
    free integer,
    recorded integer,
    unlogged integer,
    ratings integer,
    rating_sum integer
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
    with booked (profile_id, client_id, status, type, recording_url) as (
        select
            ids.profile_id,
            b.client_id,
            b.status::text,
            b.type,
            b.recording_url
        from unnest(profile_ids, others) as ids (profile_id, client_id)
        cross join lateral (
            select own.id
            from caas.source_listings as own
            where own.profile_id = ids.profile_id
            offset 0
        ) as l
        cross join lateral (
            select
                held.client_id,
                held.status,
                held.type,
                held.recording_url
            from caas.source_bookings as held
            where held.listing_id = l.id
                and held.status in ('Completed', 'Pending log')
            offset 0
        ) as b
        where ids.client_id is null
            and (others is null or b.client_id is null)
        union all
        select
            ids.profile_id,
            b.client_id,
            b.status::text,
            b.type,
            b.recording_url
        from unnest(profile_ids, others) as ids (profile_id, client_id)
        cross join lateral (
            select own.id
            from caas.source_listings as own
            where own.profile_id = ids.profile_id
            offset 0
        ) as l
        cross join lateral (
            select
                held.client_id,
                held.status,
                held.type,
                held.recording_url
            from caas.source_bookings as held
            where held.client_id = ids.client_id
                and held.listing_id = l.id
                and held.status in ('Completed', 'Pending log')
            offset 0
        ) as b
        where ids.client_id is not null
    ),

    parts (profile_id, other_id, paid, free, recorded, unlogged, ratings, rating_sum) as (
        select
            b.profile_id,
            b.client_id,
            (b.status = 'Completed' and b.type is distinct from 'free_help')::integer,
            (b.status = 'Completed' and b.type is not distinct from 'free_help')::integer,
            (
                b.status = 'Completed'
                and b.type is distinct from 'free_help'
                and (btrim(b.recording_url, e' \t\n\r\f\v') <> '') is true
            )::integer,
            (
                b.status = 'Pending log'
                and b.type is distinct from 'free_help'
                and (btrim(b.recording_url, e' \t\n\r\f\v') <> '') is not true
            )::integer,
            0,
            0
        from booked as b
        union all
        select
            ids.profile_id,
            v.reviewer_id,
            0,
            0,
            0,
            0,
            1,
            v.rating
        from unnest(profile_ids) as ids (profile_id)
        cross join lateral (
            select
                got.reviewer_id,
                got.rating
            from caas.source_profile_reviews as got
            where got.reviewee_id = ids.profile_id
                and got.reviewer_id is distinct from got.reviewee_id
                and got.rating is not null
            offset 0
        ) as v
        where others is null
        union all
        select
            ids.profile_id,
            v.reviewer_id,
            0,
            0,
            0,
            0,
            1,
            v.rating
        from unnest(profile_ids, others) as ids (profile_id, reviewer_id)
        cross join lateral (
            select
                got.reviewer_id,
                got.rating
            from caas.source_profile_reviews as got
            where got.reviewee_id = ids.profile_id
                and got.reviewer_id = ids.reviewer_id
                and got.reviewer_id <> got.reviewee_id
                and got.rating is not null
            union all
            select
                got.reviewer_id,
                got.rating
            from caas.source_profile_reviews as got
            where got.reviewee_id = ids.profile_id
                and got.reviewer_id is null
                and ids.reviewer_id is null
                and got.rating is not null
            offset 0
        ) as v
        where others is not null
    )

    select
        p.profile_id,
        case when p.other_id is null then 256 else uuid_hash(p.other_id) & 255 end::smallint,
        coalesce(p.other_id, '00000000-0000-0000-0000-000000000000'),
        sum(p.paid)::integer,
        sum(p.free)::integer,
        sum(p.recorded)::integer,
        sum(p.unlogged)::integer,
        sum(p.ratings)::integer,
        sum(p.rating_sum)::integer
    from parts as p
    group by p.profile_id, p.other_id
    having sum(p.paid + p.free + p.unlogged + p.ratings) > 0;
end;
$function$;

comment on function caas.count_pairs(uuid[], uuid[]) is
    'Sessions and reviews of the profiles with each counterpart, counted in the application''s rows.';
