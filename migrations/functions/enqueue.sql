-- Marks profiles for SQL callers. Reads nothing, writes caas.changes.
-- Runs as its owner, so that a role with nothing but EXECUTE on it can mark.
create or replace function caas.enqueue(
    profile_ids uuid[],
    reason text,
    priority integer default 10
)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $function$
declare
    marked integer;
begin
    if priority is null or priority not in (0, 10, 50, 90) then
        raise exception 'priority must be 0 (manual), 10 (live), 50 (time) or 90 (backfill), not %', priority
            using errcode = 'invalid_parameter_value';
    end if;
    if reason is null or btrim(reason) = '' then
        raise exception 'a reason is needed: a word that says why the scores are to be recomputed'
            using errcode = 'invalid_parameter_value';
    end if;
    insert into caas.changes (reason, priority, profile_id, whole)
    select distinct
        left(btrim(enqueue.reason), 100),
        enqueue.priority,
        ids.profile_id,
        true
    from unnest(profile_ids) as ids (profile_id)
    where ids.profile_id is not null;
    get diagnostics marked = row_count;
    return marked;
end;
$function$;

comment on function caas.enqueue(uuid[], text, integer) is
    'Marks the profiles, each once, and returns how many. Priority: 0 manual, 10 live, 50 time, 90 backfill.';
