-- bookings: the listing's owner and the client, old and new, and the day; every column that a rule reads (scoring 1.5).
select caas.watch(
    'bookings',
    identity => '{id}',
    keys => array['listing_id', 'client_id as profile_id', 'scheduled_start as touched_at'],
    columns => '{
        status, type, recording_url, payment_status, cancelled_by, no_show_by, scheduled_end, actual_start,
        actual_end, session_number, tech_issue, engagement_score, learning_objectives_met
    }'
);
