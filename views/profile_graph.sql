-- The application's table profile_graph as the rules read it: each column by name, as one type. Nothing of ours reads
-- the table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release goes
-- before.
create view caas.source_profile_graph as
select
    g.id::uuid as id,
    g.source_profile_id::uuid as source_profile_id,
    g.target_profile_id::uuid as target_profile_id,
    g.relationship_type::text as relationship_type,
    g.status::text as status,
    g.created_at::timestamptz as created_at
from public.profile_graph as g;

comment on view caas.source_profile_graph is 'Who knows or recruited whom.';
comment on column caas.source_profile_graph.id is 'The edge.';
comment on column caas.source_profile_graph.source_profile_id is 'From whom.';
comment on column caas.source_profile_graph.target_profile_id is 'To whom.';
comment on column caas.source_profile_graph.relationship_type is 'SOCIAL or AGENT_REFERRAL.';
comment on column caas.source_profile_graph.status is 'PENDING, ACTIVE or BLOCKED.';
comment on column caas.source_profile_graph.created_at is 'Since when.';
