delete from caas_rules
where role_type in ('metrics', 'ths', 'tcrs', 'reschedule_risk', 'sqs', 'fsrs', 'summary', 'time zone');
drop table email_reports;
drop table tutor_thresholds;
drop table tutor_performance_summaries;
drop table tutor_alerts;
drop table session_scores;
drop table tutor_scores;
drop table tutor_performance_metrics;
drop table tutor_daily_aggregates;
drop table caas_daily_events;
drop table caas_pair_sums;
drop table caas_pair_cells;
drop table caas_cell_states;
drop table caas_touched_cells;
alter table caas_recalculation_queue drop column later_due_at;
alter table caas_changes
drop column other_id,
drop column touched_at,
drop column whole;
