-- days: the metrics of a window on the last calculation days, the oldest first
select
    m.calculation_date,
    m.avg_rating,
    m.first_session_success_rate,
    m.reschedule_rate,
    m.no_show_count,
    m.engagement_score,
    m.learning_objectives_met_pct,
    m.performance_tier,
    m.flags
from caas.tutor_performance_metrics as m
where m.profile_id = %(profile_id)s::uuid
    and m.time_window = %(time_window)s::text
    and m.calculation_date > (
        select max(newest.calculation_date)
        from caas.tutor_performance_metrics as newest
        where newest.profile_id = %(profile_id)s::uuid
            and newest.time_window = %(time_window)s::text
    ) - %(days)s::integer
order by m.calculation_date;
