-- What the rule computed is the score again, for profiles.caas_score and for the agents of who was held as well.
with released as (
    update caas_scores
    set total_score = computed_score
    where computed_score is not null
    returning profile_id
),

marked as (
    insert into caas_changes (reason, priority, profile_id)
    select
        'release',
        90,
        r.profile_id
    from released as r
)

insert into caas_score_follow (profile_id)
select r.profile_id
from released as r
on conflict (profile_id) do nothing;

alter table caas_scores drop column computed_score;
drop table caas_holds;
