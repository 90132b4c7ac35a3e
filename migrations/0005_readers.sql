-- Who sees which scores: row-level security on the cache. A migration of its own, because it takes the cache's
-- exclusive lock for a moment.
--
-- The policy that lets workers see and write every row names a role of the server's, which may be missing now:
-- migrate up creates it as soon as the role exists (caas_worker/sql/roles.sql).

-- The comparison is one of texts, so that a setting that is no uuid names nobody instead of failing the query.
create policy caas_readers_see_tutors_clients_and_themselves on caas_scores
for select
using (
    role_type in ('TUTOR', 'CLIENT')
    or profile_id::text = lower(current_setting('caas.profile_id', true))
);

comment on policy caas_readers_see_tutors_clients_and_themselves on caas_scores is
    'Whoever may read sees tutors and clients, and everyone the row named by caas.profile_id.';

alter table caas_scores enable row level security;

-- Read as its owner, whom row-level security leaves alone: functions with row_security = off could read the table
-- itself as nobody but its owner. The columns are those that they need.
create view caas_every_score as
select
    profile_id,
    total_score
from caas_scores;

comment on view caas_every_score is 'Every cached total, for workers: not subject to row-level security.';
comment on column caas_every_score.profile_id is 'Whose score this is.';
comment on column caas_every_score.total_score is 'The score.';

-- The database's default privileges may have opened the view to the application's roles.
do $$
declare
    grantee text;
begin
    for grantee in
        select distinct case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_class as c
        cross join aclexplode(c.relacl) as a
        where c.oid = 'caas_every_score'::regclass
            and a.grantee <> c.relowner
    loop
        execute format('revoke all on caas_every_score from %s', grantee);
    end loop;
end;
$$;

-- Where no policy lets a role write, row-level security makes its updates and deletes find no rows, in silence. A
-- worker like that would leave scores as they are for good: so its statements fail.
create function caas_refuse_strangers()
returns trigger
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
begin
    if not row_security_active(tg_relid) then
        return null;
    end if;
    if not exists(
        select
        from pg_policy as p
        cross join unnest(p.polroles) as r (role)
        where p.polrelid = tg_relid
            and p.polcmd = '*'
            and case when r.role = 0 then true else pg_has_role(r.role, 'usage') end
    ) then
        raise exception 'row-level security lets % see some scores and write none', current_user
            using
                errcode = 'insufficient_privilege',
                hint = format('run: grant caas_worker to %I', current_user);
    end if;
    return null;
end;
$function$;

revoke all on function caas_refuse_strangers() from public;

comment on function caas_refuse_strangers() is
    'Makes writes of the cache fail for roles whose updates and deletes a policy would filter.';

create trigger caas_refuse_strangers
before insert or update or delete on caas_scores
for each statement execute function caas_refuse_strangers();
