-- Which published rules are not those given: whoever computes with these may write nothing. Reads caas.rules.
create or replace function caas.other_rules(rules jsonb)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $function$
    select
        coalesce(
            array_agg(r.role_type || ' ' || coalesce(r.version, 'withdrawn') order by r.role_type),
            '{}'
        )
    from caas.rules as r
    where r.version is distinct from (rules ->> r.role_type);
$function$;

comment on function caas.other_rules(jsonb) is
    'Published rules, as "ROLE version", that differ from the given versions by role.';
