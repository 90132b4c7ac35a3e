-- Sessions (scoring 2) of tutors in ranges of days, from one on and before another, with all that cells and session
-- scores take from them: one row per session. Reads listings, bookings, reschedules and profile_reviews, along the
-- indexes listings (profile_id), bookings (listing_id, scheduled_start), reschedules (booking_id) and profile_reviews
-- (booking_id); why `lateral … offset 0`: see caas.count_pairs.
--
-- A session is a booking that is completed, rescheduled or a no-show and whose start has come by as_of. Its day is that
-- of its start in the zone; where clocks are put back, a midnight may come twice, so the index is asked for some hours
-- more than the days' own. Minutes late are of completed sessions with a start time; what is infinite is not known. Two
-- times of the calendar's far ends are too far apart for an interval, not for two numbers. late, short and tech are
-- what a session loses of its quality, sqs-v1 (scoring 6): null without actual times.
create or replace function caas.taught_sessions(
    profile_ids uuid[],
    from_days date[],
    to_days date[],
    as_of timestamptz,
    zone text
)
returns table (
    profile_id uuid,
    day date,
    booking_id uuid,
    client_id uuid,
    starts_at timestamptz,
    status text,
    is_rescheduled_by_tutor boolean,
    is_missed_by_tutor boolean,
    minutes_late numeric,
    late integer,
    short integer,
    tech integer,
    is_first boolean,
    engagement_score numeric,
    objectives_met boolean,
    ratings integer,
    good_ratings integer,
    rating_sum integer
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_memoize = off
set enable_sort = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
begin
    return query
    select
        ids.profile_id,
        (b.scheduled_start at time zone zone)::date,
        b.id,
        b.client_id,
        b.scheduled_start,
        b.status,
        b.status = 'Rescheduled' and exists(
            select
            from caas.source_reschedules as r
            where r.booking_id = b.id
                and r.initiator = 'tutor'
        ),
        b.status = 'No-show' and b.no_show_by is not distinct from 'tutor',
        q.minutes_late,
        case when q.minutes_short is not null then least(30, 2 * ceil(q.minutes_late))::integer end,
        case
            when q.minutes_short <= 5 then 0
            when q.minutes_short > 5 then least(40, ceil(q.minutes_short))::integer
        end,
        case when q.minutes_short is not null then 10 * coalesce(b.tech_issue, false)::integer end,
        b.session_number is not distinct from 1,
        b.engagement_score,
        b.learning_objectives_met,
        v.ratings,
        v.good,
        v.total
    from unnest(profile_ids, from_days, to_days) as ids (profile_id, from_day, to_day)
    cross join lateral (
        select own.id
        from caas.source_listings as own
        where own.profile_id = ids.profile_id
        offset 0
    ) as l
    cross join lateral (
        select
            held.id,
            held.client_id,
            held.status::text as status,
            held.no_show_by,
            held.scheduled_start,
            held.scheduled_end,
            held.actual_start,
            held.actual_end,
            held.tech_issue,
            held.session_number,
            case when held.engagement_score between 0 and 1 then round(held.engagement_score, 9) end as engagement_score,
            held.learning_objectives_met
        from caas.source_bookings as held
        where held.listing_id = l.id
            and held.scheduled_start >= (ids.from_day::timestamp at time zone zone) - interval '3 hours'
            and held.scheduled_start < (ids.to_day::timestamp at time zone zone) + interval '3 hours'
            and held.scheduled_start <= as_of
            and held.scheduled_start >= '0001-01-03 00:00:00+00'
            and (held.scheduled_start at time zone zone)::date >= ids.from_day
            and (held.scheduled_start at time zone zone)::date < ids.to_day
            and held.status in ('Completed', 'Rescheduled', 'No-show')
        order by held.scheduled_start
        offset 0
    ) as b
    cross join lateral (
        select
            case
                when b.status = 'Completed' and isfinite(b.actual_start)
                    then greatest((extract(epoch from b.actual_start) - extract(epoch from b.scheduled_start)) / 60, 0)
            end as minutes_late,
            case
                when
                    b.status = 'Completed'
                    and isfinite(b.actual_start)
                    and isfinite(b.actual_end)
                    and isfinite(b.scheduled_end)
                    then (extract(epoch from b.scheduled_end) - extract(epoch from b.actual_end)) / 60
            end as minutes_short
    ) as q
    cross join lateral (
        select
            count(got.rating)::integer as ratings,
            (count(*) filter (where got.rating >= 4))::integer as good,
            coalesce(sum(got.rating), 0)::integer as total
        from caas.source_profile_reviews as got
        where got.booking_id = b.id
            and got.reviewee_id = ids.profile_id
            and got.reviewer_id is distinct from got.reviewee_id
    ) as v;
end;
$function$;

comment on function caas.taught_sessions(uuid[], date[], date[], timestamptz, text) is
    'The sessions of tutors in ranges of days, one row per session.';
