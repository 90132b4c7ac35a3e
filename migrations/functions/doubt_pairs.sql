-- Takes pair cells that could not be written for none: the profile is counted in its own rows until they can be. That
-- matters for others than itself, since an agent's statistics read the sums of all recruits. Called by whoever lets an
-- entry go without its cells, failed or set aside. Reads caas.touched_cells; writes caas.cell_states.
-- (Held by tests/faults/test_recruits_set_aside.py and tests/model/line.pml.)
create or replace function caas.doubt_pairs(profile_ids uuid[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
begin
    update caas.cell_states as s
    set paired = false
    where s.profile_id = any(profile_ids)
        and s.paired
        and exists(
            select
            from caas.touched_cells as t
            where t.profile_id = s.profile_id
                and t.cell in ('pair', 'pairs')
                and not t.refreshed
        );
end;
$function$;

comment on function caas.doubt_pairs(uuid[]) is
    'Pair cells of these profiles that are touched and not written count as not built.';
