-- Lets profiles.caas_score follow the cache. Reads caas_scores, writes profiles.caas_score and caas_score_follow.
--
-- The one write to a table of the application's: in a short transaction of its own, only where the value differs, and
-- only to rows that nobody holds. Who never waits is in no deadlock. What was skipped stays listed for the next call.
create or replace function caas_follow(
    profile_ids uuid[],
    max_profiles integer
)
returns table (followed integer, skipped integer)
language plpgsql
volatile
set search_path = pg_catalog, public, pg_temp
set row_security = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    pending uuid[];
    held uuid[];
    free uuid[];
begin
    if profile_ids is null then
        select array_agg(l.profile_id)
        into pending
        from (
            select f.profile_id
            from caas_score_follow as f
            order by f.profile_id
            limit max_profiles
            for update skip locked
        ) as l;
    else
        select array_agg(l.profile_id)
        into pending
        from (
            select f.profile_id
            from caas_score_follow as f
            where f.profile_id = any(profile_ids)
            for update skip locked
        ) as l;
    end if;
    select array_agg(l.id)
    into free
    from (
        select p.id
        from profiles as p
        where p.id = any(pending)
        for no key update skip locked
    ) as l;
    update profiles as p
    set caas_score = (
        select s.total_score
        from caas_scores as s
        where s.profile_id = p.id
    )
    where p.id = any(free)
        and p.caas_score <> (
            select s.total_score
            from caas_scores as s
            where s.profile_id = p.id
        );
    get diagnostics followed = row_count;
    select array_agg(p.id)
    into held
    from profiles as p
    where p.id = any(array(
        select unnest(pending)
        except
        select unnest(free)
    ));
    skipped := coalesce(cardinality(held), 0);
    delete from caas_score_follow as f
    where f.profile_id = any(array(
        select unnest(pending)
        except
        select unnest(held)
    ));
    return next;
end;
$function$;

comment on function caas_follow(uuid[], integer) is
    'Copies the totals of the given profiles, or of those still listed, to profiles.caas_score.';
