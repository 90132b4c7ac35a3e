-- Cache: publishes a batch. Reads and writes caas.recalculation_queue, caas.scores and caas.score_follow;
-- reads caas.rules and caas.holds; appends to caas.changes what the agents of tutors wait for.
--
-- First the versions of the rules that computed the scores are compared with the published ones: a worker with others
-- writes nothing. Before or after the lock makes no difference (tests/model/rules.pml): whoever publishes a newer rule
-- marks everyone in the same transaction.
-- Then the entries that are still the token's are locked, in the order of profile_id, and only what belongs to them is
-- written. Checking the token without the lock lets an older score overwrite a newer one: the lease ends, another
-- worker claims, computes and publishes between our check and our write.
-- An entry whose generation is the claimed one is done and goes; one that was marked again meanwhile is released
-- with what came after the claim, at the end of the queue. Claimed entries that are neither in scores nor in missing
-- keep their lease: caas.fail, in the same transaction, settles them.
-- A hold that stands at the time of the computation pins the total; the computed one is kept beside it, and the hold's
-- end is a due time like any other. (Held by tests/integration/test_holds.py and
-- tests/concurrency/test_hold_meets_batch.py.)
-- Rows are looked up by scalar subqueries and lists of ids, never by joins: a plan made while these tables were empty
-- joins them by walking the whole index for every row, and a session keeps its plans.
create or replace function caas.cache(
    claim_token uuid,
    claimed uuid[],
    scores jsonb,
    missing uuid[],
    follow boolean,
    rules jsonb
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
    published uuid[];
    absent uuid[];
    removed uuid[];
    deleted uuid[];
    tutors uuid[];
    others text[];
begin
    others := caas.other_rules(rules);
    if cardinality(others) > 0 then
        raise exception '%', array_to_string(others, ', ')
            using errcode = 'CA001';
    end if;

    perform
    from (
        select q.profile_id
        from caas.recalculation_queue as q
        where q.profile_id = any(claimed)
            and q.token = claim_token
        order by q.profile_id
        for update
    ) as locked;

    with computed as materialized (
        select
            c.*,
            coalesce(h.score, c.total_score) as published_score,
            case when h.score is not null then c.total_score end as computed_score,
            least(c.next_due_at, h.expires_at) as due_at
        from jsonb_to_recordset(scores) as c (
            profile_id uuid,
            role_type text,
            total_score smallint,
            score_breakdown jsonb,
            score_inputs jsonb,
            reason text,
            calculation_version text,
            gate_failed boolean,
            calculated_at timestamptz,
            source_changed_at timestamptz,
            next_due_at timestamptz,
            generation bigint
        )
        left join lateral (
            select
                held.score,
                held.expires_at
            from caas.holds as held
            where held.profile_id = c.profile_id
                and held.released_at is null
                and (held.expires_at is null or held.expires_at > c.calculated_at)
            offset 0
        ) as h on true
        where (
            select q.token
            from caas.recalculation_queue as q
            where q.profile_id = c.profile_id
        ) = claim_token
    ),

    following as (
        insert into caas.score_follow (profile_id)
        select c.profile_id
        from computed as c
        where follow
            and c.published_score is distinct from (
                select s.total_score
                from caas.scores as s
                where s.profile_id = c.profile_id
            )
        order by c.profile_id
        -- not "do nothing": that would not wait for a copy under way, which then strikes the newer total off
        on conflict (profile_id) do update
            set profile_id = excluded.profile_id
    ),

    taught as (
        select c.profile_id
        from computed as c
        where c.role_type = 'TUTOR'
            or (
                select s.role_type
                from caas.scores as s
                where s.profile_id = c.profile_id
            ) = 'TUTOR'
    ),

    written as (
        insert into caas.scores (
            profile_id, role_type, total_score, computed_score, score_breakdown, score_inputs, reason,
            calculation_version, gate_failed, calculated_at, source_changed_at, next_due_at, generation
        )
        select
            c.profile_id,
            c.role_type,
            c.published_score,
            c.computed_score,
            c.score_breakdown,
            c.score_inputs,
            c.reason,
            c.calculation_version,
            c.gate_failed,
            c.calculated_at,
            c.source_changed_at,
            c.due_at,
            c.generation
        from computed as c
        order by c.profile_id
        on conflict (profile_id) do update
            set
                role_type = excluded.role_type,
                total_score = excluded.total_score,
                computed_score = excluded.computed_score,
                score_breakdown = excluded.score_breakdown,
                score_inputs = excluded.score_inputs,
                reason = excluded.reason,
                calculation_version = excluded.calculation_version,
                gate_failed = excluded.gate_failed,
                calculated_at = excluded.calculated_at,
                source_changed_at = excluded.source_changed_at,
                next_due_at = excluded.next_due_at,
                generation = excluded.generation,
                swept = false
        returning caas.scores.profile_id
    )

    select
        (
            select array_agg(w.profile_id)
            from written as w
        ),
        (
            select array_agg(t.profile_id)
            from taught as t
        )
    into published, tutors;

    select
        array_agg(q.profile_id),
        array_agg(q.profile_id) filter (where q.deleted)
    into absent, deleted
    from caas.recalculation_queue as q
    where q.profile_id = any(missing)
        and q.token = claim_token;
    if absent is not null then
        with dropped as (
            delete from caas.scores as s
            where s.profile_id = any(absent)
            returning s.profile_id, s.role_type
        )

        select
            array_agg(d.profile_id),
            tutors || array_agg(d.profile_id) filter (where d.role_type = 'TUTOR')
        into removed, tutors
        from dropped as d;
        delete from caas.score_follow as f
        where f.profile_id = any(absent);
        delete from caas.holds as h
        where h.profile_id = any(absent);
        perform caas.forget(absent, true);
    end if;

    perform caas.cascade(tutors);
    delete from caas.recalculation_queue as q
    where q.profile_id = any(published || absent)
        and q.generation = q.claimed_generation;
    update caas.recalculation_queue as q
    set
        token = null,
        lease_until = null,
        attempts = 0,
        losses = 0,
        error = null,
        priority = q.later_priority,
        place = nextval('caas.generation'),
        reasons = q.later_reasons,
        first_changed_at = q.later_changed_at,
        due_at = case when q.later_due_at > clock_timestamp() then q.later_due_at end,
        later_priority = null,
        later_reasons = null,
        later_changed_at = null,
        later_due_at = null
    where q.profile_id = any(published || absent);

    return query
    select
        e.profile_id,
        'scored'
    from unnest(published) as e (profile_id)
    union all
    select
        e.profile_id,
        case when e.profile_id = any(removed || deleted) then 'removed' else 'not_found' end
    from unnest(absent) as e (profile_id);
end;
$function$;

comment on function caas.cache(uuid, uuid[], jsonb, uuid[], boolean, jsonb) is
    'Writes the scores of those claimed entries that are still the token''s; returns how each ended.';
