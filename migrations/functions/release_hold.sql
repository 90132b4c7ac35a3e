-- Ends the hold of a profile: what the rule computed underneath is the score again at once, and is computed anew.
-- Reads and writes what caas.hold does, in the same order.
create or replace function caas.release_hold(
    held_profile uuid,
    ended_by text,
    follow boolean default true
)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    asked bigint;
begin
    if ended_by is null or btrim(ended_by) = '' then
        raise exception 'an actor is needed' using errcode = 'invalid_parameter_value';
    end if;
    if not exists(
        select
        from caas.holds as h
        where h.profile_id = held_profile
            and h.released_at is null
            and (
                h.expires_at is null
                or h.expires_at > clock_timestamp()
                -- over, and nobody has computed the profile since
                or exists(
                    select
                    from caas.scores as s
                    where s.profile_id = held_profile
                        and s.computed_score is not null
                )
            )
    ) then
        return null;
    end if;
    select r.generation
    into asked
    from caas.recalculate(array[held_profile], 'release'::text, 0) as r;
    update caas.holds as h
    set
        released_at = clock_timestamp(),
        released_by = left(btrim(ended_by), 200)
    where h.profile_id = held_profile
        and h.released_at is null;
    update caas.scores as s
    set
        total_score = s.computed_score,
        computed_score = null
    where s.profile_id = held_profile
        and s.computed_score is not null;
    perform caas.list_to_follow(held_profile, follow);
    return asked;
end;
$function$;

comment on function caas.release_hold(uuid, text, boolean) is
    'Ends a hold; returns the generation to wait for, null where none stands.';
