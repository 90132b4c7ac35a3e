-- The tables of the line: mark → fold → claim → stats → strategy → cache → read.
-- None has a foreign key to the application's tables: its check would lock the application's rows.

create sequence caas_generation;

comment on sequence caas_generation is
    'Generations of queue entries, and their places in the queue: whoever becomes ready takes the next number.';

-- vacuum_truncate is off because cutting off the empty end of a table takes an exclusive lock, for which the
-- application's inserts would wait. The check cannot fail in a trigger: triggers write 10 and 90 only.
create table caas_changes (
    id bigint generated always as identity,
    reason text not null,
    priority smallint not null default 10,
    changed_at timestamptz not null default clock_timestamp(),
    profile_id uuid,
    listing_id uuid,
    booking_id uuid,
    deleted boolean not null default false,
    everyone boolean not null default false,
    constraint caas_changes_are_numbered primary key (id),
    constraint caas_changes_know_their_priorities check (priority in (0, 10, 50, 90))
)
with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off
);

create index caas_changes_that_mark_everyone on caas_changes (id) where everyone;

comment on table caas_changes is
    'Marks: whose score may have changed, in raw keys of the changed row. Triggers append, fold takes away.';
comment on column caas_changes.id is 'Only a name and an order of writing: a late commit leaves lower ids behind.';
comment on column caas_changes.reason is 'What changed: the watched table, or the caller''s word.';
comment on column caas_changes.priority is '0 manual, 10 live, 50 time, 90 backfill.';
comment on column caas_changes.changed_at is 'When the change was written (not committed).';
comment on column caas_changes.profile_id is 'The profile itself; for a mark of everyone, the last profile expanded.';
comment on column caas_changes.listing_id is 'A listing whose owner, as of the fold, is meant.';
comment on column caas_changes.booking_id is 'A booking whose listing''s owner, as of the fold, is meant.';
comment on column caas_changes.deleted is 'The profile''s own row was deleted.';
comment on column caas_changes.everyone is
    'Every profile and every cached score is meant; fold expands it piece by piece.';

create table caas_recalculation_queue (
    profile_id uuid not null,
    generation bigint not null,
    priority smallint not null,
    place bigint not null,
    reasons text[] not null,
    first_changed_at timestamptz not null,
    last_changed_at timestamptz not null,
    deleted boolean not null default false,
    attempts integer not null default 0,
    losses integer not null default 0,
    due_at timestamptz,
    error text,
    token uuid,
    lease_until timestamptz,
    claimed_generation bigint,
    claimed_alone boolean not null default false,
    later_priority smallint,
    later_reasons text[],
    later_changed_at timestamptz,
    constraint caas_recalculation_queue_has_one_entry_per_profile primary key (profile_id),
    constraint caas_recalculation_queue_knows_its_priorities check (priority in (0, 10, 50, 90)),
    constraint caas_recalculation_queue_leases_have_an_end check ((token is null) = (lease_until is null))
)
with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

create index caas_recalculation_queue_ready on caas_recalculation_queue (priority, place)
where token is null and due_at is null and losses < 2;
create index caas_recalculation_queue_suspect on caas_recalculation_queue (priority, place)
where token is null and due_at is null and losses >= 2;
create index caas_recalculation_queue_waiting on caas_recalculation_queue (due_at)
where token is null and due_at is not null;
create index caas_recalculation_queue_leased on caas_recalculation_queue (lease_until)
where token is not null;

comment on table caas_recalculation_queue is
    'Entries: one per profile to be scored. Ready, waiting (due_at set) or leased (token set); each has its own index.';
comment on column caas_recalculation_queue.profile_id is 'Whose score is to be computed.';
comment on column caas_recalculation_queue.generation is
    'Renewed by every fold into the entry; compared for equality only.';
comment on column caas_recalculation_queue.priority is
    'The lowest number of its marks: 0 manual, 10 live, 50 time, 90 backfill.';
comment on column caas_recalculation_queue.place is
    'Place within the priority: a fresh number each time the entry becomes ready.';
comment on column caas_recalculation_queue.reasons is 'What changed, each reason once, at most 16.';
comment on column caas_recalculation_queue.first_changed_at is 'The earliest change waiting in this entry.';
comment on column caas_recalculation_queue.last_changed_at is 'The newest change waiting in this entry.';
comment on column caas_recalculation_queue.deleted is 'A delete of the profile is among the changes.';
comment on column caas_recalculation_queue.attempts is 'Failed attempts since the last success.';
comment on column caas_recalculation_queue.losses is
    'Leases lost since the last success; from 2 on the entry is claimed alone.';
