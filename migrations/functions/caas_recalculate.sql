-- Marks the profiles and folds those marks in the same transaction, so that the caller knows the generations to
-- wait for. Reads and writes what caas_enqueue and caas_fold do.
create or replace function caas_recalculate(
    profile_ids uuid[],
    reason text,
    priority integer default 0
)
returns table (profile_id uuid, generation bigint)
language plpgsql
volatile
set search_path = pg_catalog, public, pg_temp
as $function$
#variable_conflict use_column
declare
    marks bigint[];
begin
    with marked as (
        insert into caas_changes (reason, priority, profile_id)
        select distinct
            caas_recalculate.reason,
            caas_recalculate.priority,
            ids.id
        from unnest(profile_ids) as ids (id)
        returning id
    )

    select array_agg(m.id)
    into marks
    from marked as m;
    if marks is null then
        return;
    end if;
    perform caas_fold(cardinality(marks), 0, marks);
    return query
    select
        q.profile_id,
        q.generation
    from caas_recalculation_queue as q
    where q.profile_id = any(profile_ids);
end;
$function$;

comment on function caas_recalculate(uuid[], text, integer) is
    'Puts the profiles into the queue at once; returns the generation of each entry.';
