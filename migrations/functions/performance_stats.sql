-- Performance statistics (scoring 1.2), and with them virtual_usage_rate, which the same sessions give: one row per id.
-- Reads nothing itself: everything is a quotient of caas.teaching_sums.
create or replace function caas.performance_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    avg_rating numeric,
    completed_sessions integer,
    retention_rate numeric,
    manual_session_log_rate numeric,
    completed_free_sessions_count integer,
    virtual_usage_rate numeric
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $function$
begin
    return query
    select
        t.profile_id,
        coalesce(t.rating_sum / nullif(t.ratings, 0)::numeric, 0),
        t.paid_sessions::integer,
        coalesce(t.returning_clients / nullif(t.clients, 0)::numeric, 0),
        case
            when t.paid_sessions - t.recorded_sessions + t.unlogged_sessions >= 5
                then
                    (t.paid_sessions - t.recorded_sessions)
                    / (t.paid_sessions - t.recorded_sessions + t.unlogged_sessions)::numeric
            else 0
        end,
        t.free_sessions::integer,
        coalesce(t.recorded_sessions / nullif(t.paid_sessions, 0)::numeric, 0)
    from caas.teaching_sums(profile_ids, as_of) as t;
end;
$function$;

comment on function caas.performance_stats(uuid[], timestamptz) is
    'Ratings, sessions, retention and recorded sessions of the profiles, one row per id.';
