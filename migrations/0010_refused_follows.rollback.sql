-- squawk-ignore require-concurrent-index-deletion
drop index caas.score_follow_refused;
alter table caas.score_follow drop column tried_at;
