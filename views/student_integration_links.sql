-- The application's table student_integration_links as the rules read it: each column by name, as one type. Nothing
-- of ours reads the table itself. The view also holds its columns: to drop or alter one of them fails, unless
-- caas.release goes before.
create view caas.source_student_integration_links as
select
    i.id::uuid as id,
    i.profile_id::uuid as profile_id,
    i.integration_type::text as integration_type,
    i.is_active::boolean as is_active
from public.student_integration_links as i;

comment on view caas.source_student_integration_links is 'Calendars and classrooms that are connected.';
comment on column caas.source_student_integration_links.id is 'The link.';
comment on column caas.source_student_integration_links.profile_id is 'Whose.';
comment on column caas.source_student_integration_links.integration_type is 'GOOGLE_CALENDAR or GOOGLE_CLASSROOM.';
comment on column caas.source_student_integration_links.is_active is 'It is in use.';
