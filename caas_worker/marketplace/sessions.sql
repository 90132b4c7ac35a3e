-- A year of sessions of the tutors from first to last. Where a step says materialized, its expressions are used more
-- than once in the next and would otherwise be computed as often.

-- name: bookings

insert into bookings (
    id,
    listing_id,
    client_id,
    type,
    status,
    scheduled_start,
    scheduled_end,
    actual_start,
    actual_end,
    cancelled_by,
    no_show_by,
    payment_status,
    recording_url,
    session_number,
    tech_issue,
    engagement_score,
    learning_objectives_met,
    created_at,
    updated_at
)
with
    tutor as materialized (
        select
            t,
            pg_temp.teaching_days(t) as days_ago,
            case
                when pg_temp.chance('quiet', t) < 0.15
                    then -least(10 + 110 * pg_temp.chance('quiet days', t), pg_temp.teaching_days(t) / 2.0)
                else 14
            end as days_ahead,
            1 + floor(3 * power(pg_temp.chance('listings', t), 2))::integer as listings,
            1 - 0.75 * power(pg_temp.chance('loyalty', t), 2) as loyalty,
            1 + floor(%(bookings_per_tutor)s / 5.0 * pg_temp.chance('regulars', t)) as regulars,
            power(pg_temp.chance('trouble', t), 4) as trouble,
            power(pg_temp.chance('forgetful', t), 3) as forgetful,
            2 + 12 * power(pg_temp.chance('late', t), 2) as minutes_late,
            case
                when pg_temp.chance('records', t) < 0.35 then 0.95
                when pg_temp.chance('records', t) < 0.6 then 0
                else pg_temp.chance('records sometimes', t)
            end as records,
            case when pg_temp.chance('free help', t) < 0.35 then 0.15 else 0.02 end as free_help,
            case when pg_temp.chance('half past', t) < 0.3 then 30 else 0 end as minute
        from generate_series(%(first)s, %(last)s) as t
    ),
    slot as materialized (
        select
            tutor.*,
            k,
            (t - 1) * %(bookings_per_tutor)s + k as n,
            100000 * t + case
                when pg_temp.chance('regular', (t - 1) * %(bookings_per_tutor)s + k) < loyalty
                    then floor(regulars * pg_temp.chance('which regular', (t - 1) * %(bookings_per_tutor)s + k))::bigint
                else 50000 + k
            end as place
        from tutor
        cross join generate_series(1, %(bookings_per_tutor)s) as k
    ),
    meeting as materialized (
        select
            slot.*,
            case
                when pg_temp.chance('taught tutor', place) < 0.02 and %(tutors)s >= 12
                    then 12 + 12 * floor((%(tutors)s / 12) * pg_temp.chance('which tutor', place))::bigint
                else %(pool_first)s + floor(%(pool_size)s * pg_temp.chance('client', place))::bigint
            end as wanted_client,
            pg_temp.chance('status', n) as status_chance,
            pg_temp.chance('type', n) as type_chance,
            pg_temp.chance('payment', n) as payment_chance,
            pg_temp.chance('delay', n) as delay_chance,
            date_trunc('day', %(now)s - pg_temp.days(
                days_ago - (days_ago + days_ahead) * (k - 1 + pg_temp.chance('moment', n)) / %(bookings_per_tutor)s
            )) + make_interval(hours => 8 + mod(5 * k, 12)::integer, mins => minute) as scheduled_start,
            make_interval(mins => pg_temp.pick('length', n, array[30, 60, 60, 60])) as length
        from slot
    ),
    outcome as materialized (
        select
            meeting.*,
            case
                when wanted_client = t then %(pool_first)s + mod(t, %(pool_size)s)
                else wanted_client
            end as client,
            case
                when type_chance < free_help then 'free_help'
                when type_chance < 0.7 then 'paid'
            end as type,
            case
                when scheduled_start + length > %(now)s
                    then case
                        when status_chance < 0.6 then 'Confirmed'
                        when status_chance < 0.9 then 'Pending'
                        when status_chance < 0.95 then 'Cancelled'
                        else 'Rescheduled'
                    end
                when status_chance < 0.02 + 0.25 * trouble then 'No-show'
                when status_chance < 0.06 + 0.5 * trouble then 'Rescheduled'
                when status_chance < 0.14 + 0.5 * trouble then 'Cancelled'
                when status_chance < 0.16 + 0.5 * trouble + 0.2 * forgetful then 'Pending log'
                when status_chance < 0.165 + 0.5 * trouble + 0.2 * forgetful then 'Confirmed'
                when status_chance < 0.17 + 0.5 * trouble + 0.2 * forgetful then 'Pending'
                else 'Completed'
            end::booking_status_enum as status
        from meeting
    ),
    told as materialized (
        select
            outcome.*,
            status = 'Completed' as is_completed,
            scheduled_start + case
                when delay_chance < 0.65 then interval '0'
                else make_interval(mins => floor(-ln((1 - delay_chance) / 0.35) * minutes_late)::integer)
            end as began_at,
            scheduled_start + length + case
                when pg_temp.chance('end', n) < 0.1
                    then make_interval(mins => -4 - floor(150 * pg_temp.chance('end', n))::integer)
                else make_interval(mins => floor(3 * pg_temp.chance('end', n))::integer)
            end as ended_at,
            least(
                scheduled_start - pg_temp.days(1 + 13 * pg_temp.chance('lead', n)),
                %(now)s - pg_temp.days(2 * pg_temp.chance('lead', n))
            ) as booked_at
        from outcome
    )
