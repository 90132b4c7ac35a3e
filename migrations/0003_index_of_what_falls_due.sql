-- A migration of its own, so that readers of the cache do not wait: building blocks the workers for a moment, and the
-- old index goes at the end. Neither can be done concurrently in a transaction.

-- squawk-ignore require-concurrent-index-creation
create index caas_scores_to_sweep on caas_scores (next_due_at)
where next_due_at is not null and not swept;
-- squawk-ignore require-concurrent-index-deletion
drop index caas_scores_that_fall_due;
