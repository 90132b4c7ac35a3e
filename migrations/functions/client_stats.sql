-- Client statistics (scoring 1.3): one row per id. Reads bookings, profile_reviews and platform_events, along their
-- indexes on client_id, reviewee_id and profile_id (why `lateral … offset 0`: see caas.teaching_sums).
--
-- A booking or event counts from its time until six calendar months after it, in UTC. next_due_at is the first moment
-- at which one comes in or has gone out. A time of response that is no number is not counted but reported; one above
-- a thousand million minutes counts as so much, one below a millionth as none, so that the median can be computed.
create or replace function caas.client_stats(
    profile_ids uuid[],
    as_of timestamptz default now()
)
returns table (
    profile_id uuid,
    settled_bookings integer,
    attended_bookings integer,
    cancelled_bookings integer,
    payable_bookings integer,
    paid_bookings integer,
    avg_rating numeric,
    median_response_minutes double precision,
    unforeseen_responses integer,
    next_due_at timestamptz
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_memoize = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
begin
    profile_ids := array(
        select distinct ids.profile_id
        from unnest(profile_ids) as ids (profile_id)
        where ids.profile_id is not null
    );
    return query
    select
        ids.profile_id,
        b.settled,
        b.attended,
        b.cancelled,
        b.payable,
        b.paid,
        v.rating,
        e.median,
        e.unforeseen,
        least(b.due, e.due)
    from unnest(profile_ids) as ids (profile_id)
    cross join lateral (
        select
            (count(*) filter (where w.is_in))::integer as settled,
            (count(*) filter (where w.is_in and w.status = 'Completed'))::integer as attended,
            (
                count(*) filter (where w.is_in and w.status = 'Cancelled' and w.cancelled_by = 'client')
            )::integer as cancelled,
            (count(*) filter (where w.is_in and w.type is distinct from 'free_help'))::integer as payable,
            (
                count(*) filter (
                    where w.is_in
                        and w.type is distinct from 'free_help'
                        and w.payment_status = 'Succeeded'
                )
            )::integer as paid,
            min(
                case
                    when w.scheduled_start > as_of then w.scheduled_start
                    when w.is_in then w.leaves_at + interval '1 microsecond'
                end
            ) as due
        from (
            select
                u.*,
                u.scheduled_start <= as_of and as_of <= u.leaves_at as is_in
            from (
                select
                    held.status,
                    held.type,
                    held.payment_status,
                    held.cancelled_by,
                    held.scheduled_start,
                    (held.scheduled_start at time zone 'UTC' + interval '6 months') at time zone 'UTC' as leaves_at
                from caas.source_bookings as held
                where held.client_id = ids.profile_id
                    and held.status in ('Completed', 'Cancelled', 'No-show')
                    and held.cancelled_by is distinct from 'tutor'
                    and held.no_show_by is distinct from 'tutor'
                    and held.scheduled_start between as_of - interval '7 months' and '9999-01-01 00:00:00+00'
                offset 0
            ) as u
        ) as w
    ) as b
    cross join lateral (
        select coalesce(avg(got.rating), 0) as rating
        from caas.source_profile_reviews as got
        where got.reviewee_id = ids.profile_id
            and got.reviewer_id is distinct from got.reviewee_id
    ) as v
    cross join lateral (
        select
            percentile_cont(0.5) within group (order by w.minutes) filter (where w.is_in and w.minutes >= 0) as median,
            (count(*) filter (where w.is_in and w.is_unforeseen))::integer as unforeseen,
            min(
                case
                    when w.occurred_at > as_of then w.occurred_at
                    when w.is_in then w.leaves_at + interval '1 microsecond'
                end
            ) filter (where w.minutes >= 0) as due
        from (
            select
                u.occurred_at,
                u.leaves_at,
                u.occurred_at <= as_of and as_of <= u.leaves_at as is_in,
                jsonb_typeof(u.response_time) not in ('number', 'null') as is_unforeseen,
                case
                    when jsonb_typeof(u.response_time) = 'number'
                        then round(greatest(least(u.response_time::numeric, 1000000000), -1), 6)::double precision
                end as minutes
            from (
                select
                    told.occurred_at,
                    (told.occurred_at at time zone 'UTC' + interval '6 months') at time zone 'UTC' as leaves_at,
                    told.metadata -> 'response_time_minutes' as response_time
                from caas.source_platform_events as told
                where told.profile_id = ids.profile_id
                    and told.event_type = 'message_response'
                    and told.occurred_at between as_of - interval '7 months' and '9999-01-01 00:00:00+00'
                offset 0
            ) as u
        ) as w
    ) as e;
end;
$function$;

comment on function caas.client_stats(uuid[], timestamptz) is
    'Bookings, payments, ratings and response times of clients in the last six months, one row per id.';
