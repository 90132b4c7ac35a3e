-- The application's table listings as the rules read it: each column by name, as one type. Nothing of ours reads the
-- table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release goes before.
create view caas.source_listings as
select
    l.id::uuid as id,
    l.profile_id::uuid as profile_id
from public.listings as l;

comment on view caas.source_listings is 'What tutors offer.';
comment on column caas.source_listings.id is 'The listing.';
comment on column caas.source_listings.profile_id is 'Its owner, a tutor.';
