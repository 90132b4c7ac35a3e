-- Lists a profile whose total changed outside a batch, so that profiles.caas_score follows. Writes caas.score_follow.
create or replace function caas.list_to_follow(listed uuid, follow boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
begin
    if follow then
        insert into caas.score_follow (profile_id)
        values (listed)
        -- not "do nothing": that would not wait for a copy under way, which then strikes the newer total off
        on conflict (profile_id) do update
            set profile_id = excluded.profile_id;
    end if;
end;
$function$;

comment on function caas.list_to_follow(uuid, boolean) is
    'Lists a profile for profiles.caas_score to follow, if that is wanted.';
