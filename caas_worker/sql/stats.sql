-- now: the one time that statistics and strategies of a batch share
select now();

-- facts: what the profiles themselves say
select
    profile_id,
    roles,
    identity_verified,
    dbs_verified,
    dbs_expiry_date,
    available_free_help,
    bio,
    bio_video_url,
    avatar_url,
    business_verified,
    role_details::text
from caas.profile_facts(%(profile_ids)s::uuid[]);
