-- sweep: mark what fell due by time
select caas_sweep(%(max_profiles)s::integer, coalesce(%(as_of)s::timestamptz, now()));

-- due: how many fell due and are not marked yet
select count(*)
from caas_scores
where next_due_at is not null
    and not swept
    and next_due_at <= now();
