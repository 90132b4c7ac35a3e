-- profiles: the profile itself. A deleted one ends with its score removed (scoring 1.5).
select caas.watch(
    'profiles',
    identity => '{id}',
    keys => array['id as profile_id'],
    columns => '{
        status, roles, identity_verified, dbs_verified, dbs_expiry_date, available_free_help, bio, bio_video_url,
        avatar_url, business_verified
    }',
    deletes => true
);
