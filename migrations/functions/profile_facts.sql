-- Facts of the profiles that rules read besides statistics. Reads profiles and role_details. One row per existing
-- profile: an id without a row has no profile. role_details maps the upper-case role type to its details. Dates end
-- where those of a client's calendar do: infinity comes as the year 9999. Texts, roles and qualifications are bounded
-- before anything is built of them. (Held by tests/integration/test_odd_data.py.)
create or replace function caas.profile_facts(profile_ids uuid[])
returns table (
    profile_id uuid,
    roles text[],
    identity_verified boolean,
    dbs_verified boolean,
    dbs_expiry_date timestamptz,
    available_free_help boolean,
    bio text,
    bio_video_url text,
    avatar_url text,
    business_verified boolean,
    role_details jsonb
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
#variable_conflict use_column
declare
    -- bounds of what is read of one profile: whoever writes a profile may write anything
    most_roles constant integer := 50;
    most_characters constant integer := 1000;
    most_bytes constant integer := 100000;
    blanks constant text := e' \t\n\r\f\v';
begin
    return query
    select
        p.id,
        -- also of an array of arrays: its elements
        array(
            select left(r.carried, most_characters)
            from unnest(p.roles) as r (carried)
            limit most_roles
        ),
        coalesce(p.identity_verified, false),
        coalesce(p.dbs_verified, false),
        -- not of a null: of that and a date, both would take the date
        case
            when p.dbs_expiry_date is not null
                then least(greatest(p.dbs_expiry_date, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00')
        end,
        coalesce(p.available_free_help, false),
        case when length(p.bio) > most_characters then left(btrim(p.bio, blanks), most_characters) else p.bio end,
        left(btrim(p.bio_video_url, blanks), most_characters),
        left(btrim(p.avatar_url, blanks), most_characters),
        coalesce(p.business_verified, false),
        (
            select
                coalesce(
                    jsonb_object_agg(
                        upper(left(d.role_type, most_characters)),
                        jsonb_build_object(
                            'degree_level', left(d.degree_level, most_characters),
                            -- as text: who reads it copes with what can't be read. The size is that on disk, which
                            -- costs nothing to ask, and compression has its limits
                            'qualifications',
                            case when pg_column_size(d.qualifications) <= most_bytes then d.qualifications::text end,
                            'is_too_long', pg_column_size(d.qualifications) > most_bytes,
                            'teaching_experience', d.teaching_experience
                        )
                        -- of TUTOR and tutor, the last one written wins: the exact spelling
                        order by d.role_type collate "C" desc
                    ),
                    '{}'
                )
            from (
                select told.*
                from caas.source_role_details as told
                where told.profile_id = p.id
                order by length(told.role_type), told.role_type collate "C"
                limit most_roles
            ) as d
        )
    from caas.source_profiles as p
    where p.id = any(profile_ids);
end;
$function$;

comment on function caas.profile_facts(uuid[]) is
    'Roles, verifications, texts and role details of the profiles that exist.';
