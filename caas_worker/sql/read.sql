-- read: cached scores
select
    profile_id,
    role_type,
    total_score,
    computed_score,
    score_breakdown,
    score_inputs,
    reason,
    calculation_version,
    gate_failed,
    calculated_at,
    source_changed_at,
    next_due_at,
    generation
from caas.scores
where profile_id = any(%(profile_ids)s::uuid[]);

-- verified: whether a profile's identity is verified; no row where there is no such profile
select coalesce(identity_verified, false) as identity_verified
from caas.source_profiles
where id = %(profile_id)s;

-- unknown: those of a list that no profile has
select ids.id
from unnest(%(profile_ids)s::uuid[]) as ids (id)
where not exists (
    select
    from caas.source_profiles as p
    where p.id = ids.id
);
