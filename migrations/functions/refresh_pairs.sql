-- Cells, first part: writes the pair cells that the marks of claimed profiles touched, and every one where none is
-- built. Locks the entries that are still the token's, in the order of profile_id, as long as the transaction lasts:
-- a late worker, whose lease another has, writes nothing. Reads caas.touched_cells, caas.cell_states and what
-- caas.count_pairs does; writes caas.pair_cells, caas.pair_sums, caas.cell_states. What was touched is kept for the
-- first sessions, which are judged when the batch is published. The entries keep that their cells are written: what is
-- published later must not trust this transaction, which a crash of the server can undo and keep the claim.
create or replace function caas.refresh_pairs(
    claim_token uuid,
    claimed uuid[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    ours uuid[];
    built uuid[];
    whole uuid[];
    touched uuid[];
    touched_others uuid[];
begin
    select array_agg(locked.profile_id)
    into ours
    from (
        select q.profile_id
        from caas.recalculation_queue as q
        where q.profile_id = any(claimed)
            and q.token = claim_token
        order by q.profile_id
        for update
    ) as locked;
    update caas.recalculation_queue as q
    set cells_written = true
    where q.profile_id = any(ours);

    select array_agg(s.profile_id)
    into built
    from caas.cell_states as s
    where s.profile_id = any(ours)
        and s.paired;

    with taken as (
        update caas.touched_cells as t
        set refreshed = true
        where t.profile_id = any(ours)
            and t.cell in ('pair', 'pairs')
        returning t.profile_id, t.cell, t.other_id
    ),

    every_one as (
        select t.profile_id
        from taken as t
        where t.cell = 'pairs'
        union
        select ids.profile_id
        from unnest(ours) as ids (profile_id)
        where (ids.profile_id = any(built)) is not true
    ),

    single as (
        select distinct
            t.profile_id,
            t.other_id
        from taken as t
        where t.cell = 'pair'
            and t.profile_id not in (select e.profile_id from every_one as e)
    )

    select
        (
            select array_agg(e.profile_id order by e.profile_id)
            from every_one as e
        ),
        array_agg(s.profile_id),
        array_agg(s.other_id)
    into whole, touched, touched_others
    from single as s;

    if whole is not null then
        -- also where none are built: caas.fail takes cells that could not be written for none, and leaves them
        delete from caas.pair_cells as c
        where c.profile_id = any(whole);
        delete from caas.pair_sums as s
        where s.profile_id = any(whole);
        with counted as (
            insert into caas.pair_cells (
                profile_id, bucket, other_id, paid, free, recorded, unlogged, ratings, rating_sum
            )
            select c.*
            from caas.count_pairs(whole, null::uuid[]) as c
            returning *
        )

        insert into caas.pair_sums (
            profile_id, bucket, paid, free, recorded, unlogged, ratings, rating_sum, clients, returning_clients
        )
        select
            c.profile_id,
            c.bucket,
            sum(c.paid),
            sum(c.free),
            sum(c.recorded),
            sum(c.unlogged),
            sum(c.ratings),
            sum(c.rating_sum),
            count(*) filter (where c.paid > 0 and c.bucket < 256),
            count(*) filter (where c.paid > 1 and c.bucket < 256)
        from counted as c
        group by c.profile_id, c.bucket;
        insert into caas.cell_states as s (profile_id, paired)
        select
            ids.profile_id,
            true
        from unnest(whole) as ids (profile_id)
        on conflict (profile_id) do update
            set paired = true
            where not s.paired;
    end if;

    if touched is not null then
        delete from caas.pair_cells as c
        where c.ctid = any(
            array(
                select gone.ctid
                from unnest(touched, touched_others) as ids (profile_id, other_id)
                cross join lateral (
                    select cell.ctid
                    from caas.pair_cells as cell
                    where cell.profile_id = ids.profile_id
                        and cell.bucket
                        = case when ids.other_id is null then 256 else uuid_hash(ids.other_id) & 255 end::smallint
                        and cell.other_id = coalesce(ids.other_id, '00000000-0000-0000-0000-000000000000')
                    offset 0
                ) as gone
            )
        );
        insert into caas.pair_cells (
            profile_id, bucket, other_id, paid, free, recorded, unlogged, ratings, rating_sum
        )
        select c.*
        from caas.count_pairs(touched, touched_others) as c;
        delete from caas.pair_sums as s
        where s.ctid = any(
            array(
                select gone.ctid
                from unnest(touched, touched_others) as ids (profile_id, other_id)
                cross join lateral (
                    select summed.ctid
                    from caas.pair_sums as summed
                    where summed.profile_id = ids.profile_id
                        and summed.bucket
                        = case when ids.other_id is null then 256 else uuid_hash(ids.other_id) & 255 end::smallint
                    offset 0
                ) as gone
            )
        );
        insert into caas.pair_sums (
            profile_id, bucket, paid, free, recorded, unlogged, ratings, rating_sum, clients, returning_clients
        )
        select
            b.profile_id,
            b.bucket,
            c.paid,
            c.free,
            c.recorded,
            c.unlogged,
            c.ratings,
            c.rating_sum,
            c.clients,
            c.returning_clients
        from (
            select distinct
                ids.profile_id,
                case when ids.other_id is null then 256 else uuid_hash(ids.other_id) & 255 end::smallint as bucket
            from unnest(touched, touched_others) as ids (profile_id, other_id)
            offset 0
        ) as b
        cross join lateral (
            select
                sum(cell.paid) as paid,
                sum(cell.free) as free,
                sum(cell.recorded) as recorded,
                sum(cell.unlogged) as unlogged,
                sum(cell.ratings) as ratings,
                sum(cell.rating_sum) as rating_sum,
                count(*) filter (where cell.paid > 0 and cell.bucket < 256) as clients,
                count(*) filter (where cell.paid > 1 and cell.bucket < 256) as returning_clients,
                count(*) as cells
            from caas.pair_cells as cell
            where cell.profile_id = b.profile_id
                and cell.bucket = b.bucket
        ) as c
        where c.cells > 0;
    end if;
end;
$function$;

comment on function caas.refresh_pairs(uuid, uuid[]) is
    'Writes the touched pair cells of those claimed profiles that are still the token''s.';