select
    pg_temp.sample_id('booking', n),
    pg_temp.sample_id('listing', 4 * t + 1 + floor(listings * pg_temp.chance('listing', n))::integer),
    pg_temp.sample_id('person', client),
    type,
    status,
    scheduled_start,
    scheduled_start + length,
    case when is_completed and pg_temp.chance('timed', n) < 0.96 then began_at end,
    case
        when is_completed and pg_temp.chance('timed', n) < 0.96
            then greatest(ended_at, began_at + interval '5 minutes')
    end,
    case
        when status = 'Cancelled' and pg_temp.chance('cancelled by', n) < 0.95
            then case when pg_temp.chance('cancelled by', n) < 0.25 + 0.5 * trouble then 'tutor' else 'client' end
    end,
    case
        when status = 'No-show'
            then case when pg_temp.chance('no-show by', n) < 0.2 + 0.7 * trouble then 'tutor' else 'client' end
    end,
    case
        when type = 'free_help' then null
        when status in ('Cancelled', 'Rescheduled') and payment_chance < 0.6 then 'Refunded'
        when status in ('Cancelled', 'Rescheduled') then null
        when status in ('Pending', 'Confirmed') then 'Pending'
        when payment_chance < 0.93 then 'Succeeded'
        when payment_chance < 0.96 then 'Refunded'
        when payment_chance < 0.98 then 'Failed'
        else 'Pending'
    end,
    case
        when is_completed and pg_temp.chance('recorded', n) < records
            then 'https://recordings.example.com/' || pg_temp.sample_id('recording', n)
    end,
    case
        when status not in ('Cancelled', 'Rescheduled')
            then row_number() over (
                partition by t, client, status in ('Cancelled', 'Rescheduled')
                order by scheduled_start, n
            )
    end,
    is_completed and pg_temp.chance('tech issue', n) < 0.04,
    case
        when is_completed and pg_temp.chance('engagement known', n) < 0.7
            then round((1 - 0.6 * power(pg_temp.chance('engagement', n), 2))::numeric, 2)
    end,
    case
        when is_completed and pg_temp.chance('objectives known', n) < 0.7
            then pg_temp.chance('objectives', n) < 0.97 - 0.3 * trouble
    end,
    booked_at,
    case when scheduled_start + length <= %(now)s then scheduled_start + length else booked_at end
from told
order by
    t,
    n;

-- name: reschedules

insert into reschedules (
    id,
    booking_id,
    initiator,
    original_time,
    new_time,
    reason,
    reason_code,
    cancelled_at,
    created_at,
    updated_at
)
with
    moved as (
        select
            bookings.id,
            bookings.scheduled_start,
            pg_temp.chance('initiator', bookings.id) < 0.55 as by_tutor,
            pg_temp.chance('reason', bookings.id) as reason_chance,
            least(
                bookings.scheduled_start - pg_temp.days(0.02 + 3 * power(pg_temp.chance('notice', bookings.id), 2)),
                %(now)s - pg_temp.days(0.1 * pg_temp.chance('notice', bookings.id))
            ) as cancelled_at
        from generate_series(%(first)s, %(last)s) as t
        join listings on listings.profile_id = pg_temp.sample_id('person', t)
        join bookings on bookings.listing_id = listings.id
        where bookings.status = 'Rescheduled'
    )
select
    pg_temp.sample_id('reschedule', id),
    id,
    case when by_tutor then 'tutor' else 'student' end,
    scheduled_start,
    scheduled_start + pg_temp.days(1 + floor(7 * pg_temp.chance('moved by', id))),
    case
        when reason_chance < 0.4 then 'I am ill'
        when reason_chance < 0.7 then 'Something came up at work'
        when reason_chance < 0.9 then 'Family visit'
    end,
    case
        when reason_chance < 0.4 then 'illness'
        when reason_chance < 0.7 then 'work'
        when reason_chance < 0.9 then 'personal'
        else 'other'
    end,
    cancelled_at,
    cancelled_at,
    cancelled_at
from moved
order by id;
