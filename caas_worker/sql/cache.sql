-- cache: publish what is still ours
select
    profile_id,
    ending,
    clock_timestamp()
from caas.cache(
    %(token)s::uuid,
    %(claimed)s::uuid[],
    %(scores)s::jsonb,
    %(missing)s::uuid[],
    %(follow)s::boolean,
    %(rules)s::jsonb
);

-- fail: postpone or set aside what failed
select
    profile_id,
    ending,
    clock_timestamp()
from caas.fail(
    %(token)s::uuid,
    %(failures)s::jsonb,
    %(max_attempts)s::integer,
    make_interval(secs => %(backoff_seconds)s::double precision)
);
