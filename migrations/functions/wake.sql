-- Makes entries ready again: those whose pause is over and those whose lease lapsed. Reads and writes
-- caas.recalculation_queue; sets aside in caas.dead_entries.
--
-- A lost lease says that a worker ended, not that this entry ended it: the second loss makes a suspect, which is
-- claimed alone, and only a loss alone counts as an attempt. An entry marked again meanwhile is never set aside. The
-- agents of who is set aside are marked, and its cells doubted, as in caas.fail.
-- Whoever becomes ready takes a fresh place: claims search from the place they reached last.
create or replace function caas.wake(
    max_entries integer,
    max_attempts integer
)
returns table (promoted integer, lost integer, dead integer)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    chosen uuid[];
begin
    select array_agg(o.profile_id)
    into chosen
    from (
        select q.profile_id
        from caas.recalculation_queue as q
        where q.token is null
            and q.due_at is not null
            and q.due_at <= clock_timestamp()
        order by q.due_at
        limit max_entries
        for update skip locked
    ) as o;
    update caas.recalculation_queue as q
    set
        due_at = null,
        place = nextval('caas.generation')
    where q.profile_id = any(chosen);
    get diagnostics promoted = row_count;

    select array_agg(o.profile_id)
    into chosen
    from (
        select q.profile_id
        from caas.recalculation_queue as q
        where q.token is not null
            and q.lease_until < clock_timestamp()
        order by q.lease_until
        limit max_entries
        for update skip locked
    ) as o;
    update caas.recalculation_queue as q
    set
        token = null,
        lease_until = null,
        losses = q.losses + 1,
        attempts = q.attempts + q.claimed_alone::integer,
        error = 'LEASE_LOST',
        priority = least(q.priority, q.later_priority),
        reasons = caas.merge_reasons(q.reasons, coalesce(q.later_reasons, '{}')),
        first_changed_at = least(q.first_changed_at, q.later_changed_at),
        later_priority = null,
        later_reasons = null,
        later_changed_at = null,
        later_due_at = null,
        place = nextval('caas.generation')
    where q.profile_id = any(chosen);
    get diagnostics lost = row_count;

    select array_agg(o.profile_id)
    into chosen
    from (
        select q.profile_id
        from caas.recalculation_queue as q
        where q.token is null
            and q.due_at is null
            and q.losses >= 2
            and q.profile_id = any(chosen)
            and q.claimed_alone
            and q.attempts >= max_attempts
            and q.generation = q.claimed_generation
    ) as o;
    perform caas.cascade(chosen);
    perform caas.doubt_pairs(chosen);
    with removed as (
        delete from caas.recalculation_queue as q
        where q.profile_id = any(chosen)
        returning q.*
    )

    insert into caas.dead_entries (
        profile_id, error, message, attempts, reasons, first_changed_at, last_changed_at
    )
    select
        r.profile_id,
        r.error,
        'The worker that had claimed this profile alone ended or outlived its lease, each time.',
        r.attempts,
        r.reasons,
        r.first_changed_at,
        r.last_changed_at
    from removed as r
    order by r.profile_id;
    get diagnostics dead = row_count;
    return next;
end;
$function$;

comment on function caas.wake(integer, integer) is
    'Makes paused and lapsed entries ready again; returns how many were promoted, lost and set aside.';
