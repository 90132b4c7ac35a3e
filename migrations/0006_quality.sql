-- Cells and quality scores. A cell is what one day, or one counterpart, adds up to for a profile: aggregated anew from
-- the application's rows when a mark names it, never adjusted by a difference.

alter table caas_changes
add column other_id uuid,
add column touched_at timestamptz,
add column whole boolean not null default false;

comment on column caas_changes.other_id is 'The other of a pair whose cell changed: a reviewer.';
comment on column caas_changes.touched_at is
    'A time on the day whose cell changed: a booking''s start, an event''s time.';
comment on column caas_changes.whole is 'Every cell of the profile may have changed.';

alter table caas_recalculation_queue add column later_due_at timestamptz;

comment on column caas_recalculation_queue.later_due_at is
    'When the debounce of what was folded since the claim ends.';

-- Not columns of the queue: what was touched stays touched until its cell is written, whatever becomes of the entry.
create table caas_touched_cells (
    profile_id uuid not null,
    id bigint generated always as identity,
    cell text not null,
    day date,
    other_id uuid,
    refreshed boolean not null default false,
    constraint caas_touched_cells_are_numbered primary key (profile_id, id),
    constraint caas_touched_cells_know_their_kinds check (cell in ('day', 'days', 'pair', 'pairs'))
)
with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

comment on table caas_touched_cells is 'Cells of queued profiles that are to be aggregated anew.';
comment on column caas_touched_cells.profile_id is 'Whose cell.';
comment on column caas_touched_cells.id is 'Only a name.';
comment on column caas_touched_cells.cell is 'day or pair: that one; days or pairs: every one.';
comment on column caas_touched_cells.day is 'The day, in UTC.';
comment on column caas_touched_cells.other_id is 'The counterpart; null: nobody.';
comment on column caas_touched_cells.refreshed is 'The pair''s sums are written, its first session is not judged yet.';

create table caas_cell_states (
    profile_id uuid not null,
    paired boolean not null default false,
    taught_until timestamptz,
    reports_since timestamptz,
    next_due_at timestamptz,
    swept boolean not null default false,
    performance_tier text,
    constraint caas_cell_states_has_one_row_per_profile primary key (profile_id)
)
with (fillfactor = 80);

create index caas_cell_states_to_sweep on caas_cell_states (next_due_at)
where next_due_at is not null and not swept;

create index caas_cell_states_by_tier on caas_cell_states (performance_tier) where taught_until is not null;

comment on table caas_cell_states is 'How far each profile''s cells are built, and when time alone next changes them.';
comment on column caas_cell_states.profile_id is 'Whose cells these are.';
comment on column caas_cell_states.paired is 'The pair cells are built; until then statistics read the source rows.';
comment on column caas_cell_states.taught_until is
    'The day cells hold every session until then; null: this is no tutor, or they are not built.';
comment on column caas_cell_states.reports_since is
    'Sessions that begin later are reported: the first time, or the last at which there was nobody to write to.';
comment on column caas_cell_states.next_due_at is
    'When time alone will next change the quality scores: a session''s start, the day''s turn; null: never.';
comment on column caas_cell_states.swept is 'Its next_due_at has come and was marked.';
comment on column caas_cell_states.performance_tier is 'The newest tier of the 30-day window, to be counted.';

create table caas_pair_cells (
    profile_id uuid not null,
    bucket smallint not null,
    other_id uuid not null,
    paid integer not null,
    free integer not null,
    recorded integer not null,
    unlogged integer not null,
    ratings integer not null,
    rating_sum integer not null,
    constraint caas_pair_cells_has_one_row_per_pair primary key (profile_id, bucket, other_id)
)
with (fillfactor = 80);

comment on table caas_pair_cells is
    'What a profile''s sessions with, and its reviews by, one counterpart add up to (scoring 1.2).';
comment on column caas_pair_cells.profile_id is 'Who taught, or was reviewed.';
comment on column caas_pair_cells.bucket is
    'A byte of other_id''s hash; 256: nobody, other_id is then all zeros. Cells are summed in buckets.';
