-- sweep: mark what fell due by time
select caas.sweep(%(max_profiles)s::integer, coalesce(%(as_of)s::timestamptz, now()));

-- due: how many fell due and are not marked yet
select count(*)
from (
    select s.profile_id
    from caas.scores as s
    where s.next_due_at is not null
        and not s.swept
        and s.next_due_at <= now()
    union
    select s.profile_id
    from caas.cell_states as s
    where s.next_due_at is not null
        and not s.swept
        and s.next_due_at <= now()
) as fallen;
