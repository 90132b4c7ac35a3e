-- People from first to last and what they are. They are numbered: tutors, then agents, others and clients.

-- name: profiles

insert into profiles (
    id,
    roles,
    display_name,
    email,
    avatar_url,
    bio,
    bio_video_url,
    identity_verified,
    dbs_verified,
    dbs_expiry_date,
    available_free_help,
    business_verified,
    status,
    created_at,
    updated_at
)
with
    person as (
        select
            n,
            n <= %(tutors)s as is_tutor,
            n between %(tutors)s + 1 and %(tutors)s + %(agents)s as is_agent,
            n between %(tutors)s + %(agents)s + 1 and %(tutors)s + %(agents)s + %(others)s as is_other,
            pg_temp.pick('first name', n, %(first_names)s::text[]) as first_name,
            pg_temp.pick('last name', n, %(last_names)s::text[]) as last_name,
            pg_temp.pick('subject', n, %(subjects)s::text[]) as subject,
            pg_temp.chance('bio', n) as bio_chance,
            pg_temp.chance('dbs', n) < case when n <= %(tutors)s then 0.78 else 0.25 end as dbs_verified,
            pg_temp.chance('dbs expiry', n) as expiry_chance,
            %(now)s - case
                when n <= %(tutors)s then pg_temp.days(pg_temp.teaching_days(n) + 15 + 30 * pg_temp.chance('joined', n))
                else pg_temp.days(381 + 500 * pg_temp.chance('joined', n))
            end as joined_at
        from generate_series(%(first)s, %(last)s) as n
    )
select
    pg_temp.sample_id('person', n),
    case
        when is_tutor and mod(n, 12) = 0
            then pg_temp.pick('roles', n, array['{TUTOR,CLIENT}', '{client,Tutor}', '{CLIENT,TUTOR}'])
        when is_tutor then pg_temp.pick('roles', n, %(tutor_roles)s::text[])
        when is_agent then pg_temp.pick('roles', n, array['{AGENT}', '{AGENT}', '{AGENT}', '{agent}', '{AGENT,STAFF}'])
        when is_other then pg_temp.pick('roles', n, array['{PARENT}', '{STAFF}', '{}', '{school_admin}'])
        else pg_temp.pick('roles', n, %(client_roles)s::text[])
    end::text[],
    first_name || ' ' || last_name,
    'person.' || n || '@example.com',
    case when pg_temp.chance('avatar', n) < 0.6 then 'https://images.example.com/people/' || n || '.jpg' end,
    case
        when bio_chance < 0.15 then null
        when bio_chance < 0.2 then ' '
        when bio_chance < 0.4 then 'Hi, I am ' || first_name || '.'
        when is_tutor
            then 'I am ' || first_name || ' and I teach ' || subject
                || '. Lessons start from what you know and end with something new that you can do.'
        else 'I am ' || first_name || '. I am learning ' || subject || ' in the evenings, at my own pace.'
    end,
    case
        when not is_tutor then null
        when pg_temp.chance('video', n) < 0.2 then 'https://video.example.com/people/' || n
        when pg_temp.chance('video', n) < 0.23 then ''
    end,
    pg_temp.chance('identity', n) < 0.88,
    dbs_verified,
    case
        when not dbs_verified or expiry_chance < 0.03 then null
        when expiry_chance < 0.13 then %(now)s - pg_temp.days(365 * pg_temp.chance('dbs expired', n))
        when expiry_chance < 0.16 then %(now)s + pg_temp.days(7 * pg_temp.chance('dbs expires soon', n))
        else %(now)s + pg_temp.days(7 + 1088 * pg_temp.chance('dbs expires', n))
    end,
    is_tutor and pg_temp.chance('free help', n) < 0.35,
    is_agent and pg_temp.chance('business', n) < 0.7,
    case
        when is_tutor and pg_temp.chance('quiet', n) < 0.15
            then pg_temp.pick('quiet status', n, array['active', 'inactive', 'churned'])
        when pg_temp.chance('status', n) < 0.04 then 'inactive'
        else 'active'
    end,
    joined_at,
    joined_at + (%(now)s - joined_at) * pg_temp.chance('edited', n)
from person;

-- name: role_details

insert into role_details (
    profile_id,
    role_type,
    degree_level,
    qualifications,
    teaching_experience
)
select
    pg_temp.sample_id('person', n),
    case when pg_temp.chance('role type', n) < 0.9 then 'TUTOR' else 'tutor' end,
    pg_temp.pick('degree', n, %(degrees)s::text[]),
    pg_temp.pick('qualifications', n, %(qualifications)s::text[])::jsonb,
    case
        when pg_temp.chance('experience known', n) < 0.95
            then floor(28 * power(pg_temp.chance('experience', n), 1.6))::integer
    end
from generate_series(%(first)s, least(%(last)s, %(tutors)s)) as n
where pg_temp.chance('tutor details', n) < 0.95
union all
select
    pg_temp.sample_id('person', n),
    case when n between %(tutors)s + 1 and %(tutors)s + %(agents)s then 'AGENT' else 'CLIENT' end,
    null,
    '[]',
    null
from generate_series(%(first)s, %(last)s) as n
where
    pg_temp.chance('other details', n) < 0.4
    and (n > %(tutors)s or mod(n, 12) = 0)
    and n not between %(tutors)s + %(agents)s + 1 and %(tutors)s + %(agents)s + %(others)s;

-- name: listings

insert into listings (
    id,
    profile_id,
    title
)
select
    pg_temp.sample_id('listing', 4 * n + i),
    pg_temp.sample_id('person', n),
    pg_temp.pick('subject', n + i - 1, %(subjects)s::text[])
    || pg_temp.pick('level', 4 * n + i, array[' for beginners', ' at GCSE', ' at A level', ' for adults', ''])
from generate_series(%(first)s, least(%(last)s, %(tutors)s)) as n
cross join lateral generate_series(1, 1 + floor(3 * power(pg_temp.chance('listings', n), 2))::integer) as i;

-- name: integration_links

insert into student_integration_links (
    id,
    profile_id,
    integration_type,
    is_active,
    created_at,
    updated_at
)
select
    pg_temp.sample_id(kind, n),
    pg_temp.sample_id('person', n),
    kind,
    pg_temp.chance(kind || ' is active', n) < 0.85,
    %(now)s - pg_temp.days(300 * pg_temp.chance(kind || ' since', n)),
    %(now)s - pg_temp.days(300 * pg_temp.chance(kind || ' since', n))
from generate_series(%(first)s, %(last)s) as n
cross join unnest(array['GOOGLE_CALENDAR', 'GOOGLE_CLASSROOM']) as kind
where
    pg_temp.chance(kind, n)
    < case when n <= %(tutors)s then 0.5 else 0.2 end * case kind when 'GOOGLE_CALENDAR' then 1 else 0.5 end;
