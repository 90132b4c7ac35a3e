-- has_column: whether profiles.caas_score exists
select exists(
    select
    from pg_attribute
    where attrelid = to_regclass('public.profiles')
        and attname = 'caas_score'
        and not attisdropped
);

-- brief: never wait for the application's locks, not even in its own triggers, nor hold any if this process is stopped
select
    set_config('row_security', 'off', true),
    set_config('lock_timeout', '100ms', true),
    set_config('idle_in_transaction_session_timeout', '1s', true);

-- left_over: the next that are listed and whose rows nobody holds; those that were refused come last
select n.profile_id
from (
    (
        select f.profile_id
        from caas.score_follow as f
        cross join lateral (
            select held.id
            from public.profiles as held
            where held.id = f.profile_id
            for no key update skip locked
        ) as p
        where f.tried_at is null
        order by f.profile_id
        limit %(most)s::integer
    )
    union all
    (
        select f.profile_id
        from caas.score_follow as f
        cross join lateral (
            select held.id
            from public.profiles as held
            where held.id = f.profile_id
            for no key update skip locked
        ) as p
        where f.tried_at is not null
        order by f.tried_at
        limit %(most)s::integer
    )
) as n
limit %(most)s::integer;

-- put_off: these were tried in vain
insert into caas.score_follow (profile_id, tried_at)
select
    ids.profile_id,
    clock_timestamp()
from unnest(%(profile_ids)s::uuid[]) as ids (profile_id)
order by ids.profile_id
on conflict (profile_id) do update
    set tried_at = excluded.tried_at;

-- follow: copy totals to profiles.caas_score
select
    followed,
    refused
from caas.follow(%(profile_ids)s::uuid[]);
