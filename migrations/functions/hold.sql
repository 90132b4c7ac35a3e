-- Pins the published score of a profile and has the rule compute underneath. Reads profiles, writes caas.holds,
-- caas.scores and caas.score_follow, and what caas.recalculate does.
--
-- The entry of the queue is taken first: whoever is publishing the profile's score holds it, so that this waits for
-- them, and whoever publishes later sees the hold. The cache changes at once, also where no computation succeeds.
-- A hold that stands is replaced, and stays in the trail.
create or replace function caas.hold(
    held_profile uuid,
    held_score integer,
    held_for text,
    held_by text,
    held_until timestamptz default null,
    follow boolean default true
)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    asked bigint;
    -- what lies beyond the calendar of readers, infinity among it, is no end
    ends timestamptz := case when held_until < '9999-01-01 00:00:00+00' then held_until end;
begin
    if held_score is null or held_score not between 0 and 100 then
        raise exception 'a score from 0 to 100 is needed' using errcode = 'invalid_parameter_value';
    end if;
    if held_for is null or btrim(held_for) = '' or held_by is null or btrim(held_by) = '' then
        raise exception 'a reason and an actor are needed' using errcode = 'invalid_parameter_value';
    end if;
    if held_until <= clock_timestamp() then
        raise exception 'a hold has to end in the future' using errcode = 'invalid_parameter_value';
    end if;
    if not exists(select from caas.source_profiles as p where p.id = held_profile) then
        return null;
    end if;
    select r.generation
    into asked
    from caas.recalculate(array[held_profile], 'hold'::text, 0) as r;
    update caas.holds as h
    set
        released_at = clock_timestamp(),
        released_by = left(btrim(held_by), 200)
    where h.profile_id = held_profile
        and h.released_at is null;
    insert into caas.holds (profile_id, score, reason, actor, held_at, expires_at)
    values (
        held_profile,
        held_score,
        left(btrim(held_for), 1000),
        left(btrim(held_by), 200),
        now(),
        ends
    );
    update caas.scores as s
    set
        computed_score = coalesce(s.computed_score, s.total_score),
        total_score = held_score,
        next_due_at = least(s.next_due_at, ends),
        swept = false
    where s.profile_id = held_profile;
    perform caas.list_to_follow(held_profile, follow);
    return asked;
end;
$function$;

comment on function caas.hold(uuid, integer, text, text, timestamptz, boolean) is
    'Pins a score; returns the generation to wait for, null where there is no such profile.';
