-- tutors: the next tutors in the order of their ids
select p.id
from caas.source_profiles as p
where (%(after)s::uuid is null or p.id > %(after)s::uuid)
    and exists (
        select
        from unnest(p.roles::text[]) as r (role)
        where upper(btrim(r.role, e' \t\n\r\f\v')) = 'TUTOR'
    )
    and (%(include_inactive)s::boolean or lower(btrim(coalesce(p.status, 'active'))) = 'active')
order by p.id
limit %(size)s::integer;

-- count: how many tutors there are
select count(*)
from caas.source_profiles as p
where exists (
        select
        from unnest(p.roles::text[]) as r (role)
        where upper(btrim(r.role, e' \t\n\r\f\v')) = 'TUTOR'
    )
    and (%(include_inactive)s::boolean or lower(btrim(coalesce(p.status, 'active'))) = 'active');

-- today: the day it is, and the last moment of the day that is asked for, which is none that lies ahead
select
    n.today,
    (least(%(day)s::date, n.today)::timestamp + interval '1 day') at time zone %(zone)s::text - interval '1 microsecond'
from (
    select (%(now)s::timestamptz at time zone %(zone)s::text)::date as today
) as n;

-- metrics: the windows of tutors on a day
select
    m.profile_id,
    m.time_window,
    m.sessions_completed,
    m.avg_rating,
    m.first_session_success_rate,
    m.reschedule_rate,
    m.no_show_count,
    m.engagement_score,
    m.learning_objectives_met_pct,
    m.response_time_avg_minutes,
    m.performance_tier,
    m.flags
from caas.tutor_performance_metrics as m
where m.profile_id = any(%(profile_ids)s::uuid[])
    and m.calculation_date = %(day)s::date;

-- keep: windows of a past day of those that are tutors, where none were published
insert into caas.tutor_performance_metrics (
    profile_id, time_window, calculation_date, sessions_completed, avg_rating, first_session_success_rate,
    reschedule_rate, no_show_count, engagement_score, learning_objectives_met_pct, response_time_avg_minutes,
    performance_tier, flags, calculated_at
)
select
    w.profile_id,
    w.time_window,
    %(day)s::date,
    w.sessions_completed,
    w.avg_rating,
    w.first_session_success_rate,
    w.reschedule_rate,
    w.no_show_count,
    w.engagement_score,
    w.learning_objectives_met_pct,
    w.response_time_avg_minutes,
    w.performance_tier,
    w.flags,
    now()
from jsonb_to_recordset(%(rows)s::jsonb) as w (
    profile_id uuid,
    time_window text,
    sessions_completed integer,
    avg_rating numeric,
    first_session_success_rate numeric,
    reschedule_rate numeric,
    no_show_count integer,
    engagement_score numeric,
    learning_objectives_met_pct numeric,
    response_time_avg_minutes numeric,
    performance_tier text,
    flags jsonb
)
where exists (
        select
        from caas.cell_states as s
        where s.profile_id = w.profile_id
            and s.taught_until is not null
    )
on conflict (profile_id, time_window, calculation_date) do nothing;

-- days: how many daily aggregates these tutors have
select count(*)
from unnest(%(profile_ids)s::uuid[]) as ids (profile_id)
inner join caas.tutor_daily_aggregates as d on d.profile_id = ids.profile_id;

-- clean: remove the next metrics that are too old
with old as (
    select
        m.profile_id,
        m.time_window,
        m.calculation_date
    from caas.tutor_performance_metrics as m
    where m.calculation_date < %(before)s::date
    order by m.calculation_date
    limit %(size)s::integer
    for update skip locked
)

delete from caas.tutor_performance_metrics as m
using old
where m.profile_id = old.profile_id
    and m.time_window = old.time_window
    and m.calculation_date = old.calculation_date
returning to_jsonb(m);
