-- The application's table profiles as the rules read it: each column by name, as one type. Nothing of ours reads the
-- table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release goes before.
create view caas.source_profiles as
select
    p.id::uuid as id,
    p.roles::text[] as roles,
    p.status::text as status,
    p.identity_verified::boolean as identity_verified,
    p.dbs_verified::boolean as dbs_verified,
    p.dbs_expiry_date::timestamptz as dbs_expiry_date,
    p.available_free_help::boolean as available_free_help,
    p.bio::text as bio,
    p.bio_video_url::text as bio_video_url,
    p.avatar_url::text as avatar_url,
    p.business_verified::boolean as business_verified
from public.profiles as p;

comment on view caas.source_profiles is 'The people who are scored.';
comment on column caas.source_profiles.id is 'Who.';
comment on column caas.source_profiles.roles is 'Roles, in any letter case.';
comment on column caas.source_profiles.status is 'active, inactive or churned.';
comment on column caas.source_profiles.identity_verified is 'The identity is verified.';
comment on column caas.source_profiles.dbs_verified is 'The background check is verified.';
comment on column caas.source_profiles.dbs_expiry_date is 'When the background check expires.';
comment on column caas.source_profiles.available_free_help is 'Offers free help.';
comment on column caas.source_profiles.bio is 'About this person.';
comment on column caas.source_profiles.bio_video_url is 'A video about this person.';
comment on column caas.source_profiles.avatar_url is 'A picture.';
comment on column caas.source_profiles.business_verified is 'The business is verified.';