comment on column caas_pair_cells.other_id is 'Who booked, or reviewed.';
comment on column caas_pair_cells.paid is 'Completed paid sessions.';
comment on column caas_pair_cells.free is 'Completed sessions of type free_help.';
comment on column caas_pair_cells.recorded is 'Completed paid sessions with a recording.';
comment on column caas_pair_cells.unlogged is 'Paid sessions without a recording that wait for their log.';
comment on column caas_pair_cells.ratings is 'Ratings received.';
comment on column caas_pair_cells.rating_sum is 'Their sum.';

create table caas_pair_sums (
    profile_id uuid not null,
    bucket smallint not null,
    paid bigint not null,
    free bigint not null,
    recorded bigint not null,
    unlogged bigint not null,
    ratings bigint not null,
    rating_sum bigint not null,
    clients integer not null,
    returning_clients integer not null,
    constraint caas_pair_sums_has_one_row_per_bucket primary key (profile_id, bucket)
)
with (fillfactor = 80);

comment on table caas_pair_sums is 'What the pair cells of a bucket add up to: at most 257 rows, however many clients.';
comment on column caas_pair_sums.profile_id is 'Who taught, or was reviewed.';
comment on column caas_pair_sums.bucket is 'The bucket.';
comment on column caas_pair_sums.paid is 'Completed paid sessions.';
comment on column caas_pair_sums.free is 'Completed sessions of type free_help.';
comment on column caas_pair_sums.recorded is 'Completed paid sessions with a recording.';
comment on column caas_pair_sums.unlogged is 'Paid sessions without a recording that wait for their log.';
comment on column caas_pair_sums.ratings is 'Ratings received.';
comment on column caas_pair_sums.rating_sum is 'Their sum.';
comment on column caas_pair_sums.clients is 'Clients with a completed paid session.';
comment on column caas_pair_sums.returning_clients is 'Clients with more than one.';

create table caas_daily_events (
    profile_id uuid not null,
    day date not null,
    logins integer not null,
    responses integer not null,
    response_minutes numeric not null,
    constraint caas_daily_events_has_one_row_per_day primary key (profile_id, day)
);

comment on table caas_daily_events is 'What the platform events of a tutor''s day add up to (scoring 3).';
comment on column caas_daily_events.profile_id is 'The tutor.';
comment on column caas_daily_events.day is 'The day, in the application''s time zone.';
comment on column caas_daily_events.logins is 'Log-ins.';
comment on column caas_daily_events.responses is 'Answers to messages with a time.';
comment on column caas_daily_events.response_minutes is 'The sum of those times.';

create table tutor_daily_aggregates (
    profile_id uuid not null,
    day date not null,
    sessions integer not null,
    sessions_completed integer not null,
    reschedules_tutor_initiated integer not null,
    no_shows integer not null,
    started integer not null,
    on_time integer not null,
    lateness_min numeric not null,
    avg_lateness_min numeric generated always as (lateness_min / nullif(started, 0)) stored,
    ratings integer not null,
    rating_sum integer not null,
    first_ratings integer not null,
    first_ratings_good integer not null,
    engagement_count integer not null,
    engagement_sum numeric not null,
    objectives_answered integer not null,
    objectives_met integer not null,
    constraint tutor_daily_aggregates_has_one_row_per_day primary key (profile_id, day)
)
with (fillfactor = 90);

