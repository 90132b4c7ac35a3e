-- Whom people from first to last know and recruited, and when they were seen.

-- name: acquaintances

insert into profile_graph (
    id,
    source_profile_id,
    target_profile_id,
    relationship_type,
    status,
    created_at,
    updated_at
)
with
    acquaintance as (
        select
            n,
            64 * n + i as number,
            1 + mod(n + floor((%(people)s - 1) * pg_temp.chance('knows', 64 * n + i))::bigint, %(people)s) as other
        from generate_series(%(first)s, %(last)s) as n
        cross join lateral generate_series(
            1,
            floor(7 * power(pg_temp.chance('sociable', n), 2))::integer
            + case when n <= %(tutors)s and pg_temp.chance('well known', n) < 0.2 then 12 else 0 end
        ) as i
    )
select
    pg_temp.sample_id('knows', number),
    pg_temp.sample_id('person', n),
    pg_temp.sample_id('person', other),
    'SOCIAL',
    pg_temp.pick('knows status', number, %(graph_statuses)s::text[]),
    %(now)s - pg_temp.days(365 * pg_temp.chance('knows since', number)),
    %(now)s - pg_temp.days(365 * pg_temp.chance('knows since', number))
from acquaintance
where %(people)s > 1
union all
select
    pg_temp.sample_id('knows back', number),
    pg_temp.sample_id('person', other),
    pg_temp.sample_id('person', n),
    'SOCIAL',
    pg_temp.pick('knows back status', number, %(graph_statuses)s::text[]),
    %(now)s - pg_temp.days(365 * pg_temp.chance('knows since', number) * pg_temp.chance('knows back since', number)),
    %(now)s - pg_temp.days(365 * pg_temp.chance('knows since', number) * pg_temp.chance('knows back since', number))
from acquaintance
where
    %(people)s > 1
    and pg_temp.chance('knows back', number) < 0.1;

-- name: referrals

insert into profile_graph (
    id,
    source_profile_id,
    target_profile_id,
    relationship_type,
    status,
    created_at,
    updated_at
)
select
    pg_temp.sample_id('recruited', n),
    pg_temp.sample_id(
        'person',
        %(tutors)s + 1 + floor(%(agents)s * power(pg_temp.chance('recruiter', n), 2))::bigint
    ),
    pg_temp.sample_id('person', n),
    'AGENT_REFERRAL',
    pg_temp.pick('recruited status', n, %(graph_statuses)s::text[]),
    %(now)s - pg_temp.days(pg_temp.teaching_days(n) + 10),
    %(now)s - pg_temp.days(pg_temp.teaching_days(n) + 5)
from generate_series(%(first)s, least(%(last)s, %(tutors)s)) as n
where
    %(agents)s > 0
    and pg_temp.chance('recruited', n) < 0.3
union all
select
    pg_temp.sample_id('referred', 8 * n + i),
    pg_temp.sample_id('person', n),
    pg_temp.sample_id(
        'person',
        1 + mod(n + floor((%(people)s - 1) * pg_temp.chance('refers', 8 * n + i))::bigint, %(people)s)
    ),
    'AGENT_REFERRAL',
    pg_temp.pick('referred status', 8 * n + i, %(graph_statuses)s::text[]),
    %(now)s - pg_temp.days(pg_temp.teaching_days(n) * pg_temp.chance('referred since', 8 * n + i)),
    %(now)s - pg_temp.days(pg_temp.teaching_days(n) * pg_temp.chance('referred since', 8 * n + i))
from generate_series(%(first)s, least(%(last)s, %(tutors)s)) as n
cross join lateral generate_series(1, floor(6 * power(pg_temp.chance('referrals', n), 3))::integer) as i
where %(people)s > 1;

-- name: events

insert into platform_events (
    profile_id,
    event_type,
    occurred_at,
    metadata
)
with
    habit as (
        select
            n,
            floor(case when n <= %(tutors)s then 25 else 8 end * pg_temp.chance('logins', n))::integer as logins,
            floor(case when n <= %(tutors)s then 12 else 8 end * pg_temp.chance('answers', n))::integer as answers,
            20 + 700 * power(pg_temp.chance('slow to answer', n), 2) as minutes_to_answer
        from generate_series(%(first)s, %(last)s) as n
    ),
    login as (
        select
            n,
            i,
            'login' as event_type,
            %(now)s - pg_temp.days(90 * pg_temp.chance('login', 64 * n + i)) as occurred_at,
            '{"device": "web"}'::jsonb as metadata
        from habit
        cross join lateral generate_series(1, logins) as i
    ),
    answer as (
        select
            n,
            i,
            'message_response' as event_type,
            %(now)s - pg_temp.days(180 * pg_temp.chance('answer', 64 * n + i)) as occurred_at,
            jsonb_build_object(
                'response_time_minutes',
                ceil(-ln(1 - pg_temp.chance('answer time', 64 * n + i)) * minutes_to_answer)
            ) as metadata
        from habit
        cross join lateral generate_series(1, answers) as i
    ),
    event as (
        select n, i, event_type, occurred_at, metadata
        from login
        union all
        select n, i, event_type, occurred_at, metadata
        from answer
    )
select
    pg_temp.sample_id('person', n),
    event_type,
    occurred_at,
    metadata
from event
order by
    n,
    event_type,
    i;
