-- student_integration_links: the owner, old and new; is_active or type (scoring 1.5).
select caas.watch(
    'student_integration_links',
    identity => '{id}',
    keys => '{profile_id}',
    columns => '{is_active, integration_type}'
);
