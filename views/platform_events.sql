-- The application's table platform_events as the rules read it: each column by name, as one type. Nothing of ours
-- reads the table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release
-- goes before.
create view caas.source_platform_events as
select
    e.id::bigint as id,
    e.profile_id::uuid as profile_id,
    e.event_type::text as event_type,
    e.occurred_at::timestamptz as occurred_at,
    e.metadata::jsonb as metadata
from public.platform_events as e;

comment on view caas.source_platform_events is 'Log-ins and answers.';
comment on column caas.source_platform_events.id is 'The event.';
comment on column caas.source_platform_events.profile_id is 'Whose.';
comment on column caas.source_platform_events.event_type is 'login or message_response.';
comment on column caas.source_platform_events.occurred_at is 'When.';
comment on column caas.source_platform_events.metadata is 'response_time_minutes of an answer.';
