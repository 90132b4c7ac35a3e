-- Lets profiles.caas_score follow the cache. Reads caas.scores, writes profiles.caas_score and
-- caas.score_follow.
--
-- The one write to a table of the application's: in a short transaction of its own, only where the value differs, and
-- only to rows that nobody holds. Who never waits is in no deadlock. What was skipped stays listed for a later call.
-- A listed row is held from before its total is read until it is struck off: a newer total that is published meanwhile
-- waits to be listed (caas.cache), and is listed anew. Rows that a publishing batch holds are skipped.
-- Of the given profiles, those are compared too that are not listed: the application may have written the column.
-- What a trigger of the application's drops, or writes back, is not taken for followed: it stays listed, or is listed,
-- behind all others.
-- Scores are looked up in place, not by exists: that becomes a join, which a plan made on an empty table may merge
-- through all of them.
-- public is on the search_path because the application's own triggers on profiles run under it. So every function and
-- operator whose types are not exactly those of one in pg_catalog names its schema: whoever may create in public could
-- otherwise offer a closer match, and have the worker run it. (Held by tests/security/test_escalation.py.)
create or replace function caas.follow(profile_ids uuid[])
returns table (followed integer, refused integer)
language plpgsql
volatile
set search_path = pg_catalog, public, pg_temp
set row_security = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
declare
    listed uuid[];
    differing uuid[];
    wanted uuid[];
    taken uuid[];
    kept uuid[];
begin
    select pg_catalog.array_agg(l.profile_id)
    into listed
    from (
        select f.profile_id
        from caas.score_follow as f
        cross join lateral (
            select held.id
            from public.profiles as held
            where held.id = f.profile_id
            for no key update skip locked
        ) as p
        where f.profile_id = any(profile_ids)
        for update of f skip locked
    ) as l;
    select pg_catalog.array_agg(d.id)
    into differing
    from (
        select p.id
        from public.profiles as p
        where p.id = any(profile_ids)
            and (
                select s.total_score::numeric is distinct from p.caas_score::numeric
                from caas.scores as s
                where s.profile_id = p.id
            )
            and (
                select f.profile_id
                from caas.score_follow as f
                where f.profile_id = p.id
            ) is null
        for no key update skip locked
    ) as d;
    select pg_catalog.array_agg(p.id)
    into wanted
    from public.profiles as p
    where p.id = any(pg_catalog.array_cat(listed, differing))
        and (
            select s.total_score::numeric is distinct from p.caas_score::numeric
            from caas.scores as s
            where s.profile_id = p.id
        );
    with written as (
        update public.profiles as p
        set caas_score = (
            select s.total_score
            from caas.scores as s
            where s.profile_id = p.id
        )
        where p.id = any(wanted)
        returning p.id, p.caas_score
    )

    select pg_catalog.array_agg(w.id)
    into taken
    from written as w
    where (
        select s.total_score::numeric is not distinct from w.caas_score::numeric
        from caas.scores as s
        where s.profile_id = w.id
    );
    select pg_catalog.array_agg(w.id order by w.id)
    into kept
    from pg_catalog.unnest(wanted) as w (id)
    where (w.id = any(taken)) is not true;
    delete from caas.score_follow as f
    where f.profile_id = any(listed)
        and (f.profile_id = any(kept)) is not true;
    insert into caas.score_follow as f (profile_id, tried_at)
    select
        k.id,
        pg_catalog.clock_timestamp()
    from pg_catalog.unnest(kept) as k (id)
    on conflict (profile_id) do update
        set tried_at = excluded.tried_at;
    followed := coalesce(pg_catalog.cardinality(taken), 0);
    refused := coalesce(pg_catalog.cardinality(kept), 0);
    return next;
end;
$function$;

comment on function caas.follow(uuid[]) is
    'Copies totals of the given profiles to profiles.caas_score; returns how many rows took them, how many did not.';
