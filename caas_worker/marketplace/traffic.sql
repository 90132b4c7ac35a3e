-- What the application sends while people use it. A row that a transaction will change is picked with SKIP LOCKED, so
-- that two users of the application do not wait for each other.

-- name: tutors

select
    profiles.id,
    profiles.display_name,
    array_agg(listings.id order by listings.id)
from profiles
join listings on listings.profile_id = profiles.id
where 'TUTOR' = any (upper(profiles.roles::text)::text[])
group by profiles.id
order by
    (profiles.identity_verified and profiles.status = 'active') desc,
    profiles.id
limit %(most)s;

-- name: clients

select
    id,
    display_name
from profiles
where 'CLIENT' = any (upper(roles::text)::text[])
order by id
limit %(most)s;

-- name: agents

select
    id,
    display_name
from profiles
where 'AGENT' = any (upper(roles::text)::text[])
order by id
limit %(most)s;

-- name: due_session

select
    bookings.id,
    client.id,
    client.display_name
from bookings
join profiles as client on client.id = bookings.client_id
where
    bookings.listing_id = any (%(listings)s)
    and bookings.status in ('Pending', 'Confirmed', 'Pending log')
    and bookings.scheduled_end <= now()
order by
    bookings.scheduled_end,
    bookings.id
limit 1
for update of bookings skip locked;

-- name: coming_session

select
    bookings.id,
    client.id,
    client.display_name
from bookings
join profiles as client on client.id = bookings.client_id
where
    bookings.listing_id = any (%(listings)s)
    and bookings.status in ('Pending', 'Confirmed')
    and bookings.scheduled_start > now()
order by
    bookings.scheduled_start,
    bookings.id
limit 1
for update of bookings skip locked;

-- name: paid_session

select
    bookings.id,
    client.id,
    client.display_name
from bookings
join profiles as client on client.id = bookings.client_id
where
    bookings.listing_id = any (%(listings)s)
    and bookings.status = 'Completed'
    and bookings.type is distinct from 'free_help'
    and bookings.payment_status = 'Succeeded'
order by
    bookings.scheduled_end desc,
    bookings.id
limit 1
for update of bookings skip locked;

-- name: unreviewed_session

select
    bookings.id,
    client.id,
    client.display_name
from bookings
join profiles as client on client.id = bookings.client_id
where
    bookings.listing_id = any (%(listings)s)
    and bookings.client_id <> %(tutor)s
    and bookings.status = 'Completed'
    and not exists (
        select
        from profile_reviews
        where
            profile_reviews.booking_id = bookings.id
            and profile_reviews.reviewee_id = %(tutor)s
    )
order by
    bookings.scheduled_end desc,
    bookings.id
limit 1;

-- name: book

insert into bookings (
    listing_id,
    client_id,
    type,
    status,
    scheduled_start,
    scheduled_end,
    payment_status
)
values (
    %(listing)s,
    %(client)s,
    %(type)s::text,
    'Confirmed',
    now() + make_interval(mins => %(minutes_ahead)s),
    now() + make_interval(mins => %(minutes_ahead)s + 60),
    case when %(type)s::text is distinct from 'free_help' then 'Pending' end
)
returning id;

-- name: complete

update bookings
set
    status = 'Completed',
    actual_start = scheduled_start + make_interval(mins => %(minutes_late)s),
    actual_end = scheduled_end,
    payment_status = case when type is distinct from 'free_help' then 'Succeeded' end,
    recording_url = %(recording_url)s,
    engagement_score = %(engagement)s,
    learning_objectives_met = %(objectives_met)s,
    updated_at = now()
where id = %(booking)s;

-- name: complete_many

update bookings
set
    status = 'Completed',
    payment_status = case when type is distinct from 'free_help' then 'Succeeded' end,
    updated_at = now()
where id in (
    select id
    from bookings
    where
        listing_id = any (%(listings)s)
        and status in ('Confirmed', 'Pending log')
        and scheduled_end <= now()
    order by id
    limit 20
    for update skip locked
)
returning listing_id;

-- name: import_completed

insert into bookings (
    listing_id,
    client_id,
    type,
    status,
    scheduled_start,
    scheduled_end,
    payment_status
)
select
    listing_id,
    client_id,
    'paid',
    'Completed',
    now() - interval '1 day',
    now() - interval '23 hours',
    'Succeeded'
from unnest(%(listings)s, %(clients)s) as session (listing_id, client_id)
returning listing_id;

-- name: cancel

update bookings
set
    status = 'Cancelled',
    cancelled_by = %(side)s,
    payment_status = case when type is distinct from 'free_help' then 'Refunded' end,
    updated_at = now()
where id = %(booking)s;

-- name: miss

update bookings
set
    status = 'No-show',
    no_show_by = %(side)s,
    updated_at = now()
where id = %(booking)s;

-- name: refund

update bookings
set
    payment_status = 'Refunded',
    updated_at = now()
where id = %(booking)s;

-- name: mark_rescheduled

update bookings
set
    status = 'Rescheduled',
    updated_at = now()
where id = %(booking)s;

-- name: reschedule

insert into reschedules (
    booking_id,
    initiator,
    original_time,
    new_time,
    reason_code,
    cancelled_at
)
select
    id,
    %(side)s,
    scheduled_start,
    scheduled_start + make_interval(days => %(days)s),
    'other',
    now()
from bookings
where id = %(booking)s;

-- name: book_again

insert into bookings (
    listing_id,
    client_id,
    type,
    status,
    scheduled_start,
    scheduled_end,
    payment_status
)
select
    listing_id,
    client_id,
    type,
    'Confirmed',
    scheduled_start + make_interval(days => %(days)s),
    scheduled_end + make_interval(days => %(days)s),
    payment_status
from bookings
where id = %(booking)s;

-- name: review

insert into profile_reviews (
    reviewer_id,
    reviewee_id,
    booking_id,
    rating,
    comment
)
values (
    %(reviewer)s,
    %(reviewee)s,
    %(booking)s,
    %(rating)s,
    %(comment)s
)
returning id;

-- name: oldest_review

select id
from profile_reviews
where reviewee_id = %(reviewee)s
order by
    created_at,
    id
limit 1
for update skip locked;

-- name: delete_review

delete from profile_reviews
where id = %(review)s;

-- name: switch_link

update student_integration_links
set
    is_active = %(is_active)s,
    updated_at = now()
where
    profile_id = %(person)s
    and integration_type = %(type)s;

-- name: link

insert into student_integration_links (
    profile_id,
    integration_type
)
values (
    %(person)s,
    %(type)s
);

-- name: change_bio

update profiles
set
    bio = %(bio)s,
    updated_at = now()
where id = %(person)s;

-- name: change_availability

update profiles
set
    available_free_help = not available_free_help,
    updated_at = now()
where id = %(person)s
returning available_free_help;

-- name: relate

insert into profile_graph (
    source_profile_id,
    target_profile_id,
    relationship_type,
    status
)
values (
    %(source)s,
    %(target)s,
    %(type)s,
    'ACTIVE'
);

-- name: event

insert into platform_events (
    profile_id,
    event_type,
    occurred_at,
    metadata
)
values (
    %(person)s,
    %(type)s,
    now(),
    %(metadata)s
);
