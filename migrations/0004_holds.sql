-- Holds: scores pinned by hand. The rule goes on computing underneath.

create table caas_holds (
    id bigint generated always as identity,
    profile_id uuid not null,
    score smallint not null,
    reason text not null,
    actor text not null,
    held_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    released_at timestamptz,
    released_by text,
    constraint caas_holds_are_numbered primary key (id),
    constraint caas_holds_are_between_0_and_100 check (score between 0 and 100),
    constraint caas_holds_end_after_they_began check (expires_at > held_at),
    constraint caas_holds_say_who_released_them check ((released_at is null) = (released_by is null))
);

create unique index caas_holds_one_at_a_time on caas_holds (profile_id) where released_at is null;
create index caas_holds_of_a_profile on caas_holds (profile_id, id);

comment on table caas_holds is
    'Scores pinned by hand, with who and why: those that stand, and as an audit trail those that ended.';
comment on column caas_holds.id is 'Only a name and an order.';
comment on column caas_holds.profile_id is 'Whose score is pinned.';
comment on column caas_holds.score is 'The score that is published instead of the computed one.';
comment on column caas_holds.reason is 'Why, in words.';
comment on column caas_holds.actor is 'Who pinned it.';
comment on column caas_holds.held_at is 'Since when.';
comment on column caas_holds.expires_at is 'When it ends by itself; null: never.';
comment on column caas_holds.released_at is 'When it was ended by hand or replaced; null: not by hand.';
comment on column caas_holds.released_by is 'Who ended or replaced it.';

alter table caas_scores add column computed_score smallint;

comment on column caas_scores.computed_score is
    'What the rule computed, while a hold pins total_score; null: there is no hold, total_score is the computed one.';
