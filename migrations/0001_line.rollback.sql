drop table caas_workers;
drop table caas_score_follow;
drop table caas_scores;
drop table caas_dead_entries;
drop table caas_recalculation_queue;
drop table caas_changes;
drop sequence caas_generation;
