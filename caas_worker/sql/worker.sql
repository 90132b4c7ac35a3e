-- beat: say that this worker lives
insert into caas.workers as w (worker_id, host, pid, version, profiles)
values (%(worker_id)s, %(host)s, %(pid)s, %(version)s, %(profiles)s)
on conflict (worker_id) do update
    set
        beat_at = clock_timestamp(),
        profiles = excluded.profiles;

-- leave: this worker leaves in order
delete from caas.workers
where worker_id = %(worker_id)s;

-- forget: workers that have been silent for long left without a word
delete from caas.workers
where worker_id in (
    select w.worker_id
    from caas.workers as w
    where w.beat_at < clock_timestamp() - interval '1 hour'
    for update skip locked
);

-- beating: seconds since a worker of this host last said that it lives
select extract(epoch from clock_timestamp() - max(beat_at))::double precision
from caas.workers
where host = %(host)s;
