create index caas_scores_that_fall_due on caas_scores (next_due_at) where next_due_at is not null;
drop index caas_scores_to_sweep;
