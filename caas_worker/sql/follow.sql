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
    set_config('lock_timeout', '100ms', true),
    set_config('idle_in_transaction_session_timeout', '1s', true);

-- follow: copy totals to profiles.caas_score
select caas.follow(%(profile_ids)s::uuid[], %(max_profiles)s::integer);
