-- Publishes rules: what is new or newer than published becomes the published version, and everyone is marked at
-- backfill priority, in one transaction. Reads and writes caas_rules. Nothing is published where something published
-- is newer, unless it is to be anyway: then exactly these rules are the published ones.
create or replace function caas_publish_rules(
    rules jsonb,
    anyway boolean default false
)
returns table (outdated text[], published text[])
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    withdrawn integer;
begin
    lock table public.caas_rules in share row exclusive mode;
    outdated := case when anyway then '{}' else public.caas_outdated_rules(rules) end;
    published := '{}';
    if cardinality(outdated) = 0 then
        with written as (
            insert into public.caas_rules as r (role_type, version)
            select
                given.key,
                given.value
            from jsonb_each_text(rules) as given
            on conflict (role_type) do update
                set
                    version = excluded.version,
                    published_at = excluded.published_at
                where r.version <> excluded.version
            returning r.role_type, r.version
        )

        select coalesce(array_agg(w.role_type || ' ' || w.version order by w.role_type), '{}')
        into published
        from written as w;
        delete from public.caas_rules as r
        where not rules ? r.role_type;
        get diagnostics withdrawn = row_count;
        if withdrawn > 0 or cardinality(published) > 0 then
            perform public.caas_enqueue_everyone('rule', 90);
        end if;
    end if;
    return next;
end;
$function$;

comment on function caas_publish_rules(jsonb, boolean) is
    'Makes these versions by role the published ones and marks everyone, unless published ones are newer.';
