-- The application's table bookings as the rules read it: each column by name, as one type. Nothing of ours reads the
-- table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release goes before.
create view caas.source_bookings as
select
    b.id::uuid as id,
    b.listing_id::uuid as listing_id,
    b.client_id::uuid as client_id,
    b.type::text as type,
    b.status::text as status,
    b.scheduled_start::timestamptz as scheduled_start,
    b.scheduled_end::timestamptz as scheduled_end,
    b.actual_start::timestamptz as actual_start,
    b.actual_end::timestamptz as actual_end,
    b.cancelled_by::text as cancelled_by,
    b.no_show_by::text as no_show_by,
    b.payment_status::text as payment_status,
    b.recording_url::text as recording_url,
    b.session_number::integer as session_number,
    b.tech_issue::boolean as tech_issue,
    b.engagement_score::numeric as engagement_score,
    b.learning_objectives_met::boolean as learning_objectives_met
from public.bookings as b;

comment on view caas.source_bookings is 'Sessions.';
comment on column caas.source_bookings.id is 'The session.';
comment on column caas.source_bookings.listing_id is 'What was booked: its owner is the tutor.';
comment on column caas.source_bookings.client_id is 'Who booked.';
comment on column caas.source_bookings.type is 'paid, free_help or null.';
comment on column caas.source_bookings.status is 'Completed, Cancelled, Rescheduled, No-show, or none of these.';
comment on column caas.source_bookings.scheduled_start is 'When it is to begin.';
comment on column caas.source_bookings.scheduled_end is 'When it is to end.';
comment on column caas.source_bookings.actual_start is 'When it began.';
comment on column caas.source_bookings.actual_end is 'When it ended.';
comment on column caas.source_bookings.cancelled_by is 'tutor or client.';
comment on column caas.source_bookings.no_show_by is 'tutor or client.';
comment on column caas.source_bookings.payment_status is 'How it was paid.';
comment on column caas.source_bookings.recording_url is 'Its recording.';
comment on column caas.source_bookings.session_number is 'Number among those of tutor and client; 1: the first.';
comment on column caas.source_bookings.tech_issue is 'It had a technical problem.';
comment on column caas.source_bookings.engagement_score is 'Engagement, 0 to 1.';
comment on column caas.source_bookings.learning_objectives_met is 'The objectives were met.';
