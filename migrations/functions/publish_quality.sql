-- Publishes the quality scores of a batch's tutors, in the transaction of caas.refresh_days and after it, before
-- caas.cache takes the entries away. Writes tutor_performance_metrics, tutor_scores, session_scores, tutor_alerts,
-- tutor_performance_summaries and caas.cell_states; reads caas.cell_states of who may be no tutor any more.
--
-- tutors: one object per tutor: profile_id, metrics (objects by window), scores, summary, alerts (whether each type is
-- to be active, null: no fresh score), next_due_at. firsts: first sessions judged anew. others: profiles of the batch
-- that are no tutors; what there is of them goes. Today's metrics are replaced, past days' are frozen. An alert is
-- raised once and refreshed while it lasts; what somebody resolved by hand is not raised again while it is the same
-- case: the same score, made from the same figures, of the same session, and none between. (Held by
-- tests/integration/test_alerts.py.)
create or replace function caas.publish_quality(
    tutors jsonb,
    firsts jsonb,
    others uuid[],
    as_of timestamptz,
    today date,
    recipient text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    given uuid[];
    tutor_ids uuid[];
    types text[];
    judged_values numeric[];
    actives boolean[];
    figures_behind jsonb[];
    sessions uuid[];
    standing_ids uuid[];
    recovered uuid[];
    raised boolean[];
begin
    if others is not null then
        perform caas.forget(
            array(
                select s.profile_id
                from caas.cell_states as s
                where s.profile_id = any(others)
                    and s.taught_until is not null
            ),
            false
        );
    end if;

    insert into caas.session_scores as s (
        booking_id, score_type, profile_id, client_id, starts_at, value, level, components, version, calculated_at
    )
    select
        f.booking_id,
        'fsrs',
        f.profile_id,
        f.client_id,
        f.starts_at,
        f.value,
        f.level,
        f.components,
        f.version,
        as_of
    from jsonb_to_recordset(firsts) as f (
        booking_id uuid,
        profile_id uuid,
        client_id uuid,
        starts_at timestamptz,
        value numeric,
        level text,
        components jsonb,
        version text
    )
    order by f.booking_id
    -- a session that moved here from another tutor
    on conflict (booking_id, score_type) do update
        set
            profile_id = excluded.profile_id,
            client_id = excluded.client_id,
            starts_at = excluded.starts_at,
            value = excluded.value,
            level = excluded.level,
            components = excluded.components,
            version = excluded.version,
            calculated_at = excluded.calculated_at
        where caas.tutor_of(excluded.booking_id) = excluded.profile_id;

    with read as materialized (
        select t.*
        from jsonb_to_recordset(tutors) as t (
            profile_id uuid,
            metrics jsonb,
            scores jsonb,
            summary jsonb,
            next_due_at timestamptz,
            performance_tier text
        )
    ),

    measured as (
        insert into caas.tutor_performance_metrics as m (
            profile_id, time_window, calculation_date, sessions_completed, avg_rating, first_session_success_rate,
            reschedule_rate, no_show_count, engagement_score, learning_objectives_met_pct,
            response_time_avg_minutes, performance_tier, flags, calculated_at
        )
        select
            r.profile_id,
            w.time_window,
            today,
            w.sessions_completed,
            w.avg_rating,
            w.first_session_success_rate,
            w.reschedule_rate,
            w.no_show_count,
            w.engagement_score,
            w.learning_objectives_met_pct,
            w.response_time_avg_minutes,
            w.performance_tier,
            w.flags,
            as_of
        from read as r
        cross join lateral jsonb_to_recordset(r.metrics) as w (
            time_window text,
            sessions_completed integer,
            avg_rating numeric,
            first_session_success_rate numeric,
            reschedule_rate numeric,
            no_show_count integer,
            engagement_score numeric,
            learning_objectives_met_pct numeric,
            response_time_avg_minutes numeric,
            performance_tier text,
            flags jsonb
        )
        on conflict (profile_id, time_window, calculation_date) do update
            set
                sessions_completed = excluded.sessions_completed,
                avg_rating = excluded.avg_rating,
                first_session_success_rate = excluded.first_session_success_rate,
                reschedule_rate = excluded.reschedule_rate,
                no_show_count = excluded.no_show_count,
                engagement_score = excluded.engagement_score,
                learning_objectives_met_pct = excluded.learning_objectives_met_pct,
                response_time_avg_minutes = excluded.response_time_avg_minutes,
                performance_tier = excluded.performance_tier,
                flags = excluded.flags,
                calculated_at = excluded.calculated_at
    ),

    scored as (
        insert into caas.tutor_scores as s (
            profile_id, score_type, value, level, components, version, calculated_at
        )
        select
            r.profile_id,
            q.score_type,
            q.value,
            q.level,
            q.components,
            q.version,
            as_of
        from read as r
        cross join lateral jsonb_to_recordset(r.scores) as q (
            score_type text,
            value numeric,
            level text,
            components jsonb,
            version text
        )
        on conflict (profile_id, score_type) do update
            set
                value = excluded.value,
                level = excluded.level,
                components = excluded.components,
                version = excluded.version,
                calculated_at = excluded.calculated_at
    ),

    told as (
        insert into caas.tutor_performance_summaries as s (
            profile_id, trend, average_sqs, summary, what_went_well, improvement_suggestion, calculated_at
        )
        select
            r.profile_id,
            q.trend,
            q.average_sqs,
            q.summary,
            q.what_went_well,
            q.improvement_suggestion,
            as_of
        from read as r
        cross join lateral jsonb_to_record(r.summary) as q (
            trend text,
            average_sqs numeric,
            summary text,
            what_went_well text,
            improvement_suggestion text
        )
        on conflict (profile_id) do update
            set
                trend = excluded.trend,
                average_sqs = excluded.average_sqs,
                summary = excluded.summary,
                what_went_well = excluded.what_went_well,
                improvement_suggestion = excluded.improvement_suggestion,
                calculated_at = excluded.calculated_at
    ),

    moved as (
        insert into caas.cell_states as s (profile_id, next_due_at, swept, performance_tier)
        select
            r.profile_id,
            r.next_due_at,
            false,
            r.performance_tier
        from read as r
        on conflict (profile_id) do update
            set
                next_due_at = excluded.next_due_at,
                swept = false,
                performance_tier = excluded.performance_tier
        returning s.profile_id
    )

    select array_agg(m.profile_id)
    into given
    from moved as m;

    -- of a zone in which it is tomorrow already: it would be taken for the newest
    delete from caas.tutor_performance_metrics as m
    where m.profile_id = any(given)
        and m.time_window = any('{7day,30day,90day}'::text[])
        and m.calculation_date > today;

    -- what holds now: of health and churn the scores say so, of first sessions the newest that was judged
    select
        array_agg(c.profile_id),
        array_agg(c.alert_type),
        array_agg(c.value),
        array_agg(c.figures),
        array_agg(c.is_active),
        array_agg(c.booking_id),
        array_agg(c.standing_id),
        array_agg(c.newest_id) filter (where c.is_active is not true and c.standing_id is null),
        array_agg(c.is_active and c.standing_id is null and c.is_silenced is not true)
    into tutor_ids, types, judged_values, figures_behind, actives, sessions, standing_ids, recovered, raised
    from (
        select
            l.*,
            (
                select standing.id
                from caas.tutor_alerts as standing
                where standing.profile_id = l.profile_id
                    and standing.alert_type = l.alert_type
                    and standing.status in ('open', 'acknowledged')
            ) as standing_id,
            newest.id as newest_id,
            newest.resolved_by is not null
            and newest.recovered_at is null
            and newest.score_value = l.value
            and newest.figures = l.figures
            and newest.booking_id is not distinct from l.booking_id as is_silenced
        from (
            select
                t.profile_id,
                a.alert_type,
                a.value,
                a.figures,
                a.is_active,
                null::uuid as booking_id
            from jsonb_to_recordset(tutors) as t (profile_id uuid, alerts jsonb)
            cross join lateral jsonb_to_recordset(t.alerts) as a (
                alert_type text, value numeric, figures jsonb, is_active boolean
            )
            union all
            select
                ids.profile_id,
                'poor_first_session',
                f.value,
                '{}',
                f.value >= 50,
                f.booking_id
            from unnest(given) as ids (profile_id)
            cross join lateral (
                select
                    judged.value,
                    judged.booking_id
                from caas.session_scores as judged
                where judged.profile_id = ids.profile_id
                    and judged.score_type = 'fsrs'
                order by judged.starts_at desc, judged.booking_id desc
                limit 1
            ) as f
        ) as l
        left join lateral (
            select
                a.id,
                a.resolved_by,
                a.recovered_at,
                a.score_value,
                a.figures,
                a.booking_id
            from caas.tutor_alerts as a
            where a.profile_id = l.profile_id
                and a.alert_type = l.alert_type
            order by a.raised_at desc
            limit 1
        ) as newest on true
    ) as c;

    -- in the order of ids, as the postman does
    perform
    from (
        select t.id
        from caas.tutor_alerts as t
        where t.id = any(standing_ids || recovered)
        order by t.id
        for update
    ) as locked;
    update caas.tutor_alerts as t
    set
        score_value = l.value,
        figures = l.figures,
        booking_id = l.booking_id,
        last_checked_at = as_of,
        status = case when l.is_active then t.status else 'resolved' end,
        resolved_at = case when not l.is_active then as_of end,
        auto_resolved = not l.is_active
    from unnest(standing_ids, judged_values, figures_behind, actives, sessions) as l (
        standing_id, value, figures, is_active, booking_id
    )
    where t.id = l.standing_id
        and t.id = any(standing_ids)  -- said twice: else a plan made on an empty table reads every alert
        and l.is_active is not null  -- no fresh score: it stays as it is
        and t.status <> 'resolved';

    update caas.tutor_alerts as t
    set recovered_at = as_of
    where t.id = any(recovered)
        and t.resolved_by is not null
        and t.recovered_at is null;

    insert into caas.tutor_alerts (
        profile_id, alert_type, score_value, figures, booking_id, raised_at, last_checked_at, email_status, email_due_at
    )
    select
        l.profile_id,
        l.alert_type,
        l.value,
        l.figures,
        l.booking_id,
        as_of,
        as_of,
        case when recipient is null then 'none' else 'pending' end,
        case when recipient is not null then as_of end
    from unnest(tutor_ids, types, judged_values, figures_behind, sessions, raised) as l (
        profile_id, alert_type, value, figures, booking_id, is_raised
    )
    where l.is_raised;
end;
$function$;

comment on function caas.publish_quality(jsonb, jsonb, uuid[], timestamptz, date, text) is
    'Writes metrics, scores, alerts and summaries of tutors; forgets those who are none any more.';
