-- The performance statistics of one profile: caas.performance_stats of a list of one, without the id.
create or replace function caas.get_performance_stats(user_id uuid)
returns table (
    avg_rating numeric,
    completed_sessions integer,
    retention_rate numeric,
    manual_session_log_rate numeric,
    completed_free_sessions_count integer
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $function$
    select
        s.avg_rating,
        s.completed_sessions,
        s.retention_rate,
        s.manual_session_log_rate,
        s.completed_free_sessions_count
    from caas.performance_stats(array[user_id]) as s;
$function$;

comment on function caas.get_performance_stats(uuid) is
    'Performance statistics of one profile; one row, also for an unknown id.';
