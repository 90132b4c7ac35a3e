-- Marks every profile and every cached score with one row, which fold expands piece by piece.
-- Reads and writes caas.changes. Where such a mark stands already and is not yet begun, that one serves:
-- it is locked, so that no fold begins it before this transaction's own changes are committed.
create or replace function caas.enqueue_everyone(
    reason text,
    priority integer default 90
)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    mark bigint;
begin
    if priority is null or priority not in (0, 10, 50, 90) or reason is null or btrim(reason) = '' then
        raise exception 'a reason is needed, and a priority of 0, 10, 50 or 90'
            using errcode = 'invalid_parameter_value';
    end if;
    select c.id
    into mark
    from caas.changes as c
    where c.everyone
        and c.profile_id is null
        and c.priority = enqueue_everyone.priority
    order by c.id
    limit 1
    for update skip locked;
    if mark is null then
        insert into caas.changes (reason, priority, everyone)
        values (left(btrim(enqueue_everyone.reason), 100), enqueue_everyone.priority, true)
        returning id into mark;
    end if;
    return mark;
end;
$function$;

comment on function caas.enqueue_everyone(text, integer) is
    'Marks everyone, by default at backfill priority; returns the id of the mark.';
