-- Both lists' reasons, each once, at most 16. Reads nothing, writes nothing.
create or replace function caas.merge_reasons(
    present text[],
    added text[]
)
returns text[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $function$
    select
        case
            when present @> added then present
            else (
                select (array_agg(distinct r.reason))[:16]
                from unnest(present || added) as r (reason)
            )
        end;
$function$;

comment on function caas.merge_reasons(text[], text[]) is 'Reasons of an entry and of new marks, merged.';
