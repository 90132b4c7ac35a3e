-- platform_events: the profile, old and new; answers to messages and log-ins only (scoring 1.5).
select caas.watch(
    'platform_events',
    identity => '{id}',
    keys => array['profile_id', 'occurred_at as touched_at'],
    columns => '{event_type, metadata}',
    condition => $$changed.event_type in ('message_response', 'login')$$
);
