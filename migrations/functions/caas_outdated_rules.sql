-- Which published rules are newer than those given, or unknown there, or of another name: whoever computes with these
-- may write nothing. Reads caas_rules. A version is a name and numbers, tutor-v5.10, which compare one by one.
create or replace function caas_outdated_rules(rules jsonb)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $function$
    select
        coalesce(
            array_agg(r.role_type || ' ' || r.version order by r.role_type),
            '{}'
        )
    from public.caas_rules as r
    where rules ->> r.role_type is distinct from r.version
        and (
            substring(rules ->> r.role_type, '^(.*)-v[0-9.]+$') is distinct from substring(r.version, '^(.*)-v[0-9.]+$')
            or string_to_array(substring(rules ->> r.role_type, '-v([0-9.]+)$'), '.')::integer[]
            < string_to_array(substring(r.version, '-v([0-9.]+)$'), '.')::integer[]
        );
$function$;

comment on function caas_outdated_rules(jsonb) is
    'Published rules, as "ROLE version", that are newer than the given versions by role.';