comment on table tutor_daily_aggregates is 'Cells: what a tutor''s sessions of one day add up to (scoring 2).';
comment on column tutor_daily_aggregates.profile_id is 'The tutor.';
comment on column tutor_daily_aggregates.day is 'The day of the scheduled start, in the application''s time zone.';
comment on column tutor_daily_aggregates.sessions is 'Completed, rescheduled and missed by anybody.';
comment on column tutor_daily_aggregates.sessions_completed is 'Completed.';
comment on column tutor_daily_aggregates.reschedules_tutor_initiated is 'Rescheduled by the tutor.';
comment on column tutor_daily_aggregates.no_shows is 'Missed by the tutor.';
comment on column tutor_daily_aggregates.started is 'Completed with a start time.';
comment on column tutor_daily_aggregates.on_time is 'Of those, begun at most 10 minutes late.';
comment on column tutor_daily_aggregates.lateness_min is 'Minutes late of those, on time counting 0, added up.';
comment on column tutor_daily_aggregates.avg_lateness_min is 'Their mean; null: none has a start time.';
comment on column tutor_daily_aggregates.ratings is 'Ratings that the tutor received for the day''s sessions.';
comment on column tutor_daily_aggregates.rating_sum is 'Their sum.';
comment on column tutor_daily_aggregates.first_ratings is 'Ratings of sessions numbered 1.';
comment on column tutor_daily_aggregates.first_ratings_good is 'Of those, 4 and above.';
comment on column tutor_daily_aggregates.engagement_count is 'Sessions with a recorded engagement.';
comment on column tutor_daily_aggregates.engagement_sum is 'Their engagement, 0 to 1 each, added up.';
comment on column tutor_daily_aggregates.objectives_answered is 'Sessions that say whether objectives were met.';
comment on column tutor_daily_aggregates.objectives_met is 'Of those, met.';

create table tutor_performance_metrics (
    profile_id uuid not null,
    time_window text not null,
    calculation_date date not null,
    sessions_completed integer not null,
    avg_rating numeric,
    first_session_success_rate numeric,
    reschedule_rate numeric,
    no_show_count integer not null,
    engagement_score numeric,
    learning_objectives_met_pct numeric,
    response_time_avg_minutes numeric,
    performance_tier text,
    flags jsonb not null default '{}',
    calculated_at timestamptz not null,
    constraint tutor_performance_metrics_has_one_row_per_window_and_day primary key (
        profile_id, time_window, calculation_date
    ),
    constraint tutor_performance_metrics_know_their_windows check (time_window in ('7day', '30day', '90day'))
)
with (fillfactor = 70);

create index tutor_performance_metrics_by_day on tutor_performance_metrics (calculation_date);

comment on table tutor_performance_metrics is
    'Metrics of the last 7, 30 and 90 days, one row per calculation day; past days are frozen (scoring 3).';
comment on column tutor_performance_metrics.profile_id is 'The tutor.';
comment on column tutor_performance_metrics.time_window is '7day, 30day or 90day.';
comment on column tutor_performance_metrics.calculation_date is 'The last day of the window.';
comment on column tutor_performance_metrics.sessions_completed is 'Completed sessions.';
comment on column tutor_performance_metrics.avg_rating is 'Mean of the ratings received for the window''s sessions.';
comment on column tutor_performance_metrics.first_session_success_rate is
    'Of the ratings of sessions numbered 1, per cent that are 4 and above.';
comment on column tutor_performance_metrics.reschedule_rate is 'Sessions rescheduled by the tutor, per cent.';
comment on column tutor_performance_metrics.no_show_count is 'Sessions missed by the tutor.';
comment on column tutor_performance_metrics.engagement_score is 'Log-ins, engagement and punctuality, 0 to 100.';
comment on column tutor_performance_metrics.learning_objectives_met_pct is 'Of the recorded answers, per cent met.';
comment on column tutor_performance_metrics.response_time_avg_minutes is 'Mean minutes to answer a message.';
comment on column tutor_performance_metrics.performance_tier is
    'Exemplary, Strong, Developing, Needs Attention, At Risk; null without sessions.';
comment on column tutor_performance_metrics.flags is
    'Which metrics are green and which red: why the tier is what it is.';
comment on column tutor_performance_metrics.calculated_at is 'The time that the metrics took for now.';

create table tutor_scores (
    profile_id uuid not null,
    score_type text not null,
    value numeric,
    level text,
    components jsonb not null,
    version text not null,
    calculated_at timestamptz not null,
    constraint tutor_scores_has_one_row_per_type primary key (profile_id, score_type),
    constraint tutor_scores_know_their_types check (score_type in ('ths', 'tcrs', 'reschedule_risk'))
)
with (fillfactor = 70);

comment on table tutor_scores is 'Health (ths), churn risk (tcrs) and reschedule risk of each tutor (scoring 4, 5, 7).';
comment on column tutor_scores.profile_id is 'The tutor.';
comment on column tutor_scores.score_type is 'ths, tcrs or reschedule_risk.';
comment on column tutor_scores.value is 'The score; null: too little is known for one.';
comment on column tutor_scores.level is 'What the value means.';
comment on column tutor_scores.components is 'What it was made from.';
comment on column tutor_scores.version is 'Version of the rule.';
comment on column tutor_scores.calculated_at is 'The time that the score took for now.';

