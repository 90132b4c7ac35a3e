-- First sessions with a transcript (scoring 6) of the pairs that marks touched, to be judged anew; their old scores are
-- deleted. In the transaction of caas.refresh_days and after it. Reads and writes caas.touched_cells and
-- session_scores; reads listings, bookings and session_transcripts.
--
-- A session is a client's first with the tutor if it is numbered 1; where it has no number, if no session of theirs
-- began earlier. Who is no tutor has none: what was touched is forgotten.
create or replace function caas.first_sessions(
    settled uuid[],
    tutors uuid[],
    whole uuid[],
    as_of timestamptz
)
returns table (
    profile_id uuid,
    booking_id uuid,
    client_id uuid,
    starts_at timestamptz,
    turns jsonb,
    tech_issue boolean,
    minutes_late double precision
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_memoize = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
declare
    every_client uuid[];
    pair_tutors uuid[];
    pair_clients uuid[];
begin
    with taken as (
        delete from caas.touched_cells as t
        where t.profile_id = any(settled)
            and t.refreshed
        returning t.profile_id, t.cell, t.other_id
    ),

    every_one as (
        select ids.profile_id
        from unnest(whole) as ids (profile_id)
        union
        select t.profile_id
        from taken as t
        where t.cell = 'pairs'
            and t.profile_id = any(tutors)
    ),

    single as (
        select distinct
            t.profile_id,
            t.other_id
        from taken as t
        where t.cell = 'pair'
            and t.other_id is not null
            and t.profile_id = any(tutors)
            and t.profile_id not in (select e.profile_id from every_one as e)
    )

    select
        (
            select array_agg(e.profile_id)
            from every_one as e
        ),
        array_agg(s.profile_id),
        array_agg(s.other_id)
    into every_client, pair_tutors, pair_clients
    from single as s;

    delete from caas.session_scores as s
    where s.profile_id = any(every_client)
        and s.score_type = 'fsrs';
    delete from caas.session_scores as s
    where s.ctid = any(
        array(
            select gone.ctid
            from unnest(pair_tutors, pair_clients) as ids (profile_id, client_id)
            cross join lateral (
                select judged.ctid
                from caas.session_scores as judged
                where judged.profile_id = ids.profile_id
                    and judged.score_type = 'fsrs'
                    and judged.client_id = ids.client_id
                offset 0
            ) as gone
        )
    )
        -- it may move to another tutor while this waits
        and s.profile_id = any(pair_tutors);

    return query
    select
        c.profile_id,
        c.id,
        c.client_id,
        c.scheduled_start,
        t.turns,
        coalesce(c.tech_issue, false),
        case
            when isfinite(c.actual_start)
                then (extract(epoch from c.actual_start) - extract(epoch from c.scheduled_start))::double precision / 60
        end
    from (
        select
            ids.profile_id,
            b.*
        from unnest(every_client) as ids (profile_id)
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
                held.scheduled_start,
                held.actual_start,
                held.session_number,
                held.tech_issue
            from caas.source_bookings as held
            where held.listing_id = l.id
                and held.status in ('Completed', 'Rescheduled', 'No-show')
                and held.scheduled_start <= as_of
                and held.scheduled_start >= '0001-01-03 00:00:00+00'
                and coalesce(held.session_number, 1) = 1
                and held.client_id is not null
            offset 0
        ) as b
        union all
        select
            ids.profile_id,
            b.id,
            b.client_id,
            b.scheduled_start,
            b.actual_start,
            b.session_number,
            b.tech_issue
        from unnest(pair_tutors, pair_clients) as ids (profile_id, client_id)
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
                held.scheduled_start,
                held.actual_start,
                held.session_number,
                held.tech_issue
            from caas.source_bookings as held
            where held.client_id = ids.client_id
                and held.listing_id = l.id
                and held.status in ('Completed', 'Rescheduled', 'No-show')
                and held.scheduled_start <= as_of
                and held.scheduled_start >= '0001-01-03 00:00:00+00'
                and coalesce(held.session_number, 1) = 1
            offset 0
        ) as b
    ) as c
    cross join lateral (
        select said.turns
        from caas.source_session_transcripts as said
        where said.booking_id = c.id
        offset 0
    ) as t
    where c.session_number = 1
        or not exists(
            select
            from caas.source_listings as own
            cross join lateral (
                select
                from caas.source_bookings as earlier
                where earlier.client_id = c.client_id
                    and earlier.listing_id = own.id
                    and earlier.status in ('Completed', 'Rescheduled', 'No-show')
                    and earlier.scheduled_start >= '0001-01-03 00:00:00+00'
                    and (earlier.scheduled_start, earlier.id) < (c.scheduled_start, c.id)
                limit 1
            ) as e
            where own.profile_id = c.profile_id
        );
end;
$function$;

comment on function caas.first_sessions(uuid[], uuid[], uuid[], timestamptz) is
    'First sessions of touched pairs of tutor and client, with their transcripts.';
