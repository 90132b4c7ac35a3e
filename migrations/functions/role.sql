-- The role that a profile is scored by, of those that it carries: the built-in rules' precedence (scoring 1), in any
-- letter case. Reads nothing, writes nothing.
create or replace function caas.role(roles text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $function$
    select
        case
            when 'TUTOR' = any(r.carried) then 'TUTOR'
            when 'CLIENT' = any(r.carried) then 'CLIENT'
            when 'AGENT' = any(r.carried) then 'AGENT'
        end
    from (
        select array(
            select upper(btrim(role, e' \t\n\r\f\v') collate "C")
            from unnest(roles) as role
        ) as carried
    ) as r;
$function$;

comment on function caas.role(text[]) is 'TUTOR, CLIENT or AGENT by precedence; null without a supported role.';
