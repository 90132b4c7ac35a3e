-- Claim: leases a batch to one worker. Reads and writes caas.recalculation_queue.
--
-- Order: priority, then place, among the ready; locked rows are somebody else's. Nothing stays locked after this
-- short transaction: the token says whose the entries are, until the lease ends.
-- suspects: whether to look first for an entry that lost two leases, which is then claimed alone.
-- floors (one per priority 0, 10, 50, 90) is where the search begins: an application transaction left open keeps
-- every entry ever claimed in the index as a dead row, and a search from the head would walk them all each time. The
-- caller comes back with zeros regularly. Each entry that becomes ready takes a place above all given before.
create or replace function caas.claim(
    batch_size integer,
    claim_token uuid,
    lease interval,
    floors bigint[] default '{0,0,0,0}',
    suspects boolean default true
)
returns table (
    profile_id uuid,
    generation bigint,
    priority smallint,
    place bigint,
    reasons text[],
    first_changed_at timestamptz,
    last_changed_at timestamptz,
    deleted boolean,
    attempts integer,
    losses integer
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
declare
    levels constant smallint[] := '{0,10,50,90}';
    chosen uuid[];
    more uuid[];
begin
    if suspects then
        select array_agg(s.profile_id)
        into chosen
        from (
            select q.profile_id
            from caas.recalculation_queue as q
            where q.token is null
                and q.due_at is null
                and q.losses >= 2
            order by q.priority, q.place
            limit 1
            for update skip locked
        ) as s;
    end if;
    if chosen is null then
        chosen := '{}';
        for level in 1 .. cardinality(levels) loop
            exit when cardinality(chosen) >= batch_size;
            select array_agg(r.profile_id)
            into more
            from (
                select q.profile_id
                from caas.recalculation_queue as q
                where q.token is null
                    and q.due_at is null
                    and q.losses < 2
                    and q.priority = levels[level]
                    and q.place >= floors[level]
                order by q.priority, q.place
                limit batch_size - cardinality(chosen)
                for update skip locked
            ) as r;
            chosen := chosen || coalesce(more, '{}');
        end loop;
    end if;
    return query
    update caas.recalculation_queue as q
    set
        token = claim_token,
        lease_until = clock_timestamp() + lease,
        claimed_generation = q.generation,
        cells_written = false,
        claimed_alone = cardinality(chosen) = 1
    where q.profile_id = any(chosen)
    returning
        q.profile_id,
        q.generation,
        q.priority,
        q.place,
        q.reasons,
        q.first_changed_at,
        q.last_changed_at,
        q.deleted,
        q.attempts,
        q.losses;
end;
$function$;

comment on function caas.claim(integer, uuid, interval, bigint[], boolean) is
    'Leases up to batch_size ready entries under the token and returns them.';
