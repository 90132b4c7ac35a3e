-- profile_reviews: the reviewee, old and new; rating, reviewer, reviewee or booking (scoring 1.5).
select caas.watch(
    'profile_reviews',
    identity => '{id}',
    keys => array['reviewee_id as profile_id', 'reviewer_id as other_id', 'booking_id'],
    columns => '{rating}'
);
