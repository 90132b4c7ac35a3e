-- The application's table profile_reviews as the rules read it: each column by name, as one type. Nothing of ours
-- reads the table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release
-- goes before.
create view caas.source_profile_reviews as
select
    r.id::uuid as id,
    r.reviewer_id::uuid as reviewer_id,
    r.reviewee_id::uuid as reviewee_id,
    r.booking_id::uuid as booking_id,
    r.rating::integer as rating
from public.profile_reviews as r;

comment on view caas.source_profile_reviews is 'Reviews.';
comment on column caas.source_profile_reviews.id is 'The review.';
comment on column caas.source_profile_reviews.reviewer_id is 'Who wrote it.';
comment on column caas.source_profile_reviews.reviewee_id is 'Whom it is about.';
comment on column caas.source_profile_reviews.booking_id is 'The session that it is about.';
comment on column caas.source_profile_reviews.rating is '1 to 5.';
