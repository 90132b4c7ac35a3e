-- claim: lease a batch
select
    profile_id,
    generation,
    priority,
    place,
    reasons,
    first_changed_at,
    last_changed_at,
    deleted,
    attempts,
    losses
from caas.claim(
    %(batch_size)s::integer,
    %(token)s::uuid,
    make_interval(secs => %(lease_seconds)s::double precision),
    %(floors)s::bigint[],
    %(suspects)s::boolean
);

-- wake: make paused and lapsed entries ready again
select
    promoted,
    lost,
    dead
from caas.wake(%(max_entries)s::integer, %(max_attempts)s::integer);

-- release: give a batch back unworked
select caas.give_back(%(token)s::uuid, %(profile_ids)s::uuid[]);
