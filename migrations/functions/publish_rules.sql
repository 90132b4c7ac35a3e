-- Publishes rules: what is new or newer than published becomes the published version, and everyone is marked at
-- backfill priority, in one transaction. Reads and writes caas.rules.
--
-- Everyone is marked even where no score exists: the first batch of an installation may have compared the rules
-- already and not be committed. The installation's own mark of everyone, while it stands unbegun, serves
-- (caas.enqueue_everyone). (Held by tests/concurrency/test_rules_meet_batch.py and tests/model/rules.pml.)
--
-- Nothing is published, and refused says why not, where a published rule is newer, has another name or rules a role
-- that the given ones do not, and where a given one was withdrawn. Anyway: exactly the given ones are the published
-- ones, and what they replace is withdrawn, so that a worker that still has it does not publish it again.
-- A version is a name and numbers, tutor-v5.10, which compare one by one.
create or replace function caas.publish_rules(
    rules jsonb,
    anyway boolean default false
)
returns table (refused text[], published text[])
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    shape constant text := '^(.*)-v([0-9.]+)$';
begin
    lock table caas.rules in share row exclusive mode;
    published := '{}';
    select coalesce(array_agg(r.role_type || ' ' || coalesce(r.version, 'withdrawn') order by r.role_type), '{}')
    into refused
    from caas.rules as r
    cross join lateral (
        select
            rules ->> r.role_type as version,
            regexp_match(rules ->> r.role_type, shape) as parts,
            regexp_match(r.version, shape) as published_parts
    ) as given
    where not anyway
        and (
            given.version = any(r.withdrawn)
            or (
                given.version is distinct from r.version
                and (
                    given.parts[1] is distinct from given.published_parts[1]
                    or string_to_array(given.parts[2], '.')::integer[]
                    < string_to_array(given.published_parts[2], '.')::integer[]
                )
            )
        );
    if cardinality(refused) > 0 then
        return next;
        return;
    end if;
    with written as (
        insert into caas.rules as r (role_type, version)
        select
            coalesce(given.key, known.role_type),
            given.value
        from jsonb_each_text(rules) as given
        full outer join caas.rules as known on known.role_type = given.key
        on conflict (role_type) do update
            set
                version = excluded.version,
                published_at = excluded.published_at,
                withdrawn = array_remove(
                    case when anyway then r.withdrawn || r.version else r.withdrawn end, excluded.version
                )
            where r.version is distinct from excluded.version
        returning r.role_type, r.version
    )

    select coalesce(array_agg(w.role_type || ' ' || coalesce(w.version, 'withdrawn') order by w.role_type), '{}')
    into published
    from written as w;
    if cardinality(published) > 0 then
        perform caas.enqueue_everyone('rule'::text, 90);
    end if;
    return next;
end;
$function$;

comment on function caas.publish_rules(jsonb, boolean) is
    'Makes these versions by role the published ones and marks everyone, unless published ones are newer.';
