-- write_for_the_application: what follows is done as the role that may write sessions
set local role caas_sessions;

-- listing: the listing of a tutor that is asked for, else the one with the smallest id
select l.id
from public.listings as l
where l.profile_id = %(tutor_id)s
    and (%(listing_id)s::uuid is null or l.id = %(listing_id)s::uuid)
order by l.id
limit 1;

-- people: which of these profiles there are
select p.id
from public.profiles as p
where p.id = any(%(profile_ids)s::uuid[]);

-- add_session: a session; no row where there is one with this id
insert into public.bookings (
    id,
    listing_id,
    client_id,
    type,
    status,
    scheduled_start,
    scheduled_end,
    actual_start,
    actual_end,
    no_show_by,
    recording_url,
    session_number,
    tech_issue,
    engagement_score,
    learning_objectives_met
)
values (
    %(session_id)s,
    %(listing_id)s,
    %(client_id)s,
    %(type)s,
    %(status)s,
    %(scheduled_start)s,
    %(scheduled_end)s,
    %(actual_start)s,
    %(actual_end)s,
    %(no_show_by)s,
    %(recording_url)s,
    %(session_number)s,
    %(tech_issue)s,
    %(engagement_score)s,
    %(learning_objectives_met)s
)
on conflict (id) do nothing
returning id;

-- add_reschedule: how a session was rescheduled
insert into public.reschedules (
    booking_id,
    initiator,
    original_time,
    new_time,
    reason,
    reason_code,
    cancelled_at
)
values (
    %(session_id)s,
    %(initiator)s,
    %(original_time)s,
    %(new_time)s,
    %(reason)s,
    %(reason_code)s,
    %(cancelled_at)s
);

-- session: what is recorded of a session, locked
select
    b.status::text as status,
    b.actual_start,
    b.actual_end,
    b.engagement_score::double precision as engagement_score,
    b.learning_objectives_met,
    nullif(b.tech_issue, false) as tech_issue,
    b.recording_url
from public.bookings as b
where b.id = %(session_id)s
for no key update;

-- complete: a session has taken place; what is not said stays as it is
update public.bookings as b
set
    status = 'Completed',
    actual_start = %(actual_start)s,
    actual_end = coalesce(%(actual_end)s, b.actual_end),
    engagement_score = coalesce(%(engagement_score)s::numeric, b.engagement_score),
    learning_objectives_met = coalesce(%(learning_objectives_met)s, b.learning_objectives_met),
    tech_issue = coalesce(%(tech_issue)s, b.tech_issue),
    recording_url = coalesce(%(recording_url)s, b.recording_url),
    updated_at = now()
where b.id = %(session_id)s;
