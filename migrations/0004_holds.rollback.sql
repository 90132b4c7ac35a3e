-- what the rule computed is the score again
update caas_scores
set total_score = computed_score
where computed_score is not null;
alter table caas_scores drop column computed_score;
drop table caas_holds;
