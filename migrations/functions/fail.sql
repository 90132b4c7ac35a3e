-- Settles the failed entries of a batch, in the transaction of caas.cache and after it: that one has locked them all,
-- in the order of profile_id. Reads and writes caas.recalculation_queue; sets aside in caas.dead_entries,
-- and marks the agents of who is set aside: nothing else will tell them of the changes that it waited for.
--
-- A failed entry waits, twice as long each time, give or take a half, so that what failed together does not return
-- together. After its last attempt it is set aside, unless it was marked again meanwhile.
create or replace function caas.fail(
    claim_token uuid,
    failures jsonb,
    max_attempts integer,
    backoff interval
)
returns table (profile_id uuid, ending text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
declare
    longest_backoff constant interval := '1 hour';
    failed uuid[];
begin
    select array_agg(f.profile_id)
    into failed
    from jsonb_to_recordset(failures) as f (profile_id uuid);
    perform caas.cascade(
        array(
            select q.profile_id
            from caas.recalculation_queue as q
            where q.profile_id = any(failed)
                and q.token = claim_token
                and q.attempts + 1 >= max_attempts
                and q.generation = q.claimed_generation
        )
    );
    perform caas.doubt_pairs(failed);
    return query
    with reported as materialized (
        select f.*
        from jsonb_to_recordset(failures) as f (profile_id uuid, error text, message text, detail text)
    ),

    finished as (
        delete from caas.recalculation_queue as q
        where q.profile_id = any(failed)
            and q.token = claim_token
            and q.attempts + 1 >= max_attempts
            and q.generation = q.claimed_generation
        returning q.*
    ),

    set_aside as (
        insert into caas.dead_entries (
            profile_id, error, message, detail, attempts, reasons, first_changed_at, last_changed_at
        )
        select
            d.profile_id,
            f.error,
            f.message,
            f.detail,
            d.attempts + 1,
            d.reasons,
            d.first_changed_at,
            d.last_changed_at
        from finished as d
        inner join reported as f on f.profile_id = d.profile_id
        order by d.profile_id
        returning profile_id
    ),

    postponed as (
        update caas.recalculation_queue as q
        set
            token = null,
            lease_until = null,
            losses = 0,
            attempts = q.attempts + 1,
            error = (
                select f.error
                from reported as f
                where f.profile_id = q.profile_id
            ),
            due_at = clock_timestamp() + least(backoff * (2 ^ least(q.attempts, 20)), longest_backoff) * (0.5 + random()),
            priority = least(q.priority, q.later_priority),
            reasons = caas.merge_reasons(q.reasons, coalesce(q.later_reasons, '{}')),
            first_changed_at = least(q.first_changed_at, q.later_changed_at),
            later_priority = null,
            later_reasons = null,
            later_changed_at = null,
            later_due_at = null
        where q.profile_id = any(failed)
            and q.token = claim_token
            and (q.attempts + 1 < max_attempts or q.generation <> q.claimed_generation)
        returning q.profile_id
    )

    select
        s.profile_id,
        'dead'
    from set_aside as s
    union all
    select
        p.profile_id,
        'failed'
    from postponed as p;
end;
$function$;

comment on function caas.fail(uuid, jsonb, integer, interval) is
    'Postpones the failed entries, or sets them aside after their last attempt; returns how each ended.';
