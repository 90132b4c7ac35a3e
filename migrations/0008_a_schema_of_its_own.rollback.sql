-- Back to the schema public, under the old names; views, policies and the functions of this release are gone already.
do $$
declare
    names constant text[] := '{
        recalculation_queue, dead_entries, score_follow, rules, workers, holds, touched_cells, cell_states, pair_cells,
        pair_sums, daily_events, scores, changes, migrations
    }';
    quality_names constant text[] := '{
        tutor_daily_aggregates, tutor_performance_metrics, tutor_scores, session_scores, tutor_alerts,
        tutor_performance_summaries, tutor_thresholds, email_reports
    }';
    relation text;
    part record;
begin
    drop view public.caas_scores;
    drop view if exists public.caas_changes;
    comment on schema caas is null;
    for part in
        select
            c.conrelid::regclass::text as relation,
            c.conname as name
        from pg_constraint as c
        inner join pg_class as r on r.oid = c.conrelid
        where c.connamespace = 'caas'::regnamespace
            and r.relname = any(names)
            and c.conname like r.relname || '\_%'
    loop
        execute format('alter table %s rename constraint %I to %I', part.relation, part.name, 'caas_' || part.name);
    end loop;
    for part in
        select
            case c.relkind when 'S' then 'sequence' else 'index' end as kind,
            c.relname as name
        from pg_class as c
        where c.relnamespace = 'caas'::regnamespace
            and (
                c.oid in (
                    select i.indexrelid
                    from pg_index as i
                    inner join pg_class as r on r.oid = i.indrelid
                    where r.relname = any(names)
                        and not exists (
                            select
                            from pg_constraint as k
                            where k.conindid = i.indexrelid
                        )
                )
                or c.relkind = 'S' and c.oid in (
                    select d.objid
                    from pg_depend as d
                    inner join pg_class as r on r.oid = d.refobjid
                    where d.classid = 'pg_class'::regclass
                        and d.deptype = 'i'
                        and r.relname = any(names)
                )
            )
    loop
        execute format('alter %s caas.%I rename to %I', part.kind, part.name, 'caas_' || part.name);
    end loop;
    alter sequence caas.generation rename to caas_generation;
    alter sequence caas.caas_generation set schema public;
    foreach relation in array names loop
        execute format('alter table caas.%I rename to %I', relation, 'caas_' || relation);
        execute format('alter table caas.%I set schema public', 'caas_' || relation);
    end loop;
    foreach relation in array quality_names loop
        execute format('alter table caas.%I set schema public', relation);
    end loop;
end;
$$;

create policy caas_readers_see_tutors_clients_and_themselves on public.caas_scores
for select
using (
    role_type in ('TUTOR', 'CLIENT')
    or profile_id::text = lower(current_setting('caas.profile_id', true))
);

comment on policy caas_readers_see_tutors_clients_and_themselves on public.caas_scores is
    'Whoever may read sees tutors and clients, and everyone the row named by caas.profile_id.';

alter table public.caas_scores enable row level security;

-- Read as its owner, whom row-level security leaves alone: functions with row_security = off could read the table
-- itself as nobody but its owner. The columns are those that they need.
create view public.caas_every_score as
select
    profile_id,
    total_score
from public.caas_scores;

comment on view public.caas_every_score is 'Every cached total, for workers: not subject to row-level security.';
comment on column public.caas_every_score.profile_id is 'Whose score this is.';
comment on column public.caas_every_score.total_score is 'The score.';

-- The database's default privileges may have opened the view to the application's roles.
do $$
declare
    grantee text;
begin
    for grantee in
        select distinct case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_class as c
        cross join aclexplode(c.relacl) as a
        where c.oid = 'public.caas_every_score'::regclass
            and a.grantee <> c.relowner
    loop
        execute format('revoke all on public.caas_every_score from %s', grantee);
    end loop;
end;
$$;

-- Where no policy lets a role write, row-level security makes its updates and deletes find no rows, in silence. A
-- worker like that would leave scores as they are for good: so its statements fail.
create function public.caas_refuse_strangers()
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

revoke all on function public.caas_refuse_strangers() from public;

comment on function public.caas_refuse_strangers() is
    'Makes writes of the cache fail for roles whose updates and deletes a policy would filter.';

create trigger caas_refuse_strangers
before insert or update or delete on public.caas_scores
for each statement execute function public.caas_refuse_strangers();
