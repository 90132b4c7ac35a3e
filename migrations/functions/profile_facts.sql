-- Facts of the profiles that rules read besides statistics. Reads profiles and role_details. One row per existing
-- profile: an id without a row has no profile. role_details maps the upper-case role type to its details. Dates end
-- where those of a client's calendar do: infinity comes as the year 9999.
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
begin
    return query
    select
        p.id,
        p.roles::text[],
        coalesce(p.identity_verified, false),
        coalesce(p.dbs_verified, false),
        -- not of a null: of that and a date, both would take the date
        case
            when p.dbs_expiry_date is not null
                then least(greatest(p.dbs_expiry_date, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00')
        end,
        coalesce(p.available_free_help, false),
        p.bio::text,
        p.bio_video_url::text,
        p.avatar_url::text,
        coalesce(p.business_verified, false),
        (
            select
                coalesce(
                    jsonb_object_agg(
                        upper(d.role_type),
                        jsonb_build_object(
                            'degree_level', d.degree_level,
                            'qualifications', d.qualifications,
                            'teaching_experience', d.teaching_experience
                        )
                        -- of TUTOR and tutor, the last one written wins: the exact spelling
                        order by d.role_type collate "C" desc
                    ),
                    '{}'
                )
            from caas.source_role_details as d
            where d.profile_id = p.id
        )
    from caas.source_profiles as p
    where p.id = any(profile_ids);
end;
$function$;

comment on function caas.profile_facts(uuid[]) is
    'Roles, verifications, texts and role details of the profiles that exist.';
