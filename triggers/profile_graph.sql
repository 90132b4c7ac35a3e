-- profile_graph: both ends, old and new; status, type, created_at or either end (scoring 1.5).
select caas.watch(
    'profile_graph',
    identity => '{id}',
    keys => array['source_profile_id as profile_id', 'target_profile_id as profile_id'],
    columns => '{status, relationship_type, created_at}'
);
