-- The application's table reschedules as the rules read it: each column by name, as one type. Nothing of ours reads
-- the table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release goes
-- before.
create view caas.source_reschedules as
select
    m.id::uuid as id,
    m.booking_id::uuid as booking_id,
    m.initiator::text as initiator,
    m.original_time::timestamptz as original_time,
    m.new_time::timestamptz as new_time,
    m.reason::text as reason,
    m.reason_code::text as reason_code,
    m.cancelled_at::timestamptz as cancelled_at
from public.reschedules as m;

comment on view caas.source_reschedules is 'Sessions that were moved.';
comment on column caas.source_reschedules.id is 'The move.';
comment on column caas.source_reschedules.booking_id is 'The session.';
comment on column caas.source_reschedules.initiator is 'tutor or student.';
comment on column caas.source_reschedules.original_time is 'When it was to begin.';
comment on column caas.source_reschedules.new_time is 'When it begins instead.';
comment on column caas.source_reschedules.reason is 'Why, in words.';
comment on column caas.source_reschedules.reason_code is 'Why, as a code.';
comment on column caas.source_reschedules.cancelled_at is 'When it was moved.';
