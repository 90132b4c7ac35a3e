-- Sweep: marks the profiles whose time has come, those first that have waited longest. Reads and writes caas.scores and
-- caas.cell_states, appends to caas.changes. Each due time is marked once; a row that a batch is publishing just now is
-- skipped, its due time is about to be another. The change is said to have happened when it fell due.
create or replace function caas.sweep(
    max_profiles integer,
    as_of timestamptz default now()
)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    scored uuid[];
    scored_due_at timestamptz[];
    taught uuid[];
    taught_due_at timestamptz[];
    marked integer;
begin
    select
        array_agg(d.profile_id),
        array_agg(d.next_due_at)
    into scored, scored_due_at
    from (
        select
            s.profile_id,
            s.next_due_at
        from caas.scores as s
        where s.next_due_at is not null
            and not s.swept
            and s.next_due_at <= as_of
        order by s.next_due_at
        limit max_profiles
        for update skip locked
    ) as d;
    select
        array_agg(d.profile_id),
        array_agg(d.next_due_at)
    into taught, taught_due_at
    from (
        select
            s.profile_id,
            s.next_due_at
        from caas.cell_states as s
        where s.next_due_at is not null
            and not s.swept
            and s.next_due_at <= as_of
        order by s.next_due_at
        limit max_profiles
        for update skip locked
    ) as d;
    with chosen as materialized (
        select
            d.profile_id,
            min(d.next_due_at) as next_due_at
        from (
            select s.*
            from unnest(scored, scored_due_at) as s (profile_id, next_due_at)
            union all
            select t.*
            from unnest(taught, taught_due_at) as t (profile_id, next_due_at)
        ) as d
        group by d.profile_id
        order by min(d.next_due_at)
        limit max_profiles
    ),

    swept as (
        update caas.scores as s
        set swept = true
        where s.profile_id = any(
            array(
                select ids.profile_id
                from unnest(scored) as ids (profile_id)
                intersect
                select c.profile_id
                from chosen as c
            )
        )
    ),

    turned as (
        update caas.cell_states as s
        set swept = true
        where s.profile_id = any(
            array(
                select ids.profile_id
                from unnest(taught) as ids (profile_id)
                intersect
                select c.profile_id
                from chosen as c
            )
        )
    )

    insert into caas.changes (reason, priority, changed_at, profile_id)
    select
        'time',
        50,
        c.next_due_at,
        c.profile_id
    from chosen as c
    order by c.next_due_at;
    get diagnostics marked = row_count;
    return marked;
end;
$function$;

comment on function caas.sweep(integer, timestamptz) is
    'Marks up to max_profiles profiles whose next_due_at has come, at time priority; returns how many.';
