-- Lets profiles.caas_score follow the cache. Reads caas_scores, writes profiles.caas_score and caas_score_follow.
--
-- The one write to a table of the application's: in a short transaction of its own, only where the value differs, and
-- only to rows that nobody holds. Who never waits is in no deadlock. What was skipped stays listed for a later call.
-- A total is taken off the list only if it is still the one that was copied: a newer one may have been listed
-- meanwhile, and the delete looks at the row as it is then.
-- public is on the search_path because the application's own triggers on profiles run under it.
create or replace function caas_follow(
    profile_ids uuid[],
    max_profiles integer
)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, public, pg_temp
set row_security = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    free uuid[];
    followed integer;
begin
    insert into public.caas_score_follow (profile_id, total_score)
    select
        s.profile_id,
        s.total_score
    from public.caas_scores as s
    where s.profile_id = any(profile_ids)
        and exists(
            select
            from public.profiles as p
            where p.id = s.profile_id
                and p.caas_score is distinct from s.total_score
        )
    order by s.profile_id
    on conflict (profile_id) do nothing;

    if profile_ids is not null then
        select array_agg(l.id)
        into free
        from (
            select p.id
            from public.caas_score_follow as f
            cross join lateral (
                select held.id
                from public.profiles as held
                where held.id = f.profile_id
                for no key update skip locked
            ) as p
            where f.profile_id = any(profile_ids)
        ) as l;
    else
        select array_agg(l.id)
        into free
        from (
            select p.id
            from public.caas_score_follow as f
            cross join lateral (
                select held.id
                from public.profiles as held
                where held.id = f.profile_id
                for no key update skip locked
            ) as p
            order by f.profile_id
            limit max_profiles
        ) as l;
    end if;
    update public.profiles as p
    set caas_score = (
        select f.total_score
        from public.caas_score_follow as f
        where f.profile_id = p.id
    )
    where p.id = any(free)
        and p.caas_score is distinct from (
            select f.total_score
            from public.caas_score_follow as f
            where f.profile_id = p.id
        );
    get diagnostics followed = row_count;
    delete from public.caas_score_follow as f
    where f.profile_id = any(free)
        and f.total_score = (
            select p.caas_score
            from public.profiles as p
            where p.id = f.profile_id
        );
    return followed;
end;
$function$;

comment on function caas_follow(uuid[], integer) is
    'Copies the totals of the given profiles, or of those still listed, to profiles.caas_score; returns how many.';
