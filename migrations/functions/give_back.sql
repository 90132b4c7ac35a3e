-- Gives claimed entries back unworked: the worker is leaving, or could not reach the database for its statistics.
-- No attempt and no loss is counted. Reads and writes caas.recalculation_queue.
create or replace function caas.give_back(
    claim_token uuid,
    profile_ids uuid[]
)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    released integer;
begin
    perform
    from (
        select q.profile_id
        from caas.recalculation_queue as q
        where q.profile_id = any(profile_ids)
            and q.token = claim_token
        order by q.profile_id
        for update
    ) as locked;
    update caas.recalculation_queue as q
    set
        token = null,
        lease_until = null,
        priority = least(q.priority, q.later_priority),
        place = nextval('caas.generation'),
        reasons = caas.merge_reasons(q.reasons, coalesce(q.later_reasons, '{}')),
        first_changed_at = least(q.first_changed_at, q.later_changed_at),
        later_priority = null,
        later_reasons = null,
        later_changed_at = null,
        later_due_at = null
    where q.profile_id = any(profile_ids)
        and q.token = claim_token;
    get diagnostics released = row_count;
    return released;
end;
$function$;

comment on function caas.give_back(uuid, uuid[]) is
    'Makes claimed entries ready again without counting an attempt; returns how many.';
