-- publish: make these rules the published ones
select
    refused,
    published
from caas.publish_rules(%(rules)s::jsonb, %(anyway)s::boolean);

-- published: versions by role
select
    role_type,
    version
from caas.rules;

-- time_in_zone: an error where there is no such zone
select now() at time zone %(zone)s::text;
