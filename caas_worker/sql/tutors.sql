-- listed: a page of tutors; the figures of those who are not on it are not looked for, but for the one that sorts
with page as (
    select
        r.profile_id,
        sorted.key
    from caas.tutor_scores as r
    left join caas.tutor_scores as ths
        on ths.profile_id = r.profile_id
        and ths.score_type = 'ths'
    left join caas.tutor_scores as tcrs
        on tcrs.profile_id = r.profile_id
        and tcrs.score_type = 'tcrs'
    left join caas.scores as credibility on credibility.profile_id = r.profile_id
    left join caas.tutor_performance_metrics as latest
        on latest.profile_id = r.profile_id
        and latest.time_window = '30day'
        and latest.calculation_date = (select max(m.calculation_date) from caas.tutor_performance_metrics as m)
    cross join lateral (
        select
            case %(sort_by)s
                when 'is_high_risk' then (r.components ->> 'is_high_risk')::boolean::integer
                when 'risk_level' then array_position('{low,medium,high}'::text[], r.level)
                when 'reschedule_rate_7d' then (r.components ->> 'reschedule_rate_7d')::numeric
                when 'reschedule_rate_30d' then (r.components ->> 'reschedule_rate_30d')::numeric
                when 'reschedule_rate_90d' then (r.components ->> 'reschedule_rate_90d')::numeric
                when 'threshold' then (r.components ->> 'threshold')::numeric
                when 'performance_tier' then array_position(
                    '{Exemplary,Strong,Developing,Needs Attention,At Risk}'::text[],
                    case
                        when latest.profile_id is not null then latest.performance_tier
                        else (
                            select m.performance_tier
                            from caas.tutor_performance_metrics as m
                            where m.profile_id = r.profile_id
                                and m.time_window = '30day'
                            order by m.calculation_date desc
                            limit 1
                        )
                    end
                )
                when 'ths' then ths.value
                when 'tcrs' then tcrs.value
                when 'active_alerts' then (
                    select count(*)
                    from caas.tutor_alerts as a
                    where a.profile_id = r.profile_id
                        and a.status in ('open', 'acknowledged')
                )
                when 'sessions_completed_30d' then case
                    when latest.profile_id is not null then latest.sessions_completed
                    else (
                        select m.sessions_completed
                        from caas.tutor_performance_metrics as m
                        where m.profile_id = r.profile_id
                            and m.time_window = '30day'
                        order by m.calculation_date desc
                        limit 1
                    )
                end
                when 'avg_rating_30d' then case
                    when latest.profile_id is not null then latest.avg_rating
                    else (
                        select m.avg_rating
                        from caas.tutor_performance_metrics as m
                        where m.profile_id = r.profile_id
                            and m.time_window = '30day'
                        order by m.calculation_date desc
                        limit 1
                    )
                end
                when 'total_score' then credibility.total_score
                when 'calculated_at' then extract(epoch from r.calculated_at)
            end as key
    ) as sorted
    where r.score_type = 'reschedule_risk'
        and r.profile_id between %(first)s::uuid and %(last)s::uuid
        and (
            %(high_risk)s::boolean is null
            or coalesce((r.components ->> 'is_high_risk')::boolean, false) = %(high_risk)s::boolean
        )
    order by
        case when not %(descending)s::boolean then sorted.key end asc nulls last,
        case when %(descending)s::boolean then sorted.key end desc nulls last,
        case when %(descending)s::boolean and %(sort_by)s = 'profile_id' then r.profile_id end desc,
        r.profile_id asc
    limit %(most)s::integer
    offset %(skipped)s::integer
)

select
    page.profile_id,
    coalesce((r.components ->> 'is_high_risk')::boolean, false) as is_high_risk,
    r.level as risk_level,
    (r.components ->> 'reschedule_rate_7d')::numeric as reschedule_rate_7d,
    (r.components ->> 'reschedule_rate_30d')::numeric as reschedule_rate_30d,
    (r.components ->> 'reschedule_rate_90d')::numeric as reschedule_rate_90d,
    (r.components ->> 'threshold')::numeric as threshold,
    newest.performance_tier,
    ths.value as ths,
    tcrs.value as tcrs,
    (
        select count(*)
        from caas.tutor_alerts as a
        where a.profile_id = page.profile_id
            and a.status in ('open', 'acknowledged')
    ) as active_alerts,
    newest.sessions_completed as sessions_completed_30d,
    newest.avg_rating as avg_rating_30d,
    credibility.total_score,
    r.calculated_at
