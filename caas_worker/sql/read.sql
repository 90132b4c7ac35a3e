-- read: one cached score
select
    profile_id,
    role_type,
    total_score,
    score_breakdown,
    score_inputs,
    reason,
    calculation_version,
    gate_failed,
    calculated_at,
    source_changed_at,
    next_due_at,
    generation
from caas_scores
where profile_id = %(profile_id)s;

-- profile_exists: whether there is such a profile
select exists(
    select
    from profiles
    where id = %(profile_id)s
);
