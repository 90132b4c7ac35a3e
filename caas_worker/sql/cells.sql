-- refresh_pairs: write the touched pair cells of a batch
select caas.refresh_pairs(%(token)s::uuid, %(claimed)s::uuid[]);

-- refresh_days: write the touched day cells of a batch's tutors
select
    profile_id,
    is_tutor,
    is_whole
from caas.refresh_days(
    %(token)s::uuid,
    %(claimed)s::uuid[],
    %(settled)s::uuid[],
    %(tutors)s::uuid[],
    %(as_of)s::timestamptz,
    %(zone)s::text,
    %(recipient)s::text
);

-- first_sessions: first sessions of the touched pairs
select
    profile_id,
    booking_id,
    client_id,
    starts_at,
    turns::text as turns,
    tech_issue,
    minutes_late
from caas.first_sessions(%(settled)s::uuid[], %(tutors)s::uuid[], %(whole)s::uuid[], %(as_of)s::timestamptz);

-- quality_sums: what the quality rules read
select
    profile_id,
    today,
    first_age,
    sums_7,
    sums_30,
    sums_90,
    completed_by_age,
    lateness_by_age,
    newest_sqs,
    threshold,
    next_due_at
from caas.quality_sums(%(profile_ids)s::uuid[], %(as_of)s::timestamptz, %(zone)s::text);

-- publish_quality: write what the rules made of it
select caas.publish_quality(
    %(tutors)s::jsonb,
    %(firsts)s::jsonb,
    %(others)s::uuid[],
    %(as_of)s::timestamptz,
    %(today)s::date,
    %(recipient)s::text
);
