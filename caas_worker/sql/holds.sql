-- hold: pin a score
select caas.hold(
    %(profile_id)s::uuid,
    %(score)s::integer,
    %(reason)s::text,
    %(actor)s::text,
    clock_timestamp() + make_interval(secs => %(seconds)s::double precision),
    %(follow)s::boolean
);

-- release: end a hold
select caas.release_hold(%(profile_id)s::uuid, %(actor)s::text, %(follow)s::boolean);

-- holds: those that stand, or every one of a profile, the newest first
select
    h.id,
    h.profile_id,
    h.score,
    h.reason,
    h.actor,
    h.held_at,
    h.expires_at,
    h.released_at,
    h.released_by,
    h.released_at is null and (h.expires_at is null or h.expires_at > clock_timestamp()) as stands
from caas.holds as h
where case
        when %(profile_id)s::uuid is not null then h.profile_id = %(profile_id)s::uuid
        else h.released_at is null and (h.expires_at is null or h.expires_at > clock_timestamp())
    end
order by h.id desc
limit %(most)s::integer;
