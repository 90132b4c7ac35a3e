-- Every value of the sample is a function of the seed, a number (or id) and the question that it answers, so that
-- neither a plan nor the size of a chunk changes a row.

-- name: create

set local search_path = public;
set local timezone = 'UTC';
set local work_mem = '64MB';
set local jit = off;

create function pg_temp.chance(question text, number bigint)
returns double precision
language sql
immutable
return (
    (hashint8extended(number, hashtextextended(question, ({seed}))) >> 11) & 9007199254740991
) / 9007199254740992.0::double precision;

create function pg_temp.chance(question text, id uuid)
returns double precision
language sql
immutable
return (
    (uuid_hash_extended(id, hashtextextended(question, ({seed}))) >> 11) & 9007199254740991
) / 9007199254740992.0::double precision;

create function pg_temp.pick(question text, number bigint, choices anyarray)
returns anyelement
language sql
immutable
as $$
    select choices[1 + floor(pg_temp.chance(question, number) * cardinality(choices))::integer]
$$;

create function pg_temp.pick(question text, id uuid, choices anyarray)
returns anyelement
language sql
immutable
as $$
    select choices[1 + floor(pg_temp.chance(question, id) * cardinality(choices))::integer]
$$;

create function pg_temp.sample_id(kind text, number bigint)
returns uuid
language sql
immutable
return md5(({seed})::text || ':' || kind || ':' || number::text)::uuid;

create function pg_temp.sample_id(kind text, id uuid)
returns uuid
language sql
immutable
return md5(({seed})::text || ':' || kind || ':' || id::text)::uuid;

create function pg_temp.days(number double precision)
returns interval
language sql
immutable
return make_interval(secs => 86400 * number);

create function pg_temp.teaching_days(tutor bigint)
returns integer
language sql
immutable
return 20 + floor(345 * sqrt(pg_temp.chance('teaching days', tutor)))::integer;

-- name: drop

drop function pg_temp.pick(text, bigint, anyarray);
drop function pg_temp.pick(text, uuid, anyarray);
drop function pg_temp.sample_id(text, bigint);
drop function pg_temp.sample_id(text, uuid);
drop function pg_temp.days(double precision);
drop function pg_temp.teaching_days(bigint);
drop function pg_temp.chance(text, bigint);
drop function pg_temp.chance(text, uuid);
