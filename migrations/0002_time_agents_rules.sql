-- Time, agents and rule versions: what the line needs to follow more than the changes of a profile's own rows.

alter table caas_changes add column agent_id uuid;

comment on column caas_changes.agent_id is 'A profile that is meant if its role is AGENT as of the fold.';

alter table caas_scores add column swept boolean not null default false;

comment on column caas_scores.swept is 'Its next_due_at has come and was marked; the next computation clears it.';

create table caas_rules (
    role_type text not null,
    version text,
    published_at timestamptz not null default clock_timestamp(),
    withdrawn text[] not null default '{}',
    constraint caas_rules_has_one_rule_per_role primary key (role_type)
);

comment on table caas_rules is 'Published rules: nothing computed with another version is written to the cache.';
comment on column caas_rules.role_type is 'The role that the rule scores.';
comment on column caas_rules.version is 'Version of the rule; null: it was withdrawn.';
comment on column caas_rules.published_at is 'When it was published.';
comment on column caas_rules.withdrawn is 'Versions that an operator replaced: no worker publishes them by itself.';
