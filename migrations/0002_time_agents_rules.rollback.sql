drop table caas_rules;
alter table caas_scores drop column swept;
alter table caas_changes drop column agent_id;