from page
inner join caas.tutor_scores as r
    on r.profile_id = page.profile_id
    and r.score_type = 'reschedule_risk'
left join caas.tutor_scores as ths
    on ths.profile_id = page.profile_id
    and ths.score_type = 'ths'
left join caas.tutor_scores as tcrs
    on tcrs.profile_id = page.profile_id
    and tcrs.score_type = 'tcrs'
left join caas.scores as credibility on credibility.profile_id = page.profile_id
left join lateral (
    select
        m.performance_tier,
        m.sessions_completed,
        m.avg_rating
    from caas.tutor_performance_metrics as m
    where m.profile_id = page.profile_id
        and m.time_window = '30day'
    order by m.calculation_date desc
    limit 1
) as newest on true
order by
    case when not %(descending)s::boolean then page.key end asc nulls last,
    case when %(descending)s::boolean then page.key end desc nulls last,
    case when %(descending)s::boolean and %(sort_by)s = 'profile_id' then page.profile_id end desc,
    page.profile_id asc;

-- counted: how many tutors match
select count(*) as total
from caas.tutor_scores as r
where r.score_type = 'reschedule_risk'
    and r.profile_id between %(first)s::uuid and %(last)s::uuid
    and (
        %(high_risk)s::boolean is null
        or coalesce((r.components ->> 'is_high_risk')::boolean, false) = %(high_risk)s::boolean
    );

-- without_jit: compiling the statements of lists takes longer than running them
select set_config('jit', 'off', true);

-- ranked: a page of the risk list (scoring 10); first sessions are looked for of those only whom they may bring onto it
with known as materialized (
    select
        scored.profile_id,
        scored.ths,
        scored.tcrs,
        coalesce(raised.alerts, 0) as active_alerts,
        100 - coalesce(scored.ths, 65) + 100 * coalesce(scored.tcrs, 0.4) + 20 * coalesce(raised.alerts, 0) as risk
    from (
        select
            t.profile_id,
            max(t.value) filter (where t.score_type = 'ths') as ths,
            max(t.value) filter (where t.score_type = 'tcrs') as tcrs
        from caas.tutor_scores as t
        group by t.profile_id
        having bool_or(t.score_type = 'reschedule_risk')
    ) as scored
    left join (
        select
            a.profile_id,
            count(*) as alerts
        from caas.tutor_alerts as a
        where a.status in ('open', 'acknowledged')
        group by a.profile_id
    ) as raised on raised.profile_id = scored.profile_id
),

bar as (
    select known.risk
    from known
    order by known.risk desc
    limit 1
    offset %(skipped)s::integer + %(most)s::integer - 1
)

select
    known.profile_id,
    first_session.fsrs,
    known.ths,
    known.tcrs,
    known.active_alerts,
    known.risk + coalesce(first_session.fsrs, 30) as risk
from known
left join lateral (
    select s.value as fsrs
    from caas.session_scores as s
    where s.profile_id = known.profile_id
        and s.score_type = 'fsrs'
    order by s.starts_at desc, s.booking_id desc
    limit 1
) as first_session on true
where known.risk >= coalesce((select bar.risk from bar) - 120, 0)
order by known.risk + coalesce(first_session.fsrs, 30) desc, known.profile_id asc
limit %(most)s::integer
offset %(skipped)s::integer;

-- known: whether this is a tutor
select
from caas.tutor_scores as r
where r.profile_id = %(profile_id)s::uuid
    and r.score_type = 'reschedule_risk';

-- scores: health, churn risk and reschedule risk of a tutor
select
    t.score_type,
    t.value,
    t.level,
    t.components,
    t.version,
    t.calculated_at
from caas.tutor_scores as t
where t.profile_id = %(profile_id)s::uuid
order by array_position('{ths,tcrs,reschedule_risk}'::text[], t.score_type);

-- metrics: a tutor's metrics of the newest calculation day, by window
select
    newest.time_window,
    newest.calculation_date,
    newest.sessions_completed,
    newest.avg_rating,
    newest.first_session_success_rate,
    newest.reschedule_rate,
    newest.no_show_count,
    newest.engagement_score,
    newest.learning_objectives_met_pct,
    newest.response_time_avg_minutes,
    newest.performance_tier,
    newest.flags,
    newest.calculated_at