create table session_scores (
    booking_id uuid not null,
    score_type text not null,
    profile_id uuid not null,
    client_id uuid,
    starts_at timestamptz not null,
    value numeric not null,
    level text not null,
    components jsonb not null,
    version text not null,
    calculated_at timestamptz not null,
    constraint session_scores_has_one_row_per_type primary key (booking_id, score_type),
    constraint session_scores_know_their_types check (score_type in ('sqs', 'fsrs'))
);

create index session_scores_of_a_tutor on session_scores (profile_id, score_type, starts_at, booking_id);
create index session_scores_of_a_pair on session_scores (profile_id, client_id) where score_type = 'fsrs';

comment on table session_scores is 'Quality (sqs) and first session risk (fsrs) of each session (scoring 6).';
comment on column session_scores.booking_id is 'The session.';
comment on column session_scores.score_type is 'sqs or fsrs.';
comment on column session_scores.profile_id is 'Its tutor.';
comment on column session_scores.client_id is 'Its client.';
comment on column session_scores.starts_at is 'Its scheduled start.';
comment on column session_scores.value is 'The score.';
comment on column session_scores.level is 'What the value means.';
comment on column session_scores.components is 'What it was made from.';
comment on column session_scores.version is 'Version of the rule.';
comment on column session_scores.calculated_at is 'The time that the score took for now.';

create table tutor_alerts (
    id uuid not null default gen_random_uuid(),
    profile_id uuid not null,
    alert_type text not null,
    severity text not null default 'high',
    status text not null default 'open',
    score_value numeric not null,
    figures jsonb not null default '{}',
    booking_id uuid,
    raised_at timestamptz not null,
    last_checked_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by text,
    resolved_at timestamptz,
    resolved_by text,
    auto_resolved boolean not null default false,
    recovered_at timestamptz,
    email_status text not null default 'none',
    email_attempts integer not null default 0,
    email_due_at timestamptz,
    email_error text,
    emailed_at timestamptz,
    constraint tutor_alerts_are_named primary key (id),
    constraint tutor_alerts_know_their_types check (
        alert_type in ('poor_first_session', 'high_reliability_risk', 'churn_risk')
    ),
    constraint tutor_alerts_know_their_states check (status in ('open', 'acknowledged', 'resolved')),
    constraint tutor_alerts_say_when_they_ended check ((status = 'resolved') = (resolved_at is not null)),
    constraint tutor_alerts_know_their_letters check (email_status in ('none', 'pending', 'sent', 'failed'))
)
with (fillfactor = 80);

create unique index tutor_alerts_one_at_a_time on tutor_alerts (profile_id, alert_type)
where status in ('open', 'acknowledged');
create index tutor_alerts_of_a_tutor on tutor_alerts (profile_id, raised_at);
create index tutor_alerts_to_send on tutor_alerts (email_due_at) where email_status = 'pending';

comment on table tutor_alerts is 'Alerts: at most one active per tutor and type (scoring 8).';
comment on column tutor_alerts.id is 'Its name.';
comment on column tutor_alerts.profile_id is 'The tutor.';
comment on column tutor_alerts.alert_type is 'poor_first_session, high_reliability_risk or churn_risk.';
comment on column tutor_alerts.severity is 'high.';
comment on column tutor_alerts.status is 'open, acknowledged or resolved.';
comment on column tutor_alerts.score_value is 'The score that it is about, at the last check.';
comment on column tutor_alerts.figures is
    'What that score was made from, where cases differ that have the same score.';
comment on column tutor_alerts.booking_id is 'The session that it is about, for poor_first_session.';
comment on column tutor_alerts.raised_at is 'When it was raised.';
comment on column tutor_alerts.last_checked_at is 'When its figures were last refreshed.';
comment on column tutor_alerts.acknowledged_at is 'When somebody took notice.';
comment on column tutor_alerts.acknowledged_by is 'Who did.';
comment on column tutor_alerts.resolved_at is 'When it ended.';
comment on column tutor_alerts.resolved_by is 'Who ended it; null: a fresh score did.';
comment on column tutor_alerts.auto_resolved is 'A fresh score ended it.';
comment on column tutor_alerts.recovered_at is
    'After it was resolved by hand: when its score was good again, or none. Until then the same case raises no other.';
