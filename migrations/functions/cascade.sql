-- Cascade: marks those who recruited the profiles, because an agent's score depends on its recruits' (scoring 1.4).
-- Called by whoever takes these profiles' entries out of the queue, while they still stand there. Reads
-- caas.recalculation_queue, and profile_graph along its index on the target; appends to caas.changes.
--
-- A mark and not an entry: whoever becomes an agent while this transaction is open marks itself, and may be computed
-- after its own commit and before ours. So the fold, which sees both, decides who is an agent. Whoever is recruited
-- meanwhile needs no more: a new referral marks both of its ends.
create or replace function caas.cascade(profile_ids uuid[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
begin
    insert into caas.changes (reason, priority, changed_at, agent_id)
    select
        'recruits',
        greatest(q.priority, 10),
        q.last_changed_at,
        g.source_profile_id
    from unnest(profile_ids) as ids (profile_id)
    cross join lateral (
        select distinct led.source_profile_id
        from caas.source_profile_graph as led
        where led.target_profile_id = ids.profile_id
            and led.relationship_type = 'AGENT_REFERRAL'
            and led.status = 'ACTIVE'
        offset 0
    ) as g
    cross join lateral (
        select
            entry.priority,
            entry.last_changed_at
        from caas.recalculation_queue as entry
        where entry.profile_id = ids.profile_id
        offset 0
    ) as q
    where g.source_profile_id is not null;
end;
$function$;

comment on function caas.cascade(uuid[]) is
    'Marks whoever recruited these profiles, which still stand in the queue.';
