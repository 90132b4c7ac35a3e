-- Sweep: marks the profiles whose time has come, those first that have waited longest. Reads and writes caas_scores and
-- caas_cell_states, appends to caas_changes. Each due time is marked once; a row that a batch is publishing just now is
-- skipped, its due time is about to be another. The change is said to have happened when it fell due.
create or replace function caas_sweep(
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
    chosen uuid[];
    taught uuid[];
begin
    select array_agg(d.profile_id)
    into chosen
    from (
        select s.profile_id
        from public.caas_scores as s
        where s.next_due_at is not null
            and not s.swept
            and s.next_due_at <= as_of
        order by s.next_due_at
        limit max_profiles
        for update skip locked
    ) as d;
    select array_agg(d.profile_id)
    into taught
    from (
        select s.profile_id
        from public.caas_cell_states as s
        where s.next_due_at is not null
            and not s.swept
            and s.next_due_at <= as_of
        order by s.next_due_at
        limit max_profiles
        for update skip locked
    ) as d;
    with swept as (
        update public.caas_scores as s
        set swept = true
        where s.profile_id = any(chosen)
        returning s.profile_id, s.next_due_at
    ),

    turned as (
        update public.caas_cell_states as s
        set swept = true
        where s.profile_id = any(taught)
        returning s.profile_id, s.next_due_at
    )

    insert into public.caas_changes (reason, priority, changed_at, profile_id)
    select
        'time',
        50,
        min(w.next_due_at),
        w.profile_id
    from (
        select swept.*
        from swept
        union all
        select turned.*
        from turned
    ) as w
    group by w.profile_id;
    return greatest(coalesce(cardinality(chosen), 0), coalesce(cardinality(taught), 0));
end;
$function$;

comment on function caas_sweep(integer, timestamptz) is
    'Marks up to max_profiles profiles whose next_due_at has come, at time priority; returns how many.';
