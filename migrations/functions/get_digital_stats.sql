-- The digital statistics of one profile: caas.digital_stats of a list of one, without the id.
create or replace function caas.get_digital_stats(user_id uuid)
returns table (
    google_calendar_synced boolean,
    google_classroom_synced boolean,
    virtual_usage_rate numeric
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $function$
    select
        s.google_calendar_synced,
        s.google_classroom_synced,
        s.virtual_usage_rate
    from caas.digital_stats(array[user_id]) as s;
$function$;

comment on function caas.get_digital_stats(uuid) is
    'Digital statistics of one profile; one row, also for an unknown id.';
