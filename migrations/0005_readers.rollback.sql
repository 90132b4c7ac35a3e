drop trigger caas_refuse_strangers on caas_scores;
drop function caas_refuse_strangers();
drop view caas_every_score;
alter table caas_scores disable row level security;
drop policy if exists caas_workers_see_and_write_every_score on caas_scores;
drop policy if exists caas_readers_see_tutors_clients_and_themselves on caas_scores;
