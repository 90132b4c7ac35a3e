-- The network statistics of one profile: caas.network_stats of a list of one, without the id.
create or replace function caas.get_network_stats(user_id uuid)
returns table (
    referral_count integer,
    connection_count integer,
    is_agent_referred boolean
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $function$
    select
        s.referral_count,
        s.connection_count,
        s.is_agent_referred
    from caas.network_stats(array[user_id]) as s;
$function$;

comment on function caas.get_network_stats(uuid) is
    'Network statistics of one profile; one row, also for an unknown id.';
