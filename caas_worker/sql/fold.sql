-- fold: move marks into the queue
select
    marks,
    entries,
    last_id
from caas.fold(
    %(max_marks)s::integer,
    %(from_id)s::bigint,
    null::bigint[],
    make_interval(secs => %(debounce_seconds)s::double precision)
);

-- expand: turn the next profiles of a mark of everyone into marks of their own
select caas.expand(%(max_profiles)s::integer);
