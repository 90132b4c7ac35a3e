-- set: judge a tutor by another rate, and mark it
with written as (
    insert into caas.tutor_thresholds (profile_id, reschedule_rate, set_by)
    select
        p.id,
        %(rate)s::numeric,
        %(actor)s::text
    from caas.source_profiles as p
    where p.id = %(profile_id)s::uuid
        and caas.role(p.roles::text[]) = 'TUTOR'
    on conflict (profile_id) do update
        set
            reschedule_rate = excluded.reschedule_rate,
            set_by = excluded.set_by,
            set_at = clock_timestamp()
    returning profile_id
)

insert into caas.changes (reason, priority, profile_id)
select
    'threshold',
    0,
    w.profile_id
from written as w
returning profile_id;

-- clear: judge a tutor like everyone, and mark it
with removed as (
    delete from caas.tutor_thresholds
    where profile_id = %(profile_id)s::uuid
    returning profile_id
)

insert into caas.changes (reason, priority, profile_id)
select
    'threshold',
    0,
    r.profile_id
from removed as r
returning profile_id;
