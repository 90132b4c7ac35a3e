-- Rows of profiles that did not take their score wait behind all others, so that many of them hold nobody up.
alter table caas.score_follow add column tried_at timestamptz;

comment on column caas.score_follow.tried_at is 'When its row was last refused; null: not since it was listed.';

-- Of the refused ones only: an index of all would serve look-ups by profile, too, where a plan was made on an empty
-- table, and be read as a whole.
-- squawk-ignore require-concurrent-index-creation
create index score_follow_refused on caas.score_follow (tried_at) where tried_at is not null;
