-- Expands the oldest mark of everyone by its next profiles, in the order of their ids: reads profiles, and
-- caas.scores and caas.dead_entries, whose profiles may be gone; appends ordinary marks. The mark remembers how
-- far it came.
create or replace function caas.expand(max_profiles integer)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set jit = off
as $function$
declare
    mark caas.changes;
    reached uuid;
    expanded integer;
begin
    select c.*
    into mark
    from caas.changes as c
    where c.everyone
    order by c.id
    limit 1
    for update skip locked;
    if mark.id is null then
        return null;
    end if;
    with known as (
        (
            select p.id
            from caas.source_profiles as p
            where p.id > coalesce(mark.profile_id, '00000000-0000-0000-0000-000000000000')
                or (mark.profile_id is null and p.id = '00000000-0000-0000-0000-000000000000')
            order by p.id
            limit max_profiles
        )
        union
        (
            select s.profile_id
            from caas.scores as s
            where s.profile_id > coalesce(mark.profile_id, '00000000-0000-0000-0000-000000000000')
                or (mark.profile_id is null and s.profile_id = '00000000-0000-0000-0000-000000000000')
            order by s.profile_id
            limit max_profiles
        )
        union
        (
            select d.profile_id
            from caas.dead_entries as d
            where d.profile_id > coalesce(mark.profile_id, '00000000-0000-0000-0000-000000000000')
                or (mark.profile_id is null and d.profile_id = '00000000-0000-0000-0000-000000000000')
            order by d.profile_id
            limit max_profiles
        )
    ),

    next_ones as (
        select k.id
        from known as k
        order by k.id
        limit max_profiles
    ),

    marked as (
        insert into caas.changes (reason, priority, changed_at, profile_id, whole)
        select
            mark.reason,
            mark.priority,
            mark.changed_at,
            n.id,
            true
        from next_ones as n
        order by n.id
        returning profile_id
    )

    select
        count(*),
        (array_agg(m.profile_id order by m.profile_id desc))[1]
    into expanded, reached
    from marked as m;
    if expanded < max_profiles then
        delete from caas.changes as c
        where c.id = mark.id;
    else
        update caas.changes as c
        set profile_id = reached
        where c.id = mark.id;
    end if;
    return expanded;
end;
$function$;

comment on function caas.expand(integer) is
    'Turns the next profiles of the oldest mark of everyone into marks of their own; returns how many, null for none.';