comment on column caas_recalculation_queue.due_at is 'When a waiting entry may be tried again; null: now.';
comment on column caas_recalculation_queue.error is 'Code of the last failure.';
comment on column caas_recalculation_queue.token is 'The claim that holds the entry; null: nobody.';
comment on column caas_recalculation_queue.lease_until is 'When the claim lapses.';
comment on column caas_recalculation_queue.claimed_generation is 'The generation that the claim took.';
comment on column caas_recalculation_queue.claimed_alone is 'The claim took this entry and no other.';
comment on column caas_recalculation_queue.later_priority is 'Priority of the marks folded since the claim.';
comment on column caas_recalculation_queue.later_reasons is 'Reasons folded since the claim.';
comment on column caas_recalculation_queue.later_changed_at is 'Earliest change folded since the claim.';

create table caas_dead_entries (
    profile_id uuid not null,
    error text not null,
    message text not null,
    detail text,
    attempts integer not null,
    reasons text[] not null,
    first_changed_at timestamptz not null,
    last_changed_at timestamptz not null,
    died_at timestamptz not null default clock_timestamp(),
    constraint caas_dead_entries_has_one_entry_per_profile primary key (profile_id)
);

create index caas_dead_entries_by_age on caas_dead_entries (died_at);

comment on table caas_dead_entries is
    'Entries set aside after their last attempt. A new change of the profile brings it back to the queue.';
comment on column caas_dead_entries.profile_id is 'Whose score could not be computed.';
comment on column caas_dead_entries.error is 'Code of the error.';
comment on column caas_dead_entries.message is 'The error in words.';
comment on column caas_dead_entries.detail is 'Traceback.';
comment on column caas_dead_entries.attempts is 'How often it was tried.';
comment on column caas_dead_entries.reasons is 'What had changed.';
comment on column caas_dead_entries.first_changed_at is 'The earliest change that is not in the score.';
comment on column caas_dead_entries.last_changed_at is 'The newest change that is not in the score.';
comment on column caas_dead_entries.died_at is 'When it was set aside.';

create table caas_scores (
    profile_id uuid not null,
    role_type text,
    total_score smallint not null,
    score_breakdown jsonb not null,
    score_inputs jsonb not null,
    reason text,
    calculation_version text not null,
    gate_failed boolean not null,
    calculated_at timestamptz not null,
    source_changed_at timestamptz not null,
    next_due_at timestamptz,
    generation bigint not null,
    constraint caas_scores_has_one_row_per_profile primary key (profile_id),
    constraint caas_scores_are_between_0_and_100 check (total_score between 0 and 100),
    constraint caas_scores_know_their_reasons check (reason in ('unverified', 'unsupported_role'))
)
with (fillfactor = 80);

create index caas_scores_that_fall_due on caas_scores (next_due_at) where next_due_at is not null;

comment on table caas_scores is 'The score cache: one row per profile, read by primary key.';
comment on column caas_scores.profile_id is 'Whose score this is.';
comment on column caas_scores.role_type is
    'The role that was scored: TUTOR, CLIENT, AGENT; null without a supported role.';
comment on column caas_scores.total_score is 'The score, 0 to 100, higher is better.';
comment on column caas_scores.score_breakdown is 'Points per bucket, not rounded, and flags such as provisional.';
comment on column caas_scores.score_inputs is 'The statistics and profile facts that the points came from.';
comment on column caas_scores.reason is 'Why the score is 0: unverified, unsupported_role; else null.';
comment on column caas_scores.calculation_version is 'Version of the rule.';
comment on column caas_scores.gate_failed is 'The identity is not verified.';
comment on column caas_scores.calculated_at is 'The time that statistics and rule took for now.';
comment on column caas_scores.source_changed_at is 'The newest change that this score covers.';
comment on column caas_scores.next_due_at is 'When time alone will next change the score; null: never.';
comment on column caas_scores.generation is 'Generation of the queue entry that it was computed for.';

create table caas_score_follow (
    profile_id uuid not null,
    constraint caas_score_follow_has_one_row_per_profile primary key (profile_id)
);

comment on table caas_score_follow is 'Totals that profiles.caas_score has still to follow.';
comment on column caas_score_follow.profile_id is 'Whose profiles row differs from the cache.';

create table caas_workers (
    worker_id uuid not null,
    host text not null,
    pid integer not null,
    version text not null,
    started_at timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null default clock_timestamp(),
    profiles bigint not null default 0,
    constraint caas_workers_are_named primary key (worker_id)
);

comment on table caas_workers is 'Heartbeats of running workers. A worker that leaves in order removes its row.';
comment on column caas_workers.worker_id is 'A random name, new at each start.';
comment on column caas_workers.host is 'Host the worker runs on.';
comment on column caas_workers.pid is 'Its process there.';
comment on column caas_workers.version is 'Version of caas-worker.';
comment on column caas_workers.started_at is 'When it started.';
comment on column caas_workers.beat_at is 'When it last said that it lives.';
comment on column caas_workers.profiles is 'Profiles it has published.';
