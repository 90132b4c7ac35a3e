-- Locks the entries of a batch that are still the token's, in the order of profile_id, as long as the transaction that
-- publishes it lasts; returns them. Reads and writes caas.recalculation_queue.
--
-- An entry about to be published (settled) whose cells are not written is given back, without an attempt or a loss: a
-- crash of the server kept its claim and undid caas.refresh_pairs, while its worker was between two transactions and
-- knows of nothing. Its score was computed from cells as of before, or its agents' would be. To write the cells durably
-- is no cure: a worker whose lease ended writes none, and a crash that undoes the wake gives it its token back.
-- (Held by tests/faults/test_crashes_between_transactions.py and tests/model/line.pml.)
create or replace function caas.lock_claimed(
    claim_token uuid,
    claimed uuid[],
    settled uuid[]
)
returns uuid[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    ours uuid[];
    undone uuid[];
begin
    select
        array_agg(locked.profile_id) filter (where not locked.is_undone),
        array_agg(locked.profile_id) filter (where locked.is_undone)
    into ours, undone
    from (
        select
            q.profile_id,
            not q.cells_written and q.profile_id = any(settled) as is_undone
        from caas.recalculation_queue as q
        where q.profile_id = any(claimed)
            and q.token = claim_token
        order by q.profile_id
        for update
    ) as locked;
    if undone is not null then
        perform caas.give_back(claim_token, undone);
    end if;
    return ours;
end;
$function$;

comment on function caas.lock_claimed(uuid, uuid[], uuid[]) is
    'Locks the claimed entries that are still the token''s; gives back those whose cells were undone.';
