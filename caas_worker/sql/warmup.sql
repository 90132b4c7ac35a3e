-- patience: the bookings of a month may take a while to count
select set_config('statement_timeout', '10min', true);

-- warmup: mark the tutors with most bookings in the last 30 days
with busiest as (
    select l.profile_id
    from caas.source_bookings as b
    inner join caas.source_listings as l on l.id = b.listing_id
    inner join caas.source_profiles as p on p.id = l.profile_id
    where b.scheduled_start > now() - interval '720 hours'
        and b.scheduled_start <= now()
        and caas.role(p.roles::text[]) = 'TUTOR'
    group by l.profile_id
    order by count(*) desc, l.profile_id asc
    limit %(top)s::integer
)

select caas.enqueue(array_agg(t.profile_id), 'warmup', 90)
from busiest as t;