comment on column tutor_alerts.email_status is 'none (nobody to write to), pending, sent or failed.';
comment on column tutor_alerts.email_attempts is 'How often sending was tried.';
comment on column tutor_alerts.email_due_at is 'When it is tried next.';
comment on column tutor_alerts.email_error is 'Why the last attempt failed.';
comment on column tutor_alerts.emailed_at is 'When it was sent.';

create table tutor_performance_summaries (
    profile_id uuid not null,
    trend text not null,
    average_sqs numeric,
    summary text not null,
    what_went_well text not null,
    improvement_suggestion text not null,
    calculated_at timestamptz not null,
    constraint tutor_performance_summaries_has_one_row_per_tutor primary key (profile_id),
    constraint tutor_performance_summaries_know_their_trends check (
        trend in ('improving', 'stable', 'declining', 'insufficient_data')
    )
)
with (fillfactor = 70);

comment on table tutor_performance_summaries is 'The newest sessions of each tutor in words (scoring 9).';
comment on column tutor_performance_summaries.profile_id is 'The tutor.';
comment on column tutor_performance_summaries.trend is 'improving, stable, declining or insufficient_data.';
comment on column tutor_performance_summaries.average_sqs is 'Mean quality of the five newest sessions that have one.';
comment on column tutor_performance_summaries.summary is 'A sentence or two.';
comment on column tutor_performance_summaries.what_went_well is 'What went well.';
comment on column tutor_performance_summaries.improvement_suggestion is 'One suggestion.';
comment on column tutor_performance_summaries.calculated_at is 'The time that it took for now.';

create table tutor_thresholds (
    profile_id uuid not null,
    reschedule_rate numeric not null,
    set_by text not null,
    set_at timestamptz not null default clock_timestamp(),
    constraint tutor_thresholds_has_one_row_per_tutor primary key (profile_id),
    constraint tutor_thresholds_are_per_cent check (reschedule_rate between 0 and 100)
);

comment on table tutor_thresholds is 'Tutors whose reschedule risk is judged by another threshold than 15 per cent.';
comment on column tutor_thresholds.profile_id is 'The tutor.';
comment on column tutor_thresholds.reschedule_rate is 'A rate above this is a high risk, in per cent.';
comment on column tutor_thresholds.set_by is 'Who set it.';
comment on column tutor_thresholds.set_at is 'When it was set.';

create table email_reports (
    booking_id uuid not null,
    profile_id uuid not null,
    recipient_email text not null,
    subject text not null,
    status text not null default 'pending',
    attempts integer not null default 0,
    error_message text,
    created_at timestamptz not null default clock_timestamp(),
    due_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    constraint email_reports_has_one_row_per_session primary key (booking_id),
    constraint email_reports_know_their_states check (status in ('pending', 'sent', 'failed'))
)
with (fillfactor = 80);

create index email_reports_to_send on email_reports (due_at) where status = 'pending';
create index email_reports_of_a_tutor on email_reports (profile_id);

comment on table email_reports is 'The outbox of session reports, one per session (scoring 11).';
comment on column email_reports.booking_id is 'The session.';
comment on column email_reports.profile_id is 'Its tutor.';
comment on column email_reports.recipient_email is 'Who it is sent to.';
comment on column email_reports.subject is 'Its subject.';
comment on column email_reports.status is 'pending, sent or failed.';
comment on column email_reports.attempts is 'How often sending was tried.';
comment on column email_reports.error_message is 'Why the last attempt failed.';
comment on column email_reports.created_at is 'When the session was first seen.';
comment on column email_reports.due_at is 'When it is tried next.';
comment on column email_reports.sent_at is 'When it was sent.';

insert into caas_changes (reason, priority, everyone)
select
    'quality',
    90,
    true
where exists (select from caas_scores);
