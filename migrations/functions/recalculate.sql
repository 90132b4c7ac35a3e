-- Marks the profiles and folds those marks in the same transaction, so that the caller knows the generations to
-- wait for. Reads and writes what caas.enqueue and caas.fold do.
create or replace function caas.recalculate(
    profile_ids uuid[],
    reason text,
    priority integer default 0
)
returns table (profile_id uuid, generation bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
#variable_conflict use_column
declare
    marks bigint[];
begin
    if priority is null or priority not in (0, 10, 50, 90) or reason is null or btrim(reason) = '' then
        raise exception 'a reason is needed, and a priority of 0, 10, 50 or 90'
            using errcode = 'invalid_parameter_value';
    end if;
    with marked as (
        insert into caas.changes (reason, priority, profile_id, whole)
        select distinct
            left(btrim(recalculate.reason), 100),
            recalculate.priority,
            ids.id,
            true
        from unnest(profile_ids) as ids (id)
        where ids.id is not null
        returning id
    )

    select array_agg(m.id)
    into marks
    from marked as m;
    if marks is null then
        return;
    end if;
    perform caas.fold(cardinality(marks), 0::bigint, marks, interval '0 seconds');
    return query
    select
        q.profile_id,
        q.generation
    from caas.recalculation_queue as q
    where q.profile_id = any(profile_ids);
end;
$function$;

comment on function caas.recalculate(uuid[], text, integer) is
    'Puts the profiles into the queue at once; returns the generation of each entry.';
