-- take: lease what is due, alerts first, the longest due first
with due_alerts as (
    select
        a.id,
        a.email_due_at as due_at
    from caas.tutor_alerts as a
    where a.email_status = 'pending'
        and a.email_due_at <= now()
    order by a.email_due_at
    limit %(most)s::integer
    for update skip locked
),

due_reports as (
    select
        r.booking_id as id,
        r.due_at
    from caas.email_reports as r
    where r.status = 'pending'
        and r.due_at <= now()
    order by r.due_at
    limit %(most)s::integer - (
        select count(*)
        from due_alerts
    )
    for update skip locked
),

alerts as (
    update caas.tutor_alerts as a
    set
        email_attempts = a.email_attempts + 1,
        email_due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s::double precision)
    from due_alerts as d
    where a.id = d.id
    returning
        a.id,
        a.email_attempts as attempts,
        a.email_due_at as lease,
        d.due_at
),

reports as (
    update caas.email_reports as r
    set
        attempts = r.attempts + 1,
        due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s::double precision)
    from due_reports as d
    where r.booking_id = d.id
    returning
        r.booking_id as id,
        r.attempts,
        r.due_at as lease,
        d.due_at
)

select
    'alert' as kind,
    id,
    attempts,
    lease,
    due_at
from alerts
union all
select
    'report',
    id,
    attempts,
    lease,
    due_at
from reports
order by
    kind,
    due_at;

-- alerts: what the letters about these alerts tell
select
    a.id as alert_id,
    a.profile_id,
    a.alert_type,
    a.status,
    a.score_value,
    a.booking_id,
    to_char(a.raised_at at time zone %(time_zone)s::text, 'FMDay, FMDD FMMonth YYYY, HH24:MI')
    || format(' (%%s)', %(time_zone)s::text) as raised,
    to_char(a.resolved_at at time zone %(time_zone)s::text, 'FMDay, FMDD FMMonth YYYY, HH24:MI')
    || format(' (%%s)', %(time_zone)s::text) as resolved
from caas.tutor_alerts as a
where a.id = any(%(ids)s::uuid[]);

-- reports: what the reports on these sessions tell; nothing of a session that is gone
select
    r.recipient_email,
    r.booking_id,
    b.profile_id,
    b.client_id,
    b.status::text as status,
    to_char(b.scheduled_start at time zone %(time_zone)s::text, 'FMDay, FMDD FMMonth YYYY, HH24:MI')
    || format(' (%%s)', %(time_zone)s::text) as starts,
    r.subject,
    s.level as risk_level,
    coalesce(s.components, '{}') as components
from caas.email_reports as r
cross join lateral (
    select
        k.client_id,
        k.status,
        k.scheduled_start,
        -- a session may have moved to another tutor since
        coalesce(l.profile_id, r.profile_id) as profile_id
    from caas.source_bookings as k
    left join caas.source_listings as l on l.id = k.listing_id
    where k.id = r.booking_id
    offset 0
) as b
left join lateral (
    select
        t.level,
        t.components
    from caas.tutor_scores as t
    where t.profile_id = b.profile_id
        and t.score_type = 'reschedule_risk'
    offset 0
) as s on true
where r.booking_id = any(%(ids)s::uuid[]);

-- record: how sending ended; a letter that was sent stays so, and whose lease another has is the other's
with endings as (
    select
        e.kind,
        e.id,
        e.lease,
        e.status,
        e.attempts,
        coalesce(
            e.due_at, clock_timestamp() + make_interval(secs => coalesce(e.pause_seconds, 0))
        ) as due_at,
        e.error
    from unnest(
        %(kinds)s::text[],
        %(ids)s::uuid[],
        %(leases)s::timestamptz[],
        %(statuses)s::text[],
        %(attempts)s::integer[],
        %(due_ats)s::timestamptz[],
        %(pauses)s::double precision[],
        %(errors)s::text[]
    ) as e (kind, id, lease, status, attempts, due_at, pause_seconds, error)
),

-- in the order of ids, as who publishes does
locked as materialized (
    select a.id
    from caas.tutor_alerts as a
    where a.id in (
            select e.id
            from endings as e
            where e.kind = 'alert'
        )
    order by a.id
    for update
),

alerts as (
    update caas.tutor_alerts as a
    set
        email_status = e.status,
        email_attempts = e.attempts,
        email_due_at = e.due_at,
        email_error = case when e.status <> 'sent' then coalesce(e.error, a.email_error) end,
        emailed_at = case when e.status = 'sent' then clock_timestamp() end
    from endings as e
    inner join locked as l on l.id = e.id
    where e.kind = 'alert'
        and a.id = e.id
        and a.email_status <> 'sent'
        and (e.status = 'sent' or (a.email_status = 'pending' and a.email_due_at = e.lease))
)

update caas.email_reports as r
set
    status = e.status,
    attempts = e.attempts,
    due_at = e.due_at,
    error_message = case when e.status <> 'sent' then coalesce(e.error, r.error_message) end,
    sent_at = case when e.status = 'sent' then clock_timestamp() end
from endings as e
where e.kind = 'report'
    and r.booking_id = e.id
    and r.status <> 'sent'
    and (e.status = 'sent' or (r.status = 'pending' and r.due_at = e.lease));

-- status: how many letters of each kind are in which state, since when one waits, and why one last failed
with letters as (
    select
        'reports' as kind,
        status,
        created_at,
        due_at,
        error_message as error
    from caas.email_reports
    union all
    select
        'alerts',
        email_status,
        raised_at,
        email_due_at,
        email_error
    from caas.tutor_alerts
    where email_status <> 'none'
)

select
    k.kind,
    count(*) filter (where l.status = 'pending') as pending,
    count(*) filter (where l.status = 'sent') as sent,
    count(*) filter (where l.status = 'failed') as failed,
    extract(
        epoch from clock_timestamp() - min(l.created_at) filter (where l.status = 'pending')
    )::double precision as oldest_pending_seconds,
    (
        array_agg(l.error order by l.status = 'pending' desc, l.due_at desc) filter (where l.error is not null)
    )[1] as last_error
from unnest('{reports,alerts}'::text[]) with ordinality as k (kind, place)
left join letters as l on l.kind = k.kind
group by
    k.kind,
    k.place
order by k.place;

-- due: how many letters are due now
select
    (
        select count(*)
        from caas.tutor_alerts
        where email_status = 'pending'
            and email_due_at <= now()
    ) + (
        select count(*)
        from caas.email_reports
        where status = 'pending'
            and due_at <= now()
    );

-- retry: what failed for good becomes due again, with no attempts
with alerts as (
    update caas.tutor_alerts
    set
        email_status = 'pending',
        email_attempts = 0,
        email_due_at = clock_timestamp()
    where email_status = 'failed'
    returning id
),

reports as (
    update caas.email_reports
    set
        status = 'pending',
        attempts = 0,
        due_at = clock_timestamp()
    where status = 'failed'
    returning booking_id
)

select
    (
        select count(*)
        from reports
    ) as reports,
    (
        select count(*)
        from alerts
    ) as alerts;
