-- What the sessions of the tutors from first to last left behind: reviews on both sides, and transcripts.

-- name: reviews_of_tutors

insert into profile_reviews (
    id,
    reviewer_id,
    reviewee_id,
    booking_id,
    rating,
    comment,
    created_at,
    updated_at
)
with
    completed as materialized (
        select
            t,
            bookings.id,
            bookings.client_id,
            bookings.scheduled_end,
            row_number() over (partition by t order by bookings.id) as place,
            count(*) over (partition by t) as places
        from generate_series(%(first)s, %(last)s) as t
        join listings on listings.profile_id = pg_temp.sample_id('person', t)
        join bookings on bookings.listing_id = listings.id
        where bookings.status = 'Completed'
    ),
    review as materialized (
        select
            t,
            (t - 1) * %(reviews_per_tutor)s + i as n,
            completed.id as booking_id,
            coalesce(
                completed.client_id,
                pg_temp.sample_id('person', %(pool_first)s + mod(t + i - 1, %(pool_size)s))
            ) as client_id,
            coalesce(completed.scheduled_end, %(now)s - interval '4 days') as seen_at,
            0.35 + 0.6 * sqrt(pg_temp.chance('quality', t)) as quality
        from generate_series(%(first)s, %(last)s) as t
        cross join generate_series(1, %(reviews_per_tutor)s) as i
        left join completed using (t)
        where
            completed.id is null
            or completed.place = 1 + mod(i - 1, completed.places)
    ),
    rated as (
        select
            review.*,
            case
                when pg_temp.chance('rating', n) < quality then 5
                when pg_temp.chance('rating', n) < quality + (1 - quality) * 0.55 then 4
                when pg_temp.chance('rating', n) < quality + (1 - quality) * 0.8 then 3
                when pg_temp.chance('rating', n) < quality + (1 - quality) * 0.92 then 2
                else 1
            end as rating,
            least(seen_at + pg_temp.days(3 * pg_temp.chance('reviewed', n)), %(now)s) as reviewed_at
        from review
    )
select
    pg_temp.sample_id('review', n),
    client_id,
    pg_temp.sample_id('person', t),
    booking_id,
    rating,
    case
        when pg_temp.chance('comment', n) < 0.4 then null
        when rating >= 4 then pg_temp.pick('praise', n, %(praise)s::text[])
        else pg_temp.pick('complaint', n, %(complaints)s::text[])
    end,
    reviewed_at,
    reviewed_at
from rated
order by n;

-- name: reviews_of_clients

insert into profile_reviews (
    id,
    reviewer_id,
    reviewee_id,
    booking_id,
    rating,
    comment,
    created_at,
    updated_at
)
with
    rated as (
        select
            bookings.id as booking_id,
            listings.profile_id as tutor_id,
            bookings.client_id,
            pg_temp.pick('client rating', bookings.id, array[5, 5, 5, 5, 4, 4, 4, 3, 2]) as rating,
            least(
                bookings.scheduled_end + pg_temp.days(2 * pg_temp.chance('client reviewed', bookings.id)),
                %(now)s
            ) as reviewed_at
        from generate_series(%(first)s, %(last)s) as t
        join listings on listings.profile_id = pg_temp.sample_id('person', t)
        join bookings on bookings.listing_id = listings.id
        join profiles as client on client.id = bookings.client_id
        where
            bookings.status = 'Completed'
            and pg_temp.chance('client review', bookings.id) < 0.12
            and not 'TUTOR' = any (upper(client.roles::text)::text[])
    )
select
    pg_temp.sample_id('client review', booking_id),
    tutor_id,
    client_id,
    booking_id,
    rating,
    case when rating >= 4 then 'Always well prepared' else 'Homework was missing more than once' end,
    reviewed_at,
    reviewed_at
from rated
order by booking_id;

-- name: transcripts

insert into session_transcripts (
    booking_id,
    turns,
    created_at
)
with
    first_session as (
        select
            bookings.id,
            bookings.scheduled_end
        from generate_series(%(first)s, %(last)s) as t
        join listings on listings.profile_id = pg_temp.sample_id('person', t)
        join bookings on bookings.listing_id = listings.id
        where
            bookings.status = 'Completed'
            and bookings.session_number = 1
            and bookings.scheduled_start > %(now)s - interval '60 days'
            and pg_temp.chance('transcript', bookings.id) < 0.3
    ),
    said as materialized (
        select
            id,
            scheduled_end,
            array[
                'Hi, good to meet you. Can you hear me well?',
                case
                    when pg_temp.chance('goal', id) < 0.7
                        then 'What would you like to be able to do by the end of today?'
                    else 'Please open the book at page forty-two.'
                end,
                case
                    when pg_temp.chance('lecture', id) < 0.3 then %(lecture)s::text
                    else 'Tell me how you would begin.'
                end,
                case
                    when pg_temp.chance('encouragement', id) < 0.7
                        then 'Great job, that is exactly the idea. You are getting there.'
                    else 'Right. Number seven now.'
                end,
                case
                    when pg_temp.chance('negative', id) < 0.15 then 'No, that is wrong. You should know this by now.'
                    else 'Nearly. Look at the sign once more.'
                end,
                case
                    when pg_temp.chance('negative', id) < 0.1 then 'That is wrong again. This is easy.'
                    else 'And why does that work?'
                end,
                case
                    when pg_temp.chance('summary', id) < 0.7
                        then 'To summarise: we moved every term and kept the signs. Next steps: exercises one to five.'
                    else 'Our time is over. Bye.'
                end
            ] as tutor,
            array[
                'Yes, thank you.',
                'I have a test on equations next week and I want to pass it.',
                case
                    when pg_temp.chance('confused', id) < 0.25 then 'I don''t understand this part. I''m lost.'
                    else 'I would put all the numbers on one side, because then only the letters are left.'
                end,
                case
                    when pg_temp.chance('confused', id) < 0.35 then 'I''m confused, where does the minus come from?'
                    else 'So the minus comes from the other side.'
                end,
                case
                    when pg_temp.chance('confused', id) < 0.2 then 'I still don''t get it.'
                    else 'Oh, it becomes a plus there.'
                end,
                'Because both sides stay equal.',
                'Thank you, see you next time.'
            ] as student
        from first_session
    )
select
    id,
    (
        select
            jsonb_agg(
                case
                    when pg_temp.chance('speakers unknown', id) < 0.04 then jsonb_build_object('text', line.text)
                    else jsonb_build_object('speaker', line.speaker, 'text', line.text)
                end
                order by turn, line.speaker desc
            )
        from generate_series(1, 7) as turn
        cross join lateral (
            values
                ('tutor', tutor[turn]),
                ('student', student[turn])
        ) as line (speaker, text)
    ),
    scheduled_end
from said
order by id;