from unnest(%(windows)s::text[]) with ordinality as wanted (time_window, place)
cross join lateral (
    select m.*
    from caas.tutor_performance_metrics as m
    where m.profile_id = %(profile_id)s::uuid
        and m.time_window = wanted.time_window
    order by m.calculation_date desc
    limit 1
) as newest
order by wanted.place;

-- alerts: a tutor's alerts, active ones or all, the newest first
select
    a.id,
    a.profile_id,
    a.alert_type,
    a.severity,
    a.status,
    a.score_value,
    a.booking_id,
    a.raised_at,
    a.last_checked_at,
    a.acknowledged_at,
    a.acknowledged_by,
    a.resolved_at,
    a.resolved_by,
    a.auto_resolved,
    a.email_status
from caas.tutor_alerts as a
where a.profile_id = %(profile_id)s::uuid
    and (%(ended)s::boolean or a.status in ('open', 'acknowledged'))
order by a.raised_at desc, a.id desc
limit %(most)s::integer;

-- summary: a tutor's newest sessions in words
select
    s.profile_id,
    s.trend,
    s.average_sqs,
    s.summary,
    s.what_went_well,
    s.improvement_suggestion,
    s.calculated_at
from caas.tutor_performance_summaries as s
where s.profile_id = %(profile_id)s::uuid;

-- weeks: a tutor's weeks that ended at most so many days ago, from the first with a session on, the oldest first
with today as (
    select
        local.day,
        local.day - (extract(isodow from local.day)::integer - 1) as monday
    from (
        select (coalesce(%(as_of)s::timestamptz, now()) at time zone %(zone)s)::date as day
    ) as local
),

closed as (
    select
        today.monday - 7 * back.weeks as week_start,
        today.monday - 7 * back.weeks + 6 as week_end
    from today
    cross join generate_series(%(most)s::integer, 1, -1) as back (weeks)
    where today.monday - 7 * back.weeks + 6 >= today.day - %(days)s::integer
        and today.monday - 7 * back.weeks + 6 >= (
            select min(d.day)
            from caas.tutor_daily_aggregates as d
            where d.profile_id = %(profile_id)s::uuid
        )
)

select
    closed.week_start,
    closed.week_end,
    taught.sessions,
    taught.sessions_completed,
    taught.tutor_reschedules,
    taught.no_shows,
    coalesce(round(100.0 * taught.tutor_reschedules / nullif(taught.sessions, 0), 2), 0) as reschedule_rate
from closed
cross join lateral (
    select
        coalesce(sum(d.sessions), 0) as sessions,
        coalesce(sum(d.sessions_completed), 0) as sessions_completed,
        coalesce(sum(d.reschedules_tutor_initiated), 0) as tutor_reschedules,
        coalesce(sum(d.no_shows), 0) as no_shows
    from caas.tutor_daily_aggregates as d
    where d.profile_id = %(profile_id)s::uuid
        and d.day between closed.week_start and closed.week_end
) as taught
order by closed.week_start;

-- daily: a tutor's days with sessions among the last so many, today included, the oldest first
select
    d.day,
    d.sessions,
    d.sessions_completed,
    d.reschedules_tutor_initiated as tutor_reschedules,
    d.no_shows,
    d.avg_lateness_min
from caas.tutor_daily_aggregates as d
cross join lateral (
    select (coalesce(%(as_of)s::timestamptz, now()) at time zone %(zone)s)::date as day
) as today
where d.profile_id = %(profile_id)s::uuid
    and d.day between today.day - (%(days)s::integer - 1) and today.day
order by d.day;

-- acknowledge: take notice of an open alert
update caas.tutor_alerts as a
set
    status = 'acknowledged',
    acknowledged_at = clock_timestamp(),
    acknowledged_by = %(actor)s
where a.id = %(alert_id)s::uuid
    and a.status = 'open';

-- resolve: end an alert that is active
update caas.tutor_alerts as a
set
    status = 'resolved',
    resolved_at = clock_timestamp(),
    resolved_by = %(actor)s
where a.id = %(alert_id)s::uuid
    and a.status in ('open', 'acknowledged');

-- alert: one alert
select
    a.id,
    a.profile_id,
    a.alert_type,
    a.severity,
    a.status,
    a.score_value,
    a.booking_id,
    a.raised_at,
    a.last_checked_at,
    a.acknowledged_at,
    a.acknowledged_by,
    a.resolved_at,
    a.resolved_by,
    a.auto_resolved,
    a.email_status
from caas.tutor_alerts as a
where a.id = %(alert_id)s::uuid;
