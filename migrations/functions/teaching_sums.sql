-- What tutors' sessions and reviews add up to: one row per id, in sums that can be added again, for instance over an
-- agent's recruits.
--
-- In a transaction that set caas.cells to on, as the line's do, it reads caas.pair_sums, at most 257 rows a profile
-- however long its history; else, and where no cells are built, it counts in the application's rows: whoever asks
-- without a claim may ask before the cells are written, or in order to check them.
create or replace function caas.teaching_sums(
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
declare
    built uuid[];
begin
    profile_ids := array(
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
        where ids.profile_id is not null
    );
    if current_setting('caas.cells', true) = 'on' then
        select array_agg(s.profile_id)
        into built
        from caas.cell_states as s
        where s.profile_id = any(profile_ids)
            and s.paired;
    end if;
    return query
    with parts (profile_id, ratings, rating_sum, paid, free, recorded, unlogged, booked, booked_again) as (
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
            ids.profile_id,
            s.ratings,
            s.rating_sum,
            s.paid,
            s.free,
            s.recorded,
            s.unlogged,
            s.clients,
            s.returning_clients
        from unnest(built) as ids (profile_id)
        cross join lateral (
            select summed.*
            from caas.pair_sums as summed
            where summed.profile_id = ids.profile_id
            offset 0
        ) as s
        union all
        select
            c.profile_id,
            c.ratings,
            c.rating_sum,
            c.paid,
            c.free,
            c.recorded,
            c.unlogged,
            (c.paid > 0 and c.bucket < 256)::integer,
            (c.paid > 1 and c.bucket < 256)::integer
        from caas.count_pairs(
            array(
                select ids.profile_id
                from unnest(profile_ids) as ids (profile_id)
                where (ids.profile_id = any(built)) is not true
            ),
            null::uuid[]
        ) as c
    )

    select
        p.profile_id,
        sum(p.ratings)::bigint,
        sum(p.rating_sum)::bigint,
        sum(p.paid)::bigint,
        sum(p.free)::bigint,
        sum(p.recorded)::bigint,
        sum(p.unlogged)::bigint,
        sum(p.booked)::bigint,
        sum(p.booked_again)::bigint
    from parts as p
    group by p.profile_id;
end;
$function$;

comment on function caas.teaching_sums(uuid[], timestamptz) is
    'Sums of ratings, sessions and clients of the profiles, one row per id.';
