-- The application's table role_details as the rules read it: each column by name, as one type. Nothing of ours reads
-- the table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release goes
-- before.
create view caas.source_role_details as
select
    d.profile_id::uuid as profile_id,
    d.role_type::text as role_type,
    d.degree_level::text as degree_level,
    d.qualifications::jsonb as qualifications,
    d.teaching_experience::integer as teaching_experience
from public.role_details as d;

comment on view caas.source_role_details is 'What profiles say of themselves in a role.';
comment on column caas.source_role_details.profile_id is 'Whose details.';
comment on column caas.source_role_details.role_type is 'The role.';
comment on column caas.source_role_details.degree_level is 'Highest degree.';
comment on column caas.source_role_details.qualifications is 'A list of qualifications.';
comment on column caas.source_role_details.teaching_experience is 'Years.';
