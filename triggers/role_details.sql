-- role_details: the profile, old and new; every column but the timestamps (scoring 1.5).
select caas.watch(
    'role_details',
    identity => '{profile_id, role_type}',
    keys => '{profile_id}',
    columns => '{degree_level, qualifications, teaching_experience}'
);
