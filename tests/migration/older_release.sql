-- What the release before the schema caas installed in public besides its migrations 0001 to 0007, which this folder's
-- older_release.py runs as they are: rows of the ledger, functions, guard views, triggers, the workers' policy and grants.
-- Read from the catalog of an installation that it made; function bodies have lost their comments and line breaks.
insert into public.caas_migrations (name, sha256) values
('functions/caas_agent_stats.sql', '862c0443a7d7cc06e32b00336c566aefc3fb44699b7a6a744d71219d56d46b2b'),
('functions/caas_attach.sql', '9e1af826f1a09c4461bfebca915be2488b73cbdc5689624d9c3a1008705eeb1f'),
('functions/caas_cache.sql', 'ac596bf97478c27c16c6e3fa86e2663afce455b041354e40e0fd2d80ae73ede2'),
('functions/caas_cascade.sql', 'e089406b5cb350d4a09e15a82fd1693c8f0461a2ba94d18f7f6ec38f89a8355c'),
('functions/caas_claim.sql', '20cd375f1f1c1956b556e4a8cd6342afefe34c49ad4f8e7d5b2f4160ca58ff19'),
('functions/caas_client_stats.sql', '62cd0b9852c3d1f4ce9e9f044e87d3e9b608468e0fd64e6f27ed58ac8cdf3df5'),
('functions/caas_count_pairs.sql', '505ba644ea2c6dcf71022dcd666f8962830844729b7fae0baa4f206977bd5d0e'),
('functions/caas_digital_stats.sql', '26c32cd8d848eaec615782466eb03a249982637d6e2eabea953b5a5ff315faac'),
('functions/caas_doubt_pairs.sql', 'a3a8968197308c23994f0162b30949bb274f0d5c25420e391c5be798464031b9'),
('functions/caas_enqueue.sql', '45dbf14a11925f5d59e3f29a60d95e056f38dccd2bf1ce6f7e6acb6ba6ac4a12'),
('functions/caas_enqueue_everyone.sql', 'a179dacaae500cb69e4d6c0818287d5087a9e72e63c22c130e0e3efe33569a02'),
('functions/caas_expand.sql', 'ca8de447f4666d341e107048bd8c3409dc0986a57a5c5dc55fcd6152a19ff26f'),
('functions/caas_fail.sql', '4748222c7f35203b6df72aaf6e8d6b4f16d609e369450eba82e30a9769b0ad04'),
('functions/caas_first_sessions.sql', 'eac5f56e6c3d45d7a950fb0e945c71e0f28cd0f4d784d75e90afafd75e18bb7f'),
('functions/caas_fold.sql', 'af2cd0d94f0591500d278014652b721ae6f874158fab4821a7b2622530c2c442'),
('functions/caas_follow.sql', 'ed3449f62511985ffd84dce9ebecc81a92e7e660c51aecf5a7e06552302941f3'),
('functions/caas_forget.sql', '318ab3dfe73f8d9b9dbbf6deab1aa49e92bb3f04a0b4d1212896e27a1ff5efe5'),
('functions/caas_hold.sql', '4816eaef23552eef6970272548d6281524c403399bbf7f7288ec336a6c00d944'),
('functions/caas_link_stats.sql', 'd850f209c6bbc0a32c0d750cc35ffd620f87aeb09e1d63ef51e22721108bfa3f'),
('functions/caas_list_to_follow.sql', '059ea90585483f576d26588af1d93081f354b4f961c22b6acd1a0ff44bd26d5d'),
('functions/caas_lock_claimed.sql', '5227bebe0e6617efcafb41c3b39c0b02152686c7efbf02cf61b4acd367e48ff5'),
('functions/caas_merge_reasons.sql', 'f6e69217de524b71c497e7897cb938edf5ae27153784ebd297db361aaf831e1a'),
('functions/caas_network_stats.sql', '5377e0182206f61763173ee1c8e6215f2ffa87aad487e7e1aead615bf4f6dc1e'),
('functions/caas_other_rules.sql', 'c84fd61a41b8ebba5b0960f0303535ec7c7a3110d8a7606db7383ad7a6ee9a0e'),
('functions/caas_performance_stats.sql', '0fd6cbb6a097af07006890f5653498e95022a66fd9d95ebb0ed4098e47c66427'),
('functions/caas_profile_facts.sql', '2bfdb30f5440359fbbb66364371832e595c659e24c0ebd894ca54bde24dbe235'),
('functions/caas_publish_quality.sql', '5bc45acceed3035512fd952a744e225d1fca44102cf512675e52f146c7432696'),
('functions/caas_publish_rules.sql', 'e2b28f105d99498c6090209ae9dc6f27199f3216624b2ddbafa3b68d5b3664ed'),
('functions/caas_quality_sums.sql', '5d07533a63af9d0ab2eedd167651497d13fa4bc45ccb7b2922139e630f3c9de7'),
('functions/caas_recalculate.sql', '5c04a163473af8da9f33ed30a3f973d0efbde50a9b4b279106d49882c3b56551'),
('functions/caas_refresh_days.sql', '0b1de13dee3026cc9bc36e65e90901c001273eb001dbacf5687a4b1220c8276d'),
('functions/caas_refresh_pairs.sql', '3709dfcc92ea8804df1256c90defccfc6cf53bdef6997ee1a8535cf058518ab1'),
('functions/caas_release.sql', '5fcd3b3a5615b7523259fcd4cb4b12627e82888f13dfb1344d397c6caba8bbaf'),
('functions/caas_release_hold.sql', 'bad3c847fa50c4061d00ea6b10522ac449fb5d9e7df1315038ed78728a718406'),
('functions/caas_role.sql', 'b53d00e95ae84553fec2e0cc5c314ac5700a5911c06c1f0f57d1615c7d0212c9'),
('functions/caas_sweep.sql', 'd905c6ff22501ab0e19b8d9fa35c1515df4c5e495caa6da52ca82700a435c2aa'),
('functions/caas_taught_sessions.sql', 'ad4ea1883a6789ff1ac9f8e0fb3ac2c2059d18204390bcbe1e26fe62a8a38816'),
('functions/caas_teaching_sums.sql', '32faed59ae853ad270af2435ea5eb7155c9894162844777c7d635c56fd12e2cd'),
('functions/caas_told_events.sql', '97e277fed98bd3b79c2902795facd6f2f57c5b574ee24021dd731114d373e225'),
('functions/caas_tutor_of.sql', '3bc7043a892a4f6a568078b669fc1e5d1ea70412561e5f7c5e351d5d424fbe9f'),
('functions/caas_wake.sql', '4e48615ba3798ad2f965fa4d866675005f211b2059dd66f0cb7577020a5f411f'),
('functions/caas_watch.sql', '89488c741953a64fcec7a0cc8a1e2dba63b8763f110eb3d56f210ffff2bdfde3'),
('functions/get_digital_stats.sql', '01449d59cbfcc4594c8d2d609086548a22d7021a9e2c3335d0fa956a41772c13'),
('functions/get_network_stats.sql', '405461bf5d0d47239acf245a2fe4b14997e24b744a6e79927ad774863b3d566f'),
('functions/get_performance_stats.sql', '7e5a81a52102115789bd64ec38790907298d9aa3f874d70fb5d34a031967d651'),
('migrations/0001_line.sql', 'ed9b00fe5403c3b50bc0030c5a90545306413837780d9a83b45a11c81306fdb5'),
('migrations/0002_time_agents_rules.sql', '8c60c884fddcd975eea45aadae478e4d3ac50de06de6a996ddab621a3dbbaa7b'),
('migrations/0003_index_of_what_falls_due.sql', 'bf4423a95674d018ed4607b3b35fbf011b86e31108f5909818acf128dd90eb8b'),
('migrations/0004_holds.sql', '14af3c64340d84fb85ff65754433f334dbb377b1428b81d26ed18b2c5de3b020'),
('migrations/0005_readers.sql', '7b947e75896612078dec7bb97539366ccd7332a0c6d846cbf1c172f415b4e08b'),
('migrations/0006_quality.sql', '3b091c167ca1f96245a367238a603f628249a2ccc4e4ff83bab23a454e90f272'),
('migrations/0007_cells_written.sql', 'cf811442faaab2e64a020ea94fe46a211ce72618a9e58ac903b15c48dca7d4f5'),
('triggers/bookings.sql', '3b60df52c36c32960c914e5a03c01782ee7bef843c7c64618917d93297a50c31'),
('triggers/listings.sql', 'e610ab3372b60aa29f52b49f835123982a844d5da8b8c48af98e744c7f2723a4'),
('triggers/platform_events.sql', '6e3a911a72d270c1392503cf97fbdded42c5219a3917a59f67cf86ef567407bd'),
('triggers/profile_graph.sql', '16cc1ee06796e9c241019cb24d5ff7f592725c833cdf925bf7edd662709a540e'),
('triggers/profile_reviews.sql', '83cfd846d820892f5a287661fff75c059c1f8dac1caf0eb800544c67a4c97ced'),
('triggers/profiles.sql', '17033efa20d8411c82993f0bf6ca0e308130258905b215c53096ff6e550a6cc2'),
('triggers/reschedules.sql', '89881138a574857b3747c6d33caeaacfb8a2067922e16c7a507c1355602a8dfe'),
('triggers/role_details.sql', '8e5db28d89538a1175476e18eb0ff2da723604b512936e5aa06542f1288f1612'),
('triggers/session_transcripts.sql', '7554005a90c223ea798d7131f5614653a9229016e3887bf6557b243136763ad4'),
('triggers/student_integration_links.sql', 'f5680731686afdcc1e6f9d26df1c79f11e4bfcf4b67b4d028666646a053515eb');
create function public.caas_agent_stats(profile_ids uuid[], as_of timestamp with time zone DEFAULT now())
RETURNS TABLE(profile_id uuid, recruits integer, recent_recruits integer, scored_recruits integer, team_score numeric,
team_sessions integer, team_rating numeric, team_retention numeric, next_due_at timestamp with time zone) LANGUAGE
plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET
enable_memoize TO 'off' SET enable_sort TO 'off' SET enable_bitmapscan TO 'off' SET plan_cache_mode TO
'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column declare agents uuid[]; recruited uuid[]; gained timestamptz[]; begin profile_ids := array(
select distinct ids.profile_id from unnest(profile_ids) as ids (profile_id) where ids.profile_id is not null ); select
array_agg(r.agent), array_agg(r.recruit), array_agg(r.gained_at) into agents, recruited, gained from ( select
ids.profile_id as agent, g.target_profile_id as recruit, least(min(g.created_at), '9999-01-01 00:00:00+00') as gained_at
from unnest(profile_ids) as ids (profile_id) cross join lateral ( select led.target_profile_id, led.created_at from
public.profile_graph as led where led.source_profile_id = ids.profile_id and led.relationship_type = 'AGENT_REFERRAL'
and led.status = 'ACTIVE' offset 0 ) as g where ( select public.caas_role(p.roles::text[]) from public.profiles as p
where p.id = g.target_profile_id ) = 'TUTOR' group by ids.profile_id, g.target_profile_id ) as r; return query with
teams as ( select r.agent, count(*)::integer as recruits, (count(*) filter (where r.gained_at > as_of - interval
'2160 hours'))::integer as recent_recruits, min(r.gained_at + interval '2160 hours') filter ( where r.gained_at > as_of
- interval '2160 hours' ) as due, count(s.total_score)::integer as scored_recruits, avg(s.total_score) as team_score,
sum(t.paid_sessions)::integer as sessions, sum(t.rating_sum) / nullif(sum(t.ratings), 0) as rating,
sum(t.returning_clients) / nullif(sum(t.clients), 0) as retention from unnest(agents, recruited, gained) as r (agent,
recruit, gained_at) inner join public.caas_teaching_sums(recruited, as_of) as t on t.profile_id = r.recruit left join
lateral ( select cached.total_score from public.caas_every_score as cached where cached.profile_id = r.recruit offset 0
) as s on true group by r.agent ) select ids.profile_id, coalesce(m.recruits, 0), coalesce(m.recent_recruits, 0),
coalesce(m.scored_recruits, 0), m.team_score, coalesce(m.sessions, 0), coalesce(m.rating, 0), coalesce(m.retention, 0),
m.due from unnest(profile_ids) as ids (profile_id) left join teams as m on m.agent = ids.profile_id; end;
$function$;
create function public.caas_attach(watched text, relation regclass) RETURNS void LANGUAGE plpgsql SET
search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare event record; begin for event in select * from ( values ('insert', 'referencing new table as new_rows'),
('update', 'referencing old table as old_rows new table as new_rows'), ('delete', 'referencing old table as old_rows'),
('truncate', '') ) as e (name, tables) loop execute format(
'create or replace trigger %I after %s on %s %s for each statement execute function public.%I()', 'caas_mark_' ||
event.name, event.name, relation, event.tables, 'caas_mark_' || watched ); end loop; end;
$function$;
create function public.caas_cache(claim_token uuid, claimed uuid[], scores jsonb, missing uuid[], follow
boolean, rules jsonb) RETURNS TABLE(profile_id uuid, ending text) LANGUAGE plpgsql SET search_path TO 'pg_catalog',
'pg_temp' SET enable_seqscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column declare published uuid[]; absent uuid[]; removed uuid[]; deleted uuid[]; tutors uuid[];
others text[]; begin others := public.caas_other_rules(rules); if cardinality(others) > 0 then raise exception '%',
array_to_string(others, ', ') using errcode = 'CA001'; end if; perform from ( select q.profile_id from
public.caas_recalculation_queue as q where q.profile_id = any(claimed) and q.token = claim_token order by q.profile_id
for update ) as locked; with computed as materialized ( select c.*, coalesce(h.score, c.total_score) as published_score,
case when h.score is not null then c.total_score end as computed_score, least(c.next_due_at, h.expires_at) as due_at
from jsonb_to_recordset(scores) as c ( profile_id uuid, role_type text, total_score smallint, score_breakdown jsonb,
score_inputs jsonb, reason text, calculation_version text, gate_failed boolean, calculated_at timestamptz,
source_changed_at timestamptz, next_due_at timestamptz, generation bigint ) left join lateral ( select held.score,
held.expires_at from public.caas_holds as held where held.profile_id = c.profile_id and held.released_at is null and
(held.expires_at is null or held.expires_at > c.calculated_at) offset 0 ) as h on true where ( select q.token from
public.caas_recalculation_queue as q where q.profile_id = c.profile_id ) = claim_token ), following as ( insert into
public.caas_score_follow (profile_id) select c.profile_id from computed as c where follow and c.published_score is
distinct from ( select s.total_score from public.caas_scores as s where s.profile_id = c.profile_id ) order by
c.profile_id on conflict (profile_id) do update set profile_id = excluded.profile_id ), taught as ( select c.profile_id
from computed as c where c.role_type = 'TUTOR' or ( select s.role_type from public.caas_scores as s where s.profile_id =
c.profile_id ) = 'TUTOR' ), written as ( insert into public.caas_scores ( profile_id, role_type, total_score,
computed_score, score_breakdown, score_inputs, reason, calculation_version, gate_failed, calculated_at,
source_changed_at, next_due_at, generation ) select c.profile_id, c.role_type, c.published_score, c.computed_score,
c.score_breakdown, c.score_inputs, c.reason, c.calculation_version, c.gate_failed, c.calculated_at, c.source_changed_at,
c.due_at, c.generation from computed as c order by c.profile_id on conflict (profile_id) do update set role_type =
excluded.role_type, total_score = excluded.total_score, computed_score = excluded.computed_score, score_breakdown =
excluded.score_breakdown, score_inputs = excluded.score_inputs, reason = excluded.reason, calculation_version =
excluded.calculation_version, gate_failed = excluded.gate_failed, calculated_at = excluded.calculated_at,
source_changed_at = excluded.source_changed_at, next_due_at = excluded.next_due_at, generation = excluded.generation,
swept = false returning caas_scores.profile_id ) select ( select array_agg(w.profile_id) from written as w ), ( select
array_agg(t.profile_id) from taught as t ) into published, tutors; select array_agg(q.profile_id),
array_agg(q.profile_id) filter (where q.deleted) into absent, deleted from public.caas_recalculation_queue as q where
q.profile_id = any(missing) and q.token = claim_token; if absent is not null then with dropped as ( delete from
public.caas_scores as s where s.profile_id = any(absent) returning s.profile_id, s.role_type ) select
array_agg(d.profile_id), tutors || array_agg(d.profile_id) filter (where d.role_type = 'TUTOR') into removed, tutors
from dropped as d; delete from public.caas_score_follow as f where f.profile_id = any(absent); delete from
public.caas_holds as h where h.profile_id = any(absent); perform public.caas_forget(absent, true); end if; perform
public.caas_cascade(tutors); delete from public.caas_recalculation_queue as q where q.profile_id = any(published ||
absent) and q.generation = q.claimed_generation; update public.caas_recalculation_queue as q set token = null,
lease_until = null, attempts = 0, losses = 0, error = null, priority = q.later_priority, place =
nextval('public.caas_generation'), reasons = q.later_reasons, first_changed_at = q.later_changed_at, due_at = case when
q.later_due_at > clock_timestamp() then q.later_due_at end, later_priority = null, later_reasons = null,
later_changed_at = null, later_due_at = null where q.profile_id = any(published || absent); return query select
e.profile_id, 'scored' from unnest(published) as e (profile_id) union all select e.profile_id, case when e.profile_id =
any(removed || deleted) then 'removed' else 'not_found' end from unnest(absent) as e (profile_id); end;
$function$;
create function public.caas_cascade(profile_ids uuid[]) RETURNS void LANGUAGE plpgsql SET search_path TO
'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET enable_bitmapscan TO 'off' SET
plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
begin insert into public.caas_changes (reason, priority, changed_at, agent_id) select 'recruits', greatest(q.priority,
10), q.last_changed_at, g.source_profile_id from unnest(profile_ids) as ids (profile_id) cross join lateral ( select
distinct led.source_profile_id from public.profile_graph as led where led.target_profile_id = ids.profile_id and
led.relationship_type = 'AGENT_REFERRAL' and led.status = 'ACTIVE' offset 0 ) as g cross join lateral ( select
entry.priority, entry.last_changed_at from public.caas_recalculation_queue as entry where entry.profile_id =
ids.profile_id offset 0 ) as q where g.source_profile_id is not null; end;
$function$;
create function public.caas_claim(batch_size integer, claim_token uuid, lease interval, floors bigint[]
DEFAULT '{0,0,0,0}'::bigint[], suspects boolean DEFAULT true) RETURNS TABLE(profile_id uuid, generation bigint, priority
smallint, place bigint, reasons text[], first_changed_at timestamp with time zone, last_changed_at timestamp with time
zone, deleted boolean, attempts integer, losses integer) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET
enable_seqscan TO 'off' SET enable_bitmapscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column declare levels constant smallint[] := '{0,10,50,90}'; chosen uuid[]; more uuid[]; begin if
suspects then select array_agg(s.profile_id) into chosen from ( select q.profile_id from public.caas_recalculation_queue
as q where q.token is null and q.due_at is null and q.losses >= 2 order by q.priority, q.place limit 1 for update skip
locked ) as s; end if; if chosen is null then chosen := '{}'; for level in 1 .. cardinality(levels) loop exit when
cardinality(chosen) >= batch_size; select array_agg(r.profile_id) into more from ( select q.profile_id from
public.caas_recalculation_queue as q where q.token is null and q.due_at is null and q.losses < 2 and q.priority =
levels[level] and q.place >= floors[level] order by q.priority, q.place limit batch_size - cardinality(chosen) for
update skip locked ) as r; chosen := chosen || coalesce(more, '{}'); end loop; end if; return query update
public.caas_recalculation_queue as q set token = claim_token, lease_until = clock_timestamp() + lease,
claimed_generation = q.generation, cells_written = false, claimed_alone = cardinality(chosen) = 1 where q.profile_id =
any(chosen) returning q.profile_id, q.generation, q.priority, q.place, q.reasons, q.first_changed_at, q.last_changed_at,
q.deleted, q.attempts, q.losses; end;
$function$;
create function public.caas_client_stats(profile_ids uuid[], as_of timestamp with time zone DEFAULT now())
RETURNS TABLE(profile_id uuid, settled_bookings integer, attended_bookings integer, cancelled_bookings integer,
payable_bookings integer, paid_bookings integer, avg_rating numeric, median_response_minutes double precision,
unforeseen_responses integer, next_due_at timestamp with time zone) LANGUAGE plpgsql STABLE SET search_path TO
'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET enable_memoize TO 'off' SET
enable_bitmapscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column begin profile_ids := array( select distinct ids.profile_id from unnest(profile_ids) as ids
(profile_id) where ids.profile_id is not null ); return query select ids.profile_id, b.settled, b.attended, b.cancelled,
b.payable, b.paid, v.rating, e.median, e.unforeseen, least(b.due, e.due) from unnest(profile_ids) as ids (profile_id)
cross join lateral ( select (count(*) filter (where w.is_in))::integer as settled, (count(*) filter (where w.is_in and
w.status = 'Completed'))::integer as attended, ( count(*) filter (where w.is_in and w.status = 'Cancelled' and
w.cancelled_by = 'client') )::integer as cancelled, (count(*) filter (where w.is_in and w.type is distinct from
'free_help'))::integer as payable, ( count(*) filter ( where w.is_in and w.type is distinct from 'free_help' and
w.payment_status = 'Succeeded' ) )::integer as paid, min( case when w.scheduled_start > as_of then w.scheduled_start
when w.is_in then w.leaves_at + interval '1 microsecond' end ) as due from ( select u.*, u.scheduled_start <= as_of and
as_of <= u.leaves_at as is_in from ( select held.status, held.type, held.payment_status, held.cancelled_by,
held.scheduled_start, (held.scheduled_start at time zone 'UTC' + interval '6 months') at time zone 'UTC' as leaves_at
from public.bookings as held where held.client_id = ids.profile_id and held.status in ('Completed', 'Cancelled',
'No-show') and held.cancelled_by is distinct from 'tutor' and held.no_show_by is distinct from 'tutor' and
held.scheduled_start between as_of - interval '7 months' and '9999-01-01 00:00:00+00' offset 0 ) as u ) as w ) as b
cross join lateral ( select coalesce(avg(got.rating), 0) as rating from public.profile_reviews as got where
got.reviewee_id = ids.profile_id and got.reviewer_id is distinct from got.reviewee_id ) as v cross join lateral ( select
percentile_cont(0.5) within group (order by w.minutes) filter (where w.is_in and w.minutes >= 0) as median, (count(*)
filter (where w.is_in and w.is_unforeseen))::integer as unforeseen, min( case when w.occurred_at > as_of then
w.occurred_at when w.is_in then w.leaves_at + interval '1 microsecond' end ) filter (where w.minutes >= 0) as due from (
select u.occurred_at, u.leaves_at, u.occurred_at <= as_of and as_of <= u.leaves_at as is_in,
jsonb_typeof(u.response_time) not in ('number', 'null') as is_unforeseen, case when jsonb_typeof(u.response_time) =
'number' then round(greatest(least(u.response_time::numeric, 1000000000), -1), 6)::double precision end as minutes from
( select told.occurred_at, (told.occurred_at at time zone 'UTC' + interval '6 months') at time zone 'UTC' as leaves_at,
told.metadata -> 'response_time_minutes' as response_time from public.platform_events as told where told.profile_id =
ids.profile_id and told.event_type = 'message_response' and told.occurred_at between as_of - interval '7 months' and
'9999-01-01 00:00:00+00' offset 0 ) as u ) as w ) as e; end;
$function$;
create function public.caas_count_pairs(profile_ids uuid[], others uuid[] DEFAULT NULL::uuid[]) RETURNS
TABLE(profile_id uuid, bucket smallint, other_id uuid, paid integer, free integer, recorded integer, unlogged integer,
ratings integer, rating_sum integer) LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET row_security
TO 'off' SET enable_seqscan TO 'off' SET enable_memoize TO 'off' SET enable_sort TO 'off' SET enable_bitmapscan TO 'off'
SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column begin return query with booked (profile_id, client_id, status, type, recording_url) as (
select ids.profile_id, b.client_id, b.status::text, b.type, b.recording_url from unnest(profile_ids, others) as ids
(profile_id, client_id) cross join lateral ( select own.id from public.listings as own where own.profile_id =
ids.profile_id offset 0 ) as l cross join lateral ( select held.client_id, held.status, held.type, held.recording_url
from public.bookings as held where held.listing_id = l.id and held.status in ('Completed', 'Pending log') offset 0 ) as
b where ids.client_id is null and (others is null or b.client_id is null) union all select ids.profile_id, b.client_id,
b.status::text, b.type, b.recording_url from unnest(profile_ids, others) as ids (profile_id, client_id) cross join
lateral ( select own.id from public.listings as own where own.profile_id = ids.profile_id offset 0 ) as l cross join
lateral ( select held.client_id, held.status, held.type, held.recording_url from public.bookings as held where
held.client_id = ids.client_id and held.listing_id = l.id and held.status in ('Completed', 'Pending log') offset 0 ) as
b where ids.client_id is not null ), parts (profile_id, other_id, paid, free, recorded, unlogged, ratings, rating_sum)
as ( select b.profile_id, b.client_id, (b.status = 'Completed' and b.type is distinct from 'free_help')::integer,
(b.status = 'Completed' and b.type is not distinct from 'free_help')::integer, ( b.status = 'Completed' and b.type is
distinct from 'free_help' and (btrim(b.recording_url, e' \t\n\r\f\v') <> '') is true )::integer, ( b.status =
'Pending log' and b.type is distinct from 'free_help' and (btrim(b.recording_url, e' \t\n\r\f\v') <> '') is not true
)::integer, 0, 0 from booked as b union all select ids.profile_id, v.reviewer_id, 0, 0, 0, 0, 1, v.rating from
unnest(profile_ids) as ids (profile_id) cross join lateral ( select got.reviewer_id, got.rating from
public.profile_reviews as got where got.reviewee_id = ids.profile_id and got.reviewer_id is distinct from
got.reviewee_id and got.rating is not null offset 0 ) as v where others is null union all select ids.profile_id,
v.reviewer_id, 0, 0, 0, 0, 1, v.rating from unnest(profile_ids, others) as ids (profile_id, reviewer_id) cross join
lateral ( select got.reviewer_id, got.rating from public.profile_reviews as got where got.reviewee_id = ids.profile_id
and got.reviewer_id = ids.reviewer_id and got.reviewer_id <> got.reviewee_id and got.rating is not null union all select
got.reviewer_id, got.rating from public.profile_reviews as got where got.reviewee_id = ids.profile_id and
got.reviewer_id is null and ids.reviewer_id is null and got.rating is not null offset 0 ) as v where others is not null
) select p.profile_id, case when p.other_id is null then 256 else uuid_hash(p.other_id) & 255 end::smallint,
coalesce(p.other_id, '00000000-0000-0000-0000-000000000000'), sum(p.paid)::integer, sum(p.free)::integer,
sum(p.recorded)::integer, sum(p.unlogged)::integer, sum(p.ratings)::integer, sum(p.rating_sum)::integer from parts as p
group by p.profile_id, p.other_id having sum(p.paid + p.free + p.unlogged + p.ratings) > 0; end;
$function$;
create function public.caas_digital_stats(profile_ids uuid[], as_of timestamp with time zone DEFAULT now())
RETURNS TABLE(profile_id uuid, google_calendar_synced boolean, google_classroom_synced boolean, virtual_usage_rate
numeric) LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
select k.profile_id, k.google_calendar_synced, k.google_classroom_synced, s.virtual_usage_rate from
public.caas_link_stats(profile_ids, as_of) as k inner join public.caas_performance_stats(profile_ids, as_of) as s on
s.profile_id = k.profile_id;
$function$;
create function public.caas_doubt_pairs(profile_ids uuid[]) RETURNS void LANGUAGE plpgsql SET search_path TO
'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
begin update public.caas_cell_states as s set paired = false where s.profile_id = any(profile_ids) and s.paired and
exists( select from public.caas_touched_cells as t where t.profile_id = s.profile_id and t.cell in ('pair', 'pairs') and
not t.refreshed ); end;
$function$;
create function public.caas_enqueue(profile_ids uuid[], reason text, priority integer DEFAULT 10) RETURNS
integer LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare marked integer; begin if priority is null or priority not in (0, 10, 50, 90) then raise exception
'priority must be 0 (manual), 10 (live), 50 (time) or 90 (backfill), not %', priority using errcode =
'invalid_parameter_value'; end if; if reason is null or btrim(reason) = '' then raise exception
'a reason is needed: a word that says why the scores are to be recomputed' using errcode = 'invalid_parameter_value';
end if; insert into public.caas_changes (reason, priority, profile_id, whole) select distinct
left(btrim(caas_enqueue.reason), 100), caas_enqueue.priority, ids.profile_id, true from unnest(profile_ids) as ids
(profile_id) where ids.profile_id is not null; get diagnostics marked = row_count; return marked; end;
$function$;
create function public.caas_enqueue_everyone(reason text, priority integer DEFAULT 90) RETURNS bigint
LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare mark bigint; begin if priority is null or priority not in (0, 10, 50, 90) or reason is null or btrim(reason) =
'' then raise exception 'a reason is needed, and a priority of 0, 10, 50 or 90' using errcode =
'invalid_parameter_value'; end if; select c.id into mark from public.caas_changes as c where c.everyone and c.profile_id
is null and c.priority = caas_enqueue_everyone.priority order by c.id limit 1 for update skip locked; if mark is null
then insert into public.caas_changes (reason, priority, everyone) values (left(btrim(caas_enqueue_everyone.reason),
100), caas_enqueue_everyone.priority, true) returning id into mark; end if; return mark; end;
$function$;
create function public.caas_expand(max_profiles integer) RETURNS integer LANGUAGE plpgsql SET search_path TO
'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET jit TO 'off'
AS $function$
declare mark public.caas_changes; reached uuid; expanded integer; begin select c.* into mark from public.caas_changes as
c where c.everyone order by c.id limit 1 for update skip locked; if mark.id is null then return null; end if; with known
as ( ( select p.id from public.profiles as p where p.id > coalesce(mark.profile_id,
'00000000-0000-0000-0000-000000000000') or (mark.profile_id is null and p.id = '00000000-0000-0000-0000-000000000000')
order by p.id limit max_profiles ) union ( select s.profile_id from public.caas_every_score as s where s.profile_id >
coalesce(mark.profile_id, '00000000-0000-0000-0000-000000000000') or (mark.profile_id is null and s.profile_id =
'00000000-0000-0000-0000-000000000000') order by s.profile_id limit max_profiles ) union ( select d.profile_id from
public.caas_dead_entries as d where d.profile_id > coalesce(mark.profile_id, '00000000-0000-0000-0000-000000000000') or
(mark.profile_id is null and d.profile_id = '00000000-0000-0000-0000-000000000000') order by d.profile_id limit
max_profiles ) ), next_ones as ( select k.id from known as k order by k.id limit max_profiles ), marked as ( insert into
public.caas_changes (reason, priority, changed_at, profile_id, whole) select mark.reason, mark.priority,
mark.changed_at, n.id, true from next_ones as n order by n.id returning profile_id ) select count(*),
(array_agg(m.profile_id order by m.profile_id desc))[1] into expanded, reached from marked as m; if expanded <
max_profiles then delete from public.caas_changes as c where c.id = mark.id; else update public.caas_changes as c set
profile_id = reached where c.id = mark.id; end if; return expanded; end;
$function$;
create function public.caas_fail(claim_token uuid, failures jsonb, max_attempts integer, backoff interval)
RETURNS TABLE(profile_id uuid, ending text) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET
enable_seqscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column declare longest_backoff constant interval := '1 hour'; failed uuid[]; begin select
array_agg(f.profile_id) into failed from jsonb_to_recordset(failures) as f (profile_id uuid); perform
public.caas_cascade( array( select q.profile_id from public.caas_recalculation_queue as q where q.profile_id =
any(failed) and q.token = claim_token and q.attempts + 1 >= max_attempts and q.generation = q.claimed_generation ) );
perform public.caas_doubt_pairs(failed); return query with reported as materialized ( select f.* from
jsonb_to_recordset(failures) as f (profile_id uuid, error text, message text, detail text) ), finished as ( delete from
public.caas_recalculation_queue as q where q.profile_id = any(failed) and q.token = claim_token and q.attempts + 1 >=
max_attempts and q.generation = q.claimed_generation returning q.* ), set_aside as ( insert into
public.caas_dead_entries ( profile_id, error, message, detail, attempts, reasons, first_changed_at, last_changed_at )
select d.profile_id, f.error, f.message, f.detail, d.attempts + 1, d.reasons, d.first_changed_at, d.last_changed_at from
finished as d inner join reported as f on f.profile_id = d.profile_id order by d.profile_id returning profile_id ),
postponed as ( update public.caas_recalculation_queue as q set token = null, lease_until = null, losses = 0, attempts =
q.attempts + 1, error = ( select f.error from reported as f where f.profile_id = q.profile_id ), due_at =
clock_timestamp() + least(backoff * (2 ^ least(q.attempts, 20)), longest_backoff) * (0.5 + random()), priority =
least(q.priority, q.later_priority), reasons = public.caas_merge_reasons(q.reasons, coalesce(q.later_reasons, '{}')),
first_changed_at = least(q.first_changed_at, q.later_changed_at), later_priority = null, later_reasons = null,
later_changed_at = null, later_due_at = null where q.profile_id = any(failed) and q.token = claim_token and (q.attempts
+ 1 < max_attempts or q.generation <> q.claimed_generation) returning q.profile_id ) select s.profile_id, 'dead' from
set_aside as s union all select p.profile_id, 'failed' from postponed as p; end;
$function$;
create function public.caas_first_sessions(settled uuid[], tutors uuid[], whole uuid[], as_of timestamp with
time zone) RETURNS TABLE(profile_id uuid, booking_id uuid, client_id uuid, starts_at timestamp with time zone, turns
jsonb, tech_issue boolean, minutes_late double precision) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp'
SET row_security TO 'off' SET enable_seqscan TO 'off' SET enable_memoize TO 'off' SET enable_bitmapscan TO 'off' SET
plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column declare every_client uuid[]; pair_tutors uuid[]; pair_clients uuid[]; begin with taken as
( delete from public.caas_touched_cells as t where t.profile_id = any(settled) and t.refreshed returning t.profile_id,
t.cell, t.other_id ), every_one as ( select ids.profile_id from unnest(whole) as ids (profile_id) union select
t.profile_id from taken as t where t.cell = 'pairs' and t.profile_id = any(tutors) ), single as ( select distinct
t.profile_id, t.other_id from taken as t where t.cell = 'pair' and t.other_id is not null and t.profile_id = any(tutors)
and t.profile_id not in (select e.profile_id from every_one as e) ) select ( select array_agg(e.profile_id) from
every_one as e ), array_agg(s.profile_id), array_agg(s.other_id) into every_client, pair_tutors, pair_clients from
single as s; delete from public.session_scores as s where s.profile_id = any(every_client) and s.score_type = 'fsrs';
delete from public.session_scores as s where s.ctid = any( array( select gone.ctid from unnest(pair_tutors,
pair_clients) as ids (profile_id, client_id) cross join lateral ( select judged.ctid from public.session_scores as
judged where judged.profile_id = ids.profile_id and judged.score_type = 'fsrs' and judged.client_id = ids.client_id
offset 0 ) as gone ) ) and s.profile_id = any(pair_tutors); return query select c.profile_id, c.id, c.client_id,
c.scheduled_start, t.turns, coalesce(c.tech_issue, false), case when isfinite(c.actual_start) then (extract(epoch from
c.actual_start) - extract(epoch from c.scheduled_start))::double precision / 60 end from ( select ids.profile_id, b.*
from unnest(every_client) as ids (profile_id) cross join lateral ( select own.id from public.listings as own where
own.profile_id = ids.profile_id offset 0 ) as l cross join lateral ( select held.id, held.client_id,
held.scheduled_start, held.actual_start, held.session_number, held.tech_issue from public.bookings as held where
held.listing_id = l.id and held.status in ('Completed', 'Rescheduled', 'No-show') and held.scheduled_start <= as_of and
held.scheduled_start >= '0001-01-03 00:00:00+00' and coalesce(held.session_number, 1) = 1 and held.client_id is not null
offset 0 ) as b union all select ids.profile_id, b.id, b.client_id, b.scheduled_start, b.actual_start, b.session_number,
b.tech_issue from unnest(pair_tutors, pair_clients) as ids (profile_id, client_id) cross join lateral ( select own.id
from public.listings as own where own.profile_id = ids.profile_id offset 0 ) as l cross join lateral ( select held.id,
held.client_id, held.scheduled_start, held.actual_start, held.session_number, held.tech_issue from public.bookings as
held where held.client_id = ids.client_id and held.listing_id = l.id and held.status in ('Completed', 'Rescheduled',
'No-show') and held.scheduled_start <= as_of and held.scheduled_start >= '0001-01-03 00:00:00+00' and
coalesce(held.session_number, 1) = 1 offset 0 ) as b ) as c cross join lateral ( select said.turns from
public.session_transcripts as said where said.booking_id = c.id offset 0 ) as t where c.session_number = 1 or not
exists( select from public.listings as own cross join lateral ( select from public.bookings as earlier where
earlier.client_id = c.client_id and earlier.listing_id = own.id and earlier.status in ('Completed', 'Rescheduled',
'No-show') and earlier.scheduled_start >= '0001-01-03 00:00:00+00' and (earlier.scheduled_start, earlier.id) <
(c.scheduled_start, c.id) limit 1 ) as e where own.profile_id = c.profile_id ); end;
$function$;
create function public.caas_fold(max_marks integer, from_id bigint DEFAULT 0, only_ids bigint[] DEFAULT
NULL::bigint[], debounce interval DEFAULT '00:00:00'::interval) RETURNS TABLE(marks integer, entries integer, last_id
bigint) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO
'off' SET enable_bitmapscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
declare taken bigint[] := only_ids; queued uuid[]; begin if taken is null then select array_agg(t.id) into taken from (
select c.id from public.caas_changes as c where c.id >= from_id and not c.everyone order by c.id limit max_marks for
update skip locked ) as t; end if; marks := coalesce(cardinality(taken), 0); entries := 0; last_id := taken[marks]; if
marks = 0 then return next; return; end if; with marked as ( delete from public.caas_changes as c where c.id =
any(taken) returning c.* ), owned as ( select m.profile_id, m.reason, m.priority, m.changed_at, m.deleted, case when
m.touched_at is not null and m.listing_id is null then m.touched_at when m.booking_id is not null then ( select
b.scheduled_start from public.bookings as b where b.id = m.booking_id ) end as touched_at, m.reason = 'profile_reviews'
as is_pair, m.other_id, m.whole or m.reason = 'listings' as whole from marked as m where m.profile_id is not null union
all select ( select l.profile_id from public.listings as l where l.id = m.listing_id ), m.reason, m.priority,
m.changed_at, false, m.touched_at, m.reason = 'bookings', m.profile_id, false from marked as m where m.listing_id is not
null union all select t.profile_id, m.reason, m.priority, m.changed_at, false, t.scheduled_start, true, t.client_id,
false from marked as m cross join lateral ( select l.profile_id, b.client_id, b.scheduled_start from public.bookings as
b cross join lateral ( select own.profile_id from public.listings as own where own.id = b.listing_id offset 0 ) as l
where b.id = m.booking_id offset 0 ) as t where m.booking_id is not null and m.profile_id is null and m.reason <>
'profile_reviews' union all select p.id, 'recruits', a.priority, a.changed_at, false, null, false, null, false from (
select m.agent_id, m.priority, m.changed_at from marked as m where m.agent_id is not null union all select
g.source_profile_id, m.priority, m.changed_at from marked as m cross join lateral ( select led.source_profile_id from
public.profile_graph as led where led.target_profile_id = m.profile_id and led.relationship_type = 'AGENT_REFERRAL' and
led.status = 'ACTIVE' offset 0 ) as g where m.reason = 'profiles' ) as a cross join lateral ( select own.id from
public.profiles as own where own.id = a.agent_id and public.caas_role(own.roles::text[]) = 'AGENT' offset 0 ) as p ),
merged as ( select o.profile_id, min(o.priority) as priority, (array_agg(distinct o.reason))[:16] as reasons,
min(o.changed_at) as first_changed_at, max(o.changed_at) as last_changed_at, bool_or(o.deleted) as deleted from owned as
o where o.profile_id is not null group by o.profile_id ), touched as ( insert into public.caas_touched_cells
(profile_id, cell, day, other_id) select distinct o.profile_id, c.cell, c.day, c.other_id from owned as o cross join
lateral ( values ( 'day', (o.touched_at at time zone 'UTC')::date, null, o.touched_at >= '0001-01-03 00:00:00+00' and
o.touched_at < '9999-01-01 00:00:00+00' ), ('pair', null, o.other_id, o.is_pair), ('days', null, null, o.whole),
('pairs', null, null, o.whole) ) as c (cell, day, other_id, is_touched) where o.profile_id is not null and c.is_touched
), written as ( insert into public.caas_recalculation_queue as q ( profile_id, generation, priority, place, reasons,
first_changed_at, last_changed_at, deleted, due_at ) select m.profile_id, nextval('public.caas_generation'), m.priority,
nextval('public.caas_generation'), m.reasons, m.first_changed_at, m.last_changed_at, m.deleted, case when m.priority =
10 and m.first_changed_at + debounce > clock_timestamp() then m.first_changed_at + debounce end from merged as m order
by m.profile_id on conflict (profile_id) do update set generation = excluded.generation, last_changed_at =
greatest(q.last_changed_at, excluded.last_changed_at), deleted = q.deleted or excluded.deleted, priority = case when
q.token is null then least(q.priority, excluded.priority) else q.priority end, place = case when q.token is null and
excluded.priority < q.priority then excluded.place else q.place end, first_changed_at = case when q.token is null then
least(q.first_changed_at, excluded.first_changed_at) else q.first_changed_at end, reasons = case when q.token is null
then public.caas_merge_reasons(q.reasons, excluded.reasons) else q.reasons end, later_priority = case when q.token is
not null then least(q.later_priority, excluded.priority) end, later_reasons = case when q.token is not null then
public.caas_merge_reasons(q.later_reasons, excluded.reasons) end, later_changed_at = case when q.token is not null then
least(q.later_changed_at, excluded.first_changed_at) end, due_at = case when q.error is null and excluded.priority = 0
then null else q.due_at end, later_due_at = case when q.token is not null and least(q.later_priority, excluded.priority)
= 10 then case when q.later_priority = 10 then q.later_due_at else excluded.due_at end end returning q.profile_id )
select array_agg(w.profile_id order by w.profile_id) into queued from written as w; entries :=
coalesce(cardinality(queued), 0); delete from public.caas_dead_entries as d where d.profile_id = any(queued); return
next; end;
$function$;
create function public.caas_follow(profile_ids uuid[], max_profiles integer) RETURNS integer LANGUAGE plpgsql
SET search_path TO 'pg_catalog', 'public', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET
plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
declare listed uuid[]; differing uuid[]; followed integer; begin if profile_ids is null then select
pg_catalog.array_agg(l.profile_id) into listed from ( select f.profile_id from public.caas_score_follow as f cross join
lateral ( select held.id from public.profiles as held where held.id = f.profile_id for no key update skip locked ) as p
order by f.profile_id limit max_profiles for update of f skip locked ) as l; else select
pg_catalog.array_agg(l.profile_id) into listed from ( select f.profile_id from public.caas_score_follow as f cross join
lateral ( select held.id from public.profiles as held where held.id = f.profile_id for no key update skip locked ) as p
where f.profile_id = any(profile_ids) for update of f skip locked ) as l; select pg_catalog.array_agg(d.id) into
differing from ( select p.id from public.profiles as p where p.id = any(profile_ids) and ( select s.total_score::numeric
is distinct from p.caas_score::numeric from public.caas_every_score as s where s.profile_id = p.id ) and ( select
f.profile_id from public.caas_score_follow as f where f.profile_id = p.id ) is null for no key update skip locked ) as
d; end if; update public.profiles as p set caas_score = ( select s.total_score from public.caas_every_score as s where
s.profile_id = p.id ) where p.id = any(pg_catalog.array_cat(listed, differing)) and ( select s.total_score::numeric is
distinct from p.caas_score::numeric from public.caas_every_score as s where s.profile_id = p.id ); get diagnostics
followed = row_count; delete from public.caas_score_follow as f where f.profile_id = any(listed); return followed; end;
$function$;
create function public.caas_forget(profile_ids uuid[], is_gone boolean DEFAULT true) RETURNS void LANGUAGE
plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET plan_cache_mode TO
'force_generic_plan' SET jit TO 'off'
AS $function$
begin if cardinality(profile_ids) = 0 then return; end if; delete from public.tutor_daily_aggregates as d where
d.profile_id = any(profile_ids); delete from public.caas_daily_events as d where d.profile_id = any(profile_ids); delete
from public.tutor_performance_metrics as m where m.profile_id = any(profile_ids); delete from public.tutor_scores as s
where s.profile_id = any(profile_ids); delete from public.session_scores as s where s.profile_id = any(profile_ids);
delete from public.tutor_alerts as a where a.profile_id = any(profile_ids); delete from
public.tutor_performance_summaries as s where s.profile_id = any(profile_ids); update public.caas_cell_states as s set
taught_until = null, reports_since = null, next_due_at = null, swept = false, performance_tier = null where s.profile_id
= any(profile_ids) and not is_gone; if is_gone then delete from public.email_reports as r where r.profile_id =
any(profile_ids) and coalesce(public.caas_tutor_of(r.booking_id), r.profile_id) = any(profile_ids); delete from
public.tutor_thresholds as t where t.profile_id = any(profile_ids); delete from public.caas_pair_cells as c where
c.profile_id = any(profile_ids); delete from public.caas_pair_sums as s where s.profile_id = any(profile_ids); delete
from public.caas_touched_cells as t where t.profile_id = any(profile_ids); delete from public.caas_cell_states as s
where s.profile_id = any(profile_ids); end if; end;
$function$;
create function public.caas_hold(held_profile uuid, held_score integer, held_for text, held_by text,
held_until timestamp with time zone DEFAULT NULL::timestamp with time zone, follow boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare asked bigint; ends timestamptz := case when held_until < '9999-01-01 00:00:00+00' then held_until end; begin if
held_score is null or held_score not between 0 and 100 then raise exception 'a score from 0 to 100 is needed' using
errcode = 'invalid_parameter_value'; end if; if held_for is null or btrim(held_for) = '' or held_by is null or
btrim(held_by) = '' then raise exception 'a reason and an actor are needed' using errcode = 'invalid_parameter_value';
end if; if held_until <= clock_timestamp() then raise exception 'a hold has to end in the future' using errcode =
'invalid_parameter_value'; end if; if not exists(select from public.profiles as p where p.id = held_profile) then return
null; end if; select r.generation into asked from public.caas_recalculate(array[held_profile], 'hold'::text, 0) as r;
update public.caas_holds as h set released_at = clock_timestamp(), released_by = left(btrim(held_by), 200) where
h.profile_id = held_profile and h.released_at is null; insert into public.caas_holds (profile_id, score, reason, actor,
held_at, expires_at) values ( held_profile, held_score, left(btrim(held_for), 1000), left(btrim(held_by), 200), now(),
ends ); update public.caas_scores as s set computed_score = coalesce(s.computed_score, s.total_score), total_score =
held_score, next_due_at = least(s.next_due_at, ends), swept = false where s.profile_id = held_profile; perform
public.caas_list_to_follow(held_profile, follow); return asked; end;
$function$;
create function public.caas_link_stats(profile_ids uuid[], as_of timestamp with time zone DEFAULT now())
RETURNS TABLE(profile_id uuid, google_calendar_synced boolean, google_classroom_synced boolean) LANGUAGE plpgsql STABLE
SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET enable_memoize TO
'off' SET enable_sort TO 'off' SET enable_bitmapscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO
'off'
AS $function$
#variable_conflict use_column begin profile_ids := array( select distinct ids.profile_id from unnest(profile_ids) as ids
(profile_id) where ids.profile_id is not null ); return query select p.profile_id, coalesce(bool_or(p.integration_type =
'GOOGLE_CALENDAR'), false), coalesce(bool_or(p.integration_type = 'GOOGLE_CLASSROOM'), false) from ( select
ids.profile_id, null::text as integration_type from unnest(profile_ids) as ids (profile_id) union all select
k.profile_id, k.integration_type from unnest(profile_ids) as ids (profile_id) cross join lateral ( select
own.profile_id, own.integration_type from public.student_integration_links as own where own.profile_id = ids.profile_id
and own.is_active offset 0 ) as k ) as p group by p.profile_id; end;
$function$;
create function public.caas_list_to_follow(listed uuid, follow boolean) RETURNS void LANGUAGE plpgsql SET
search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin if follow then insert into public.caas_score_follow (profile_id) values (listed) on conflict (profile_id) do
update set profile_id = excluded.profile_id; end if; end;
$function$;
create function public.caas_lock_claimed(claim_token uuid, claimed uuid[], settled uuid[]) RETURNS uuid[]
LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET plan_cache_mode TO
'force_generic_plan' SET jit TO 'off'
AS $function$
declare ours uuid[]; undone uuid[]; begin select array_agg(locked.profile_id) filter (where not locked.is_undone),
array_agg(locked.profile_id) filter (where locked.is_undone) into ours, undone from ( select q.profile_id, not
q.cells_written and q.profile_id = any(settled) as is_undone from public.caas_recalculation_queue as q where
q.profile_id = any(claimed) and q.token = claim_token order by q.profile_id for update ) as locked; if undone is not
null then perform public.caas_release(claim_token, undone); end if; return ours; end;
$function$;
create function public.caas_merge_reasons(present text[], added text[]) RETURNS text[] LANGUAGE sql IMMUTABLE
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
select case when present @> added then present else ( select (array_agg(distinct r.reason))[:16] from unnest(present ||
added) as r (reason) ) end;
$function$;
create function public.caas_network_stats(profile_ids uuid[], as_of timestamp with time zone DEFAULT now())
RETURNS TABLE(profile_id uuid, referral_count integer, connection_count integer, is_agent_referred boolean) LANGUAGE
plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET
enable_memoize TO 'off' SET enable_sort TO 'off' SET enable_bitmapscan TO 'off' SET plan_cache_mode TO
'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column begin profile_ids := array( select distinct ids.profile_id from unnest(profile_ids) as ids
(profile_id) where ids.profile_id is not null ); return query select e.profile_id, (count(distinct e.other) filter
(where e.relationship_type = 'AGENT_REFERRAL' and e.outgoing))::integer, (count(distinct e.other) filter (where
e.relationship_type = 'SOCIAL'))::integer, coalesce(bool_or(e.relationship_type = 'AGENT_REFERRAL' and not e.outgoing),
false) from ( select ids.profile_id, null::uuid as other, null::text as relationship_type, false as outgoing from
unnest(profile_ids) as ids (profile_id) union all select g.source_profile_id, g.target_profile_id, g.relationship_type,
true from unnest(profile_ids) as ids (profile_id) cross join lateral ( select led.source_profile_id,
led.target_profile_id, led.relationship_type from public.profile_graph as led where led.source_profile_id =
ids.profile_id and led.status = 'ACTIVE' and led.target_profile_id <> led.source_profile_id offset 0 ) as g union all
select g.target_profile_id, g.source_profile_id, g.relationship_type, false from unnest(profile_ids) as ids (profile_id)
cross join lateral ( select led.source_profile_id, led.target_profile_id, led.relationship_type from
public.profile_graph as led where led.target_profile_id = ids.profile_id and led.status = 'ACTIVE' and
led.target_profile_id <> led.source_profile_id offset 0 ) as g ) as e group by e.profile_id; end;
$function$;
create function public.caas_other_rules(rules jsonb) RETURNS text[] LANGUAGE sql STABLE SET search_path TO
'pg_catalog', 'pg_temp'
AS $function$
select coalesce( array_agg(r.role_type || ' ' || coalesce(r.version, 'withdrawn') order by r.role_type), '{}' ) from
public.caas_rules as r where r.version is distinct from (rules ->> r.role_type);
$function$;
create function public.caas_performance_stats(profile_ids uuid[], as_of timestamp with time zone DEFAULT
now()) RETURNS TABLE(profile_id uuid, avg_rating numeric, completed_sessions integer, retention_rate numeric,
manual_session_log_rate numeric, completed_free_sessions_count integer, virtual_usage_rate numeric) LANGUAGE plpgsql
STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off'
AS $function$
begin return query select t.profile_id, coalesce(t.rating_sum / nullif(t.ratings, 0)::numeric, 0),
t.paid_sessions::integer, coalesce(t.returning_clients / nullif(t.clients, 0)::numeric, 0), case when t.paid_sessions -
t.recorded_sessions + t.unlogged_sessions >= 5 then (t.paid_sessions - t.recorded_sessions) / (t.paid_sessions -
t.recorded_sessions + t.unlogged_sessions)::numeric else 0 end, t.free_sessions::integer, coalesce(t.recorded_sessions /
nullif(t.paid_sessions, 0)::numeric, 0) from public.caas_teaching_sums(profile_ids, as_of) as t; end;
$function$;
create function public.caas_profile_facts(profile_ids uuid[]) RETURNS TABLE(profile_id uuid, roles text[],
identity_verified boolean, dbs_verified boolean, dbs_expiry_date timestamp with time zone, available_free_help boolean,
bio text, bio_video_url text, avatar_url text, business_verified boolean, role_details jsonb) LANGUAGE plpgsql STABLE
SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET plan_cache_mode TO
'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column begin return query select p.id, p.roles::text[], coalesce(p.identity_verified, false),
coalesce(p.dbs_verified, false), case when p.dbs_expiry_date is not null then least(greatest(p.dbs_expiry_date,
'0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00') end, coalesce(p.available_free_help, false), p.bio::text,
p.bio_video_url::text, p.avatar_url::text, coalesce(p.business_verified, false), ( select coalesce( jsonb_object_agg(
upper(d.role_type), jsonb_build_object( 'degree_level', d.degree_level, 'qualifications', d.qualifications,
'teaching_experience', d.teaching_experience ) order by d.role_type collate "C" desc ), '{}' ) from public.role_details
as d where d.profile_id = p.id ) from public.profiles as p where p.id = any(profile_ids); end;
$function$;
create function public.caas_publish_quality(tutors jsonb, firsts jsonb, others uuid[], as_of timestamp with
time zone, today date, recipient text) RETURNS void LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET
enable_seqscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
declare given uuid[]; tutor_ids uuid[]; types text[]; judged_values numeric[]; actives boolean[]; figures_behind
jsonb[]; sessions uuid[]; standing_ids uuid[]; recovered uuid[]; raised boolean[]; begin if others is not null then
perform public.caas_forget( array( select s.profile_id from public.caas_cell_states as s where s.profile_id =
any(others) and s.taught_until is not null ), false ); end if; insert into public.session_scores as s ( booking_id,
score_type, profile_id, client_id, starts_at, value, level, components, version, calculated_at ) select f.booking_id,
'fsrs', f.profile_id, f.client_id, f.starts_at, f.value, f.level, f.components, f.version, as_of from
jsonb_to_recordset(firsts) as f ( booking_id uuid, profile_id uuid, client_id uuid, starts_at timestamptz, value
numeric, level text, components jsonb, version text ) order by f.booking_id on conflict (booking_id, score_type) do
update set profile_id = excluded.profile_id, client_id = excluded.client_id, starts_at = excluded.starts_at, value =
excluded.value, level = excluded.level, components = excluded.components, version = excluded.version, calculated_at =
excluded.calculated_at where public.caas_tutor_of(excluded.booking_id) = excluded.profile_id; with read as materialized
( select t.* from jsonb_to_recordset(tutors) as t ( profile_id uuid, metrics jsonb, scores jsonb, summary jsonb,
next_due_at timestamptz, performance_tier text ) ), measured as ( insert into public.tutor_performance_metrics as m (
profile_id, time_window, calculation_date, sessions_completed, avg_rating, first_session_success_rate, reschedule_rate,
no_show_count, engagement_score, learning_objectives_met_pct, response_time_avg_minutes, performance_tier, flags,
calculated_at ) select r.profile_id, w.time_window, today, w.sessions_completed, w.avg_rating,
w.first_session_success_rate, w.reschedule_rate, w.no_show_count, w.engagement_score, w.learning_objectives_met_pct,
w.response_time_avg_minutes, w.performance_tier, w.flags, as_of from read as r cross join lateral
jsonb_to_recordset(r.metrics) as w ( time_window text, sessions_completed integer, avg_rating numeric,
first_session_success_rate numeric, reschedule_rate numeric, no_show_count integer, engagement_score numeric,
learning_objectives_met_pct numeric, response_time_avg_minutes numeric, performance_tier text, flags jsonb ) on conflict
(profile_id, time_window, calculation_date) do update set sessions_completed = excluded.sessions_completed, avg_rating =
excluded.avg_rating, first_session_success_rate = excluded.first_session_success_rate, reschedule_rate =
excluded.reschedule_rate, no_show_count = excluded.no_show_count, engagement_score = excluded.engagement_score,
learning_objectives_met_pct = excluded.learning_objectives_met_pct, response_time_avg_minutes =
excluded.response_time_avg_minutes, performance_tier = excluded.performance_tier, flags = excluded.flags, calculated_at
= excluded.calculated_at ), scored as ( insert into public.tutor_scores as s ( profile_id, score_type, value, level,
components, version, calculated_at ) select r.profile_id, q.score_type, q.value, q.level, q.components, q.version, as_of
from read as r cross join lateral jsonb_to_recordset(r.scores) as q ( score_type text, value numeric, level text,
components jsonb, version text ) on conflict (profile_id, score_type) do update set value = excluded.value, level =
excluded.level, components = excluded.components, version = excluded.version, calculated_at = excluded.calculated_at ),
told as ( insert into public.tutor_performance_summaries as s ( profile_id, trend, average_sqs, summary, what_went_well,
improvement_suggestion, calculated_at ) select r.profile_id, q.trend, q.average_sqs, q.summary, q.what_went_well,
q.improvement_suggestion, as_of from read as r cross join lateral jsonb_to_record(r.summary) as q ( trend text,
average_sqs numeric, summary text, what_went_well text, improvement_suggestion text ) on conflict (profile_id) do update
set trend = excluded.trend, average_sqs = excluded.average_sqs, summary = excluded.summary, what_went_well =
excluded.what_went_well, improvement_suggestion = excluded.improvement_suggestion, calculated_at =
excluded.calculated_at ), moved as ( insert into public.caas_cell_states as s (profile_id, next_due_at, swept,
performance_tier) select r.profile_id, r.next_due_at, false, r.performance_tier from read as r on conflict (profile_id)
do update set next_due_at = excluded.next_due_at, swept = false, performance_tier = excluded.performance_tier returning
s.profile_id ) select array_agg(m.profile_id) into given from moved as m; delete from public.tutor_performance_metrics
as m where m.profile_id = any(given) and m.time_window = any('{7day,30day,90day}'::text[]) and m.calculation_date >
today; select array_agg(c.profile_id), array_agg(c.alert_type), array_agg(c.value), array_agg(c.figures),
array_agg(c.is_active), array_agg(c.booking_id), array_agg(c.standing_id), array_agg(c.newest_id) filter (where
c.is_active is not true and c.standing_id is null), array_agg(c.is_active and c.standing_id is null and c.is_silenced is
not true) into tutor_ids, types, judged_values, figures_behind, actives, sessions, standing_ids, recovered, raised from
( select l.*, ( select standing.id from public.tutor_alerts as standing where standing.profile_id = l.profile_id and
standing.alert_type = l.alert_type and standing.status in ('open', 'acknowledged') ) as standing_id, newest.id as
newest_id, newest.resolved_by is not null and newest.recovered_at is null and newest.score_value = l.value and
newest.figures = l.figures and newest.booking_id is not distinct from l.booking_id as is_silenced from ( select
t.profile_id, a.alert_type, a.value, a.figures, a.is_active, null::uuid as booking_id from jsonb_to_recordset(tutors) as
t (profile_id uuid, alerts jsonb) cross join lateral jsonb_to_recordset(t.alerts) as a ( alert_type text, value numeric,
figures jsonb, is_active boolean ) union all select ids.profile_id, 'poor_first_session', f.value, '{}', f.value >= 50,
f.booking_id from unnest(given) as ids (profile_id) cross join lateral ( select judged.value, judged.booking_id from
public.session_scores as judged where judged.profile_id = ids.profile_id and judged.score_type = 'fsrs' order by
judged.starts_at desc, judged.booking_id desc limit 1 ) as f ) as l left join lateral ( select a.id, a.resolved_by,
a.recovered_at, a.score_value, a.figures, a.booking_id from public.tutor_alerts as a where a.profile_id = l.profile_id
and a.alert_type = l.alert_type order by a.raised_at desc limit 1 ) as newest on true ) as c; perform from ( select t.id
from public.tutor_alerts as t where t.id = any(standing_ids || recovered) order by t.id for update ) as locked; update
public.tutor_alerts as t set score_value = l.value, figures = l.figures, booking_id = l.booking_id, last_checked_at =
as_of, status = case when l.is_active then t.status else 'resolved' end, resolved_at = case when not l.is_active then
as_of end, auto_resolved = not l.is_active from unnest(standing_ids, judged_values, figures_behind, actives, sessions)
as l ( standing_id, value, figures, is_active, booking_id ) where t.id = l.standing_id and t.id = any(standing_ids) and
l.is_active is not null and t.status <> 'resolved'; update public.tutor_alerts as t set recovered_at = as_of where t.id
= any(recovered) and t.resolved_by is not null and t.recovered_at is null; insert into public.tutor_alerts ( profile_id,
alert_type, score_value, figures, booking_id, raised_at, last_checked_at, email_status, email_due_at ) select
l.profile_id, l.alert_type, l.value, l.figures, l.booking_id, as_of, as_of, case when recipient is null then 'none' else
'pending' end, case when recipient is not null then as_of end from unnest(tutor_ids, types, judged_values,
figures_behind, sessions, raised) as l ( profile_id, alert_type, value, figures, booking_id, is_raised ) where
l.is_raised; end;
$function$;
create function public.caas_publish_rules(rules jsonb, anyway boolean DEFAULT false) RETURNS TABLE(refused
text[], published text[]) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare shape constant text := '^(.*)-v([0-9.]+)$'; begin lock table public.caas_rules in share row exclusive mode;
published := '{}'; select coalesce(array_agg(r.role_type || ' ' || coalesce(r.version, 'withdrawn') order by
r.role_type), '{}') into refused from public.caas_rules as r cross join lateral ( select rules ->> r.role_type as
version, regexp_match(rules ->> r.role_type, shape) as parts, regexp_match(r.version, shape) as published_parts ) as
given where not anyway and ( given.version = any(r.withdrawn) or ( given.version is distinct from r.version and (
given.parts[1] is distinct from given.published_parts[1] or string_to_array(given.parts[2], '.')::integer[] <
string_to_array(given.published_parts[2], '.')::integer[] ) ) ); if cardinality(refused) > 0 then return next; return;
end if; with written as ( insert into public.caas_rules as r (role_type, version) select coalesce(given.key,
known.role_type), given.value from jsonb_each_text(rules) as given full outer join public.caas_rules as known on
known.role_type = given.key on conflict (role_type) do update set version = excluded.version, published_at =
excluded.published_at, withdrawn = array_remove( case when anyway then r.withdrawn || r.version else r.withdrawn end,
excluded.version ) where r.version is distinct from excluded.version returning r.role_type, r.version ) select
coalesce(array_agg(w.role_type || ' ' || coalesce(w.version, 'withdrawn') order by w.role_type), '{}') into published
from written as w; if cardinality(published) > 0 then perform public.caas_enqueue_everyone('rule'::text, 90); end if;
return next; end;
$function$;
create function public.caas_quality_sums(profile_ids uuid[], as_of timestamp with time zone, zone text)
RETURNS TABLE(profile_id uuid, today date, first_age integer, sums_7 double precision[], sums_30 double precision[],
sums_90 double precision[], completed_by_age jsonb, lateness_by_age jsonb, newest_sqs jsonb, threshold double precision,
next_due_at timestamp with time zone) LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET
row_security TO 'off' SET enable_seqscan TO 'off' SET enable_memoize TO 'off' SET enable_bitmapscan TO 'off' SET
plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column declare this_day constant date := (as_of at time zone zone)::date; midnight constant
timestamptz := (this_day + 1)::timestamp at time zone zone; turn constant timestamptz := case when ((midnight - interval
'1 hour') at time zone zone)::date > this_day then midnight - interval '1 hour' else midnight end; in_cells uuid[] :=
'{}'; in_rows uuid[] := '{}'; from_days date[] := '{}'; to_days date[] := '{}'; begin profile_ids := array( select
distinct ids.profile_id from unnest(profile_ids) as ids (profile_id) where ids.profile_id is not null ); if
current_setting('caas.cells', true) = 'on' then in_cells := profile_ids; else in_rows := profile_ids; from_days :=
array_fill('-infinity'::date, array[cardinality(in_rows)]); to_days := array_fill('infinity'::date,
array[cardinality(in_rows)]); end if; return query with taught as materialized ( select t.* from
public.caas_taught_sessions(in_rows, from_days, to_days, as_of, zone) as t ), days ( profile_id, day, sessions,
completed, rescheduled, missed, started, on_time, ratings, rating_sum, first_ratings, first_good, engaged, engagement,
answered, met, logins, responses, response_minutes, lateness ) as ( select ids.profile_id, d.* from unnest(in_cells) as
ids (profile_id) cross join lateral ( select cell.day, cell.sessions, cell.sessions_completed,
cell.reschedules_tutor_initiated, cell.no_shows, cell.started, cell.on_time, cell.ratings, cell.rating_sum,
cell.first_ratings, cell.first_ratings_good, cell.engagement_count, cell.engagement_sum, cell.objectives_answered,
cell.objectives_met, 0, 0, 0::numeric, cell.avg_lateness_min from public.tutor_daily_aggregates as cell where
cell.profile_id = ids.profile_id and cell.day > this_day - 90 and cell.day <= this_day offset 0 ) as d union all select
ids.profile_id, d.day, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, d.logins, d.responses, d.response_minutes, null from
unnest(in_cells) as ids (profile_id) cross join lateral ( select cell.* from public.caas_daily_events as cell where
cell.profile_id = ids.profile_id and cell.day > this_day - 90 and cell.day <= this_day offset 0 ) as d union all select
t.profile_id, t.day, count(*), count(*) filter (where t.status = 'Completed'), count(*) filter (where
t.is_rescheduled_by_tutor), count(*) filter (where t.is_missed_by_tutor), count(t.minutes_late), count(*) filter (where
t.minutes_late <= 10), sum(t.ratings), sum(t.rating_sum), coalesce(sum(t.ratings) filter (where t.is_first), 0),
coalesce(sum(t.good_ratings) filter (where t.is_first), 0), count(t.engagement_score), coalesce(sum(t.engagement_score),
0), count(t.objectives_met), count(*) filter (where t.objectives_met), 0, 0, 0, avg(t.minutes_late) from taught as t
where t.day > this_day - 90 group by t.profile_id, t.day union all select t.profile_id, t.day, 0, 0, 0, 0, 0, 0, 0, 0,
0, 0, 0, 0, 0, 0, t.logins, t.responses, t.response_minutes, null from public.caas_told_events(in_rows, from_days,
to_days, as_of, zone) as t where t.day > this_day - 90 ), windows as ( select d.profile_id, w.length, array[
sum(d.sessions), sum(d.completed), sum(d.rescheduled), sum(d.missed), sum(d.started), sum(d.on_time), sum(d.ratings),
sum(d.rating_sum), sum(d.first_ratings), sum(d.first_good), sum(d.engaged), sum(d.engagement), sum(d.answered),
sum(d.met), sum(d.logins), sum(d.responses), sum(d.response_minutes) ]::double precision[] as sums,
jsonb_object_agg(this_day - d.day, d.completed) filter (where d.completed > 0) as completed, jsonb_object_agg(this_day -
d.day, d.lateness) filter (where d.lateness is not null) as lateness from days as d inner join unnest(array[7, 14, 30,
90]) as w (length) on this_day - d.day < w.length group by d.profile_id, w.length ), gathered as ( select w.profile_id,
max(w.sums) filter (where w.length = 7) as sums_7, max(w.sums) filter (where w.length = 30) as sums_30, max(w.sums)
filter (where w.length = 90) as sums_90, max(w.completed::text) filter (where w.length = 14) as completed,
max(w.lateness::text) filter (where w.length = 7) as lateness from ( select windows.* from windows union all select
ids.profile_id, 0, null, null, null from unnest(profile_ids) as ids (profile_id) ) as w group by w.profile_id ) select
g.profile_id, this_day, this_day - case when g.profile_id = any(in_cells) then cells.first_day else in_source.first_day
end, g.sums_7, g.sums_30, g.sums_90, g.completed::jsonb, g.lateness::jsonb, case when g.profile_id = any(in_cells) then
cells.newest else in_source.newest end, coalesce( ( select own.reschedule_rate::double precision from
public.tutor_thresholds as own where own.profile_id = g.profile_id ), 15 ), least( ( select min(ahead.scheduled_start)
from public.listings as l cross join lateral ( select b.scheduled_start from public.bookings as b where b.listing_id =
l.id and b.scheduled_start > as_of and b.scheduled_start < '9999-01-01 00:00:00+00' and b.status in ('Completed',
'Rescheduled', 'No-show') order by b.scheduled_start limit 1 ) as ahead where l.profile_id = g.profile_id ), ( select
min(e.occurred_at) from public.platform_events as e where e.profile_id = g.profile_id and e.occurred_at > as_of and
e.occurred_at < '9999-01-01 00:00:00+00' and e.event_type in ('login', 'message_response') ), case when ( select
lower(btrim(coalesce(p.status, 'active'))) from public.profiles as p where p.id = g.profile_id ) = 'active' then turn
end ) from gathered as g cross join lateral ( select ( select cell.day from public.tutor_daily_aggregates as cell where
cell.profile_id = g.profile_id order by cell.day limit 1 ) as first_day, ( select jsonb_agg( jsonb_build_object('value',
s.value) || s.components order by s.starts_at desc, s.booking_id desc ) from ( select judged.value, judged.components,
judged.starts_at, judged.booking_id from public.session_scores as judged where judged.profile_id = g.profile_id and
judged.score_type = 'sqs' order by judged.starts_at desc, judged.booking_id desc limit 5 ) as s ) as newest ) as cells
left join ( select t.profile_id, min(t.day) as first_day, jsonb_agg( jsonb_build_object('value', t.value, 'late',
t.late, 'short', t.short, 'tech', t.tech) order by t.place ) filter (where t.place <= 5 and t.value is not null) as
newest from ( select s.*, 100 - s.late - s.short - s.tech as value, row_number() over ( partition by s.profile_id,
s.short is null order by s.starts_at desc, s.booking_id desc ) as place from taught as s ) as t group by t.profile_id )
as in_source on in_source.profile_id = g.profile_id; end;
$function$;
create function public.caas_recalculate(profile_ids uuid[], reason text, priority integer DEFAULT 0) RETURNS
TABLE(profile_id uuid, generation bigint) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column declare marks bigint[]; begin if priority is null or priority not in (0, 10, 50, 90) or
reason is null or btrim(reason) = '' then raise exception 'a reason is needed, and a priority of 0, 10, 50 or 90' using
errcode = 'invalid_parameter_value'; end if; with marked as ( insert into public.caas_changes (reason, priority,
profile_id, whole) select distinct left(btrim(caas_recalculate.reason), 100), caas_recalculate.priority, ids.id, true
from unnest(profile_ids) as ids (id) where ids.id is not null returning id ) select array_agg(m.id) into marks from
marked as m; if marks is null then return; end if; perform public.caas_fold(cardinality(marks), 0::bigint, marks,
interval '0 seconds'); return query select q.profile_id, q.generation from public.caas_recalculation_queue as q where
q.profile_id = any(profile_ids); end;
$function$;
create function public.caas_refresh_days(claim_token uuid, claimed uuid[], settled uuid[], tutors uuid[],
as_of timestamp with time zone, zone text, recipient text) RETURNS TABLE(profile_id uuid, is_tutor boolean, is_whole
boolean) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET enable_sort TO
'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column declare ours uuid[]; teaching uuid[]; whole uuid[]; item_ids uuid[]; from_days date[];
to_days date[]; begin ours := public.caas_lock_claimed(claim_token, claimed, settled); select array_agg(ids.profile_id
order by ids.profile_id) into teaching from unnest(ours) as ids (profile_id) where ids.profile_id = any(tutors); with
taken as ( delete from public.caas_touched_cells as t where t.profile_id = any(ours) and t.profile_id = any(settled) and
t.cell in ('day', 'days') returning t.profile_id, t.cell, t.day ), known as ( select ids.profile_id, ( select
(least(s.taught_until, as_of) at time zone zone)::date from public.caas_cell_states as s where s.profile_id =
ids.profile_id and s.taught_until is not null ) as since from unnest(teaching) as ids (profile_id) ), every_day as (
select t.profile_id from taken as t where t.cell = 'days' and t.profile_id = any(teaching) union select k.profile_id
from known as k where k.since is null ), singles as ( select distinct k.profile_id, d.day from taken as t cross join
lateral ( select same.profile_id, same.since from known as same where same.profile_id = t.profile_id and same.since is
not null ) as k cross join lateral ( values ((t.day::timestamp at time zone 'UTC' at time zone zone)::date), (((((t.day
+ 1)::timestamp at time zone 'UTC') - interval '1 microsecond') at time zone zone)::date) ) as d (day) where t.cell =
'day' and d.day < k.since ), items (profile_id, from_day, to_day) as ( select e.profile_id, '-infinity'::date,
'infinity'::date from every_day as e union all select k.profile_id, k.since, 'infinity' from known as k where k.since is
not null and k.profile_id not in (select e.profile_id from every_day as e) union all select s.profile_id, s.day, s.day +
1 from singles as s where s.profile_id not in (select e.profile_id from every_day as e) ) select
array_agg(i.profile_id), array_agg(i.from_day), array_agg(i.to_day), ( select array_agg(e.profile_id) from every_day as
e ) into item_ids, from_days, to_days, whole from items as i; return query select ids.profile_id, (ids.profile_id =
any(teaching)) is true, (ids.profile_id = any(whole)) is true from unnest(ours) as ids (profile_id) where ids.profile_id
= any(settled); if item_ids is null then return; end if; delete from public.tutor_daily_aggregates as d where d.ctid =
any( array( select gone.ctid from unnest(item_ids, from_days, to_days) as i (profile_id, from_day, to_day) cross join
lateral ( select cell.ctid from public.tutor_daily_aggregates as cell where cell.profile_id = i.profile_id and cell.day
>= i.from_day and cell.day < i.to_day offset 0 ) as gone ) ); delete from public.caas_daily_events as d where d.ctid =
any( array( select gone.ctid from unnest(item_ids, from_days, to_days) as i (profile_id, from_day, to_day) cross join
lateral ( select cell.ctid from public.caas_daily_events as cell where cell.profile_id = i.profile_id and cell.day >=
i.from_day and cell.day < i.to_day offset 0 ) as gone ) ); delete from public.session_scores as s where s.ctid = any(
array( select gone.ctid from unnest(item_ids, from_days, to_days) as i (profile_id, from_day, to_day) cross join lateral
( select judged.ctid from public.session_scores as judged where judged.profile_id = i.profile_id and judged.score_type =
'sqs' and judged.starts_at >= (i.from_day::timestamp at time zone zone) - interval '3 hours' and judged.starts_at <
(i.to_day::timestamp at time zone zone) + interval '3 hours' and (judged.starts_at at time zone zone)::date >=
i.from_day and (judged.starts_at at time zone zone)::date < i.to_day order by judged.starts_at offset 0 ) as gone ) )
and s.profile_id = any(item_ids); with sessions as materialized ( select t.* from public.caas_taught_sessions(item_ids,
from_days, to_days, as_of, zone) as t ), judged as ( insert into public.session_scores as s ( booking_id, score_type,
profile_id, client_id, starts_at, value, level, components, version, calculated_at ) select q.booking_id, 'sqs',
q.profile_id, q.client_id, q.starts_at, q.value, case when q.value < 60 then 'risk' when q.value <= 75 then 'warn' else
'ok' end, jsonb_build_object('late', q.late, 'short', q.short, 'tech', q.tech), 'sqs-v1', as_of from ( select t.*, 100 -
t.late - t.short - t.tech as value from sessions as t where t.short is not null ) as q order by q.booking_id on conflict
(booking_id, score_type) do update set profile_id = excluded.profile_id, client_id = excluded.client_id, starts_at =
excluded.starts_at, value = excluded.value, level = excluded.level, components = excluded.components, version =
excluded.version, calculated_at = excluded.calculated_at where public.caas_tutor_of(excluded.booking_id) =
excluded.profile_id ), reported as ( insert into public.email_reports as r (booking_id, profile_id, recipient_email,
subject) select t.booking_id, t.profile_id, recipient, 'Session report ' || t.booking_id from sessions as t where
recipient is not null and t.starts_at > as_of - interval '14 days' and t.starts_at > ( select s.reports_since from
public.caas_cell_states as s where s.profile_id = t.profile_id ) order by t.booking_id on conflict (booking_id) do
update set profile_id = excluded.profile_id where r.profile_id <> excluded.profile_id and
public.caas_tutor_of(excluded.booking_id) = excluded.profile_id ), begun as ( insert into public.caas_touched_cells
(profile_id, cell, other_id, refreshed) select t.profile_id, 'pair', t.client_id, true from sessions as t where
t.client_id is not null and (t.profile_id = any(whole)) is not true and t.starts_at > ( select s.taught_until from
public.caas_cell_states as s where s.profile_id = t.profile_id ) ) insert into public.tutor_daily_aggregates (
profile_id, day, sessions, sessions_completed, reschedules_tutor_initiated, no_shows, started, on_time, lateness_min,
ratings, rating_sum, first_ratings, first_ratings_good, engagement_count, engagement_sum, objectives_answered,
objectives_met ) select t.profile_id, t.day, count(*), count(*) filter (where t.status = 'Completed'), count(*) filter
(where t.is_rescheduled_by_tutor), count(*) filter (where t.is_missed_by_tutor), count(t.minutes_late), count(*) filter
(where t.minutes_late <= 10), coalesce(sum(t.minutes_late), 0), sum(t.ratings), sum(t.rating_sum),
coalesce(sum(t.ratings) filter (where t.is_first), 0), coalesce(sum(t.good_ratings) filter (where t.is_first), 0),
count(t.engagement_score), coalesce(sum(t.engagement_score), 0), count(t.objectives_met), count(*) filter (where
t.objectives_met) from sessions as t group by t.profile_id, t.day; insert into public.caas_daily_events (profile_id,
day, logins, responses, response_minutes) select t.* from public.caas_told_events(item_ids, from_days, to_days, as_of,
zone) as t; insert into public.caas_cell_states as s (profile_id, taught_until, reports_since) select ids.profile_id,
as_of, as_of from unnest(teaching) as ids (profile_id) order by ids.profile_id on conflict (profile_id) do update set
taught_until = excluded.taught_until, reports_since = coalesce(case when recipient is not null then s.reports_since end,
as_of); end;
$function$;
create function public.caas_refresh_pairs(claim_token uuid, claimed uuid[]) RETURNS void LANGUAGE plpgsql SET
search_path TO 'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit
TO 'off'
AS $function$
declare ours uuid[]; built uuid[]; whole uuid[]; touched uuid[]; touched_others uuid[]; begin select
array_agg(locked.profile_id) into ours from ( select q.profile_id from public.caas_recalculation_queue as q where
q.profile_id = any(claimed) and q.token = claim_token order by q.profile_id for update ) as locked; update
public.caas_recalculation_queue as q set cells_written = true where q.profile_id = any(ours); select
array_agg(s.profile_id) into built from public.caas_cell_states as s where s.profile_id = any(ours) and s.paired; with
taken as ( update public.caas_touched_cells as t set refreshed = true where t.profile_id = any(ours) and t.cell in
('pair', 'pairs') returning t.profile_id, t.cell, t.other_id ), every_one as ( select t.profile_id from taken as t where
t.cell = 'pairs' union select ids.profile_id from unnest(ours) as ids (profile_id) where (ids.profile_id = any(built))
is not true ), single as ( select distinct t.profile_id, t.other_id from taken as t where t.cell = 'pair' and
t.profile_id not in (select e.profile_id from every_one as e) ) select ( select array_agg(e.profile_id order by
e.profile_id) from every_one as e ), array_agg(s.profile_id), array_agg(s.other_id) into whole, touched, touched_others
from single as s; if whole is not null then delete from public.caas_pair_cells as c where c.profile_id = any(whole);
delete from public.caas_pair_sums as s where s.profile_id = any(whole); with counted as ( insert into
public.caas_pair_cells ( profile_id, bucket, other_id, paid, free, recorded, unlogged, ratings, rating_sum ) select c.*
from public.caas_count_pairs(whole, null::uuid[]) as c returning * ) insert into public.caas_pair_sums ( profile_id,
bucket, paid, free, recorded, unlogged, ratings, rating_sum, clients, returning_clients ) select c.profile_id, c.bucket,
sum(c.paid), sum(c.free), sum(c.recorded), sum(c.unlogged), sum(c.ratings), sum(c.rating_sum), count(*) filter (where
c.paid > 0 and c.bucket < 256), count(*) filter (where c.paid > 1 and c.bucket < 256) from counted as c group by
c.profile_id, c.bucket; insert into public.caas_cell_states as s (profile_id, paired) select ids.profile_id, true from
unnest(whole) as ids (profile_id) on conflict (profile_id) do update set paired = true where not s.paired; end if; if
touched is not null then delete from public.caas_pair_cells as c where c.ctid = any( array( select gone.ctid from
unnest(touched, touched_others) as ids (profile_id, other_id) cross join lateral ( select cell.ctid from
public.caas_pair_cells as cell where cell.profile_id = ids.profile_id and cell.bucket = case when ids.other_id is null
then 256 else uuid_hash(ids.other_id) & 255 end::smallint and cell.other_id = coalesce(ids.other_id,
'00000000-0000-0000-0000-000000000000') offset 0 ) as gone ) ); insert into public.caas_pair_cells ( profile_id, bucket,
other_id, paid, free, recorded, unlogged, ratings, rating_sum ) select c.* from public.caas_count_pairs(touched,
touched_others) as c; delete from public.caas_pair_sums as s where s.ctid = any( array( select gone.ctid from
unnest(touched, touched_others) as ids (profile_id, other_id) cross join lateral ( select summed.ctid from
public.caas_pair_sums as summed where summed.profile_id = ids.profile_id and summed.bucket = case when ids.other_id is
null then 256 else uuid_hash(ids.other_id) & 255 end::smallint offset 0 ) as gone ) ); insert into public.caas_pair_sums
( profile_id, bucket, paid, free, recorded, unlogged, ratings, rating_sum, clients, returning_clients ) select
b.profile_id, b.bucket, c.paid, c.free, c.recorded, c.unlogged, c.ratings, c.rating_sum, c.clients, c.returning_clients
from ( select distinct ids.profile_id, case when ids.other_id is null then 256 else uuid_hash(ids.other_id) & 255
end::smallint as bucket from unnest(touched, touched_others) as ids (profile_id, other_id) offset 0 ) as b cross join
lateral ( select sum(cell.paid) as paid, sum(cell.free) as free, sum(cell.recorded) as recorded, sum(cell.unlogged) as
unlogged, sum(cell.ratings) as ratings, sum(cell.rating_sum) as rating_sum, count(*) filter (where cell.paid > 0 and
cell.bucket < 256) as clients, count(*) filter (where cell.paid > 1 and cell.bucket < 256) as returning_clients,
count(*) as cells from public.caas_pair_cells as cell where cell.profile_id = b.profile_id and cell.bucket = b.bucket )
as c where c.cells > 0; end if; end;
$function$;
create function public.caas_release(claim_token uuid, profile_ids uuid[]) RETURNS integer LANGUAGE plpgsql
SET search_path TO 'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET
jit TO 'off'
AS $function$
declare released integer; begin perform from ( select q.profile_id from public.caas_recalculation_queue as q where
q.profile_id = any(profile_ids) and q.token = claim_token order by q.profile_id for update ) as locked; update
public.caas_recalculation_queue as q set token = null, lease_until = null, priority = least(q.priority,
q.later_priority), place = nextval('public.caas_generation'), reasons = public.caas_merge_reasons(q.reasons,
coalesce(q.later_reasons, '{}')), first_changed_at = least(q.first_changed_at, q.later_changed_at), later_priority =
null, later_reasons = null, later_changed_at = null, later_due_at = null where q.profile_id = any(profile_ids) and
q.token = claim_token; get diagnostics released = row_count; return released; end;
$function$;
create function public.caas_release_hold(held_profile uuid, ended_by text, follow boolean DEFAULT true)
RETURNS bigint LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare asked bigint; begin if ended_by is null or btrim(ended_by) = '' then raise exception 'an actor is needed' using
errcode = 'invalid_parameter_value'; end if; if not exists( select from public.caas_holds as h where h.profile_id =
held_profile and h.released_at is null and ( h.expires_at is null or h.expires_at > clock_timestamp() or exists( select
from public.caas_scores as s where s.profile_id = held_profile and s.computed_score is not null ) ) ) then return null;
end if; select r.generation into asked from public.caas_recalculate(array[held_profile], 'release'::text, 0) as r;
update public.caas_holds as h set released_at = clock_timestamp(), released_by = left(btrim(ended_by), 200) where
h.profile_id = held_profile and h.released_at is null; update public.caas_scores as s set total_score =
s.computed_score, computed_score = null where s.profile_id = held_profile and s.computed_score is not null; perform
public.caas_list_to_follow(held_profile, follow); return asked; end;
$function$;
create function public.caas_role(roles text[]) RETURNS text LANGUAGE sql IMMUTABLE SET search_path TO
'pg_catalog', 'pg_temp'
AS $function$
select case when 'TUTOR' = any(r.carried) then 'TUTOR' when 'CLIENT' = any(r.carried) then 'CLIENT' when 'AGENT' =
any(r.carried) then 'AGENT' end from ( select array( select upper(btrim(role, e' \t\n\r\f\v') collate "C") from
unnest(roles) as role ) as carried ) as r;
$function$;
create function public.caas_sweep(max_profiles integer, as_of timestamp with time zone DEFAULT now()) RETURNS
integer LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET enable_bitmapscan TO
'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
declare scored uuid[]; scored_due_at timestamptz[]; taught uuid[]; taught_due_at timestamptz[]; marked integer; begin
select array_agg(d.profile_id), array_agg(d.next_due_at) into scored, scored_due_at from ( select s.profile_id,
s.next_due_at from public.caas_scores as s where s.next_due_at is not null and not s.swept and s.next_due_at <= as_of
order by s.next_due_at limit max_profiles for update skip locked ) as d; select array_agg(d.profile_id),
array_agg(d.next_due_at) into taught, taught_due_at from ( select s.profile_id, s.next_due_at from
public.caas_cell_states as s where s.next_due_at is not null and not s.swept and s.next_due_at <= as_of order by
s.next_due_at limit max_profiles for update skip locked ) as d; with chosen as materialized ( select d.profile_id,
min(d.next_due_at) as next_due_at from ( select s.* from unnest(scored, scored_due_at) as s (profile_id, next_due_at)
union all select t.* from unnest(taught, taught_due_at) as t (profile_id, next_due_at) ) as d group by d.profile_id
order by min(d.next_due_at) limit max_profiles ), swept as ( update public.caas_scores as s set swept = true where
s.profile_id = any( array( select ids.profile_id from unnest(scored) as ids (profile_id) intersect select c.profile_id
from chosen as c ) ) ), turned as ( update public.caas_cell_states as s set swept = true where s.profile_id = any(
array( select ids.profile_id from unnest(taught) as ids (profile_id) intersect select c.profile_id from chosen as c ) )
) insert into public.caas_changes (reason, priority, changed_at, profile_id) select 'time', 50, c.next_due_at,
c.profile_id from chosen as c order by c.next_due_at; get diagnostics marked = row_count; return marked; end;
$function$;
create function public.caas_taught_sessions(profile_ids uuid[], from_days date[], to_days date[], as_of
timestamp with time zone, zone text) RETURNS TABLE(profile_id uuid, day date, booking_id uuid, client_id uuid, starts_at
timestamp with time zone, status text, is_rescheduled_by_tutor boolean, is_missed_by_tutor boolean, minutes_late
numeric, late integer, short integer, tech integer, is_first boolean, engagement_score numeric, objectives_met boolean,
ratings integer, good_ratings integer, rating_sum integer) LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog',
'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET enable_memoize TO 'off' SET enable_sort TO 'off' SET
enable_bitmapscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column begin return query select ids.profile_id, (b.scheduled_start at time zone zone)::date,
b.id, b.client_id, b.scheduled_start, b.status, b.status = 'Rescheduled' and exists( select from public.reschedules as r
where r.booking_id = b.id and r.initiator = 'tutor' ), b.status = 'No-show' and b.no_show_by is not distinct from
'tutor', q.minutes_late, case when q.minutes_short is not null then least(30, 2 * ceil(q.minutes_late))::integer end,
case when q.minutes_short <= 5 then 0 when q.minutes_short > 5 then least(40, ceil(q.minutes_short))::integer end, case
when q.minutes_short is not null then 10 * coalesce(b.tech_issue, false)::integer end, b.session_number is not distinct
from 1, b.engagement_score, b.learning_objectives_met, v.ratings, v.good, v.total from unnest(profile_ids, from_days,
to_days) as ids (profile_id, from_day, to_day) cross join lateral ( select own.id from public.listings as own where
own.profile_id = ids.profile_id offset 0 ) as l cross join lateral ( select held.id, held.client_id, held.status::text
as status, held.no_show_by, held.scheduled_start, held.scheduled_end, held.actual_start, held.actual_end,
held.tech_issue, held.session_number, case when held.engagement_score between 0 and 1 then round(held.engagement_score,
9) end as engagement_score, held.learning_objectives_met from public.bookings as held where held.listing_id = l.id and
held.scheduled_start >= (ids.from_day::timestamp at time zone zone) - interval '3 hours' and held.scheduled_start <
(ids.to_day::timestamp at time zone zone) + interval '3 hours' and held.scheduled_start <= as_of and
held.scheduled_start >= '0001-01-03 00:00:00+00' and (held.scheduled_start at time zone zone)::date >= ids.from_day and
(held.scheduled_start at time zone zone)::date < ids.to_day and held.status in ('Completed', 'Rescheduled', 'No-show')
order by held.scheduled_start offset 0 ) as b cross join lateral ( select case when b.status = 'Completed' and
isfinite(b.actual_start) then greatest((extract(epoch from b.actual_start) - extract(epoch from b.scheduled_start)) /
60, 0) end as minutes_late, case when b.status = 'Completed' and isfinite(b.actual_start) and isfinite(b.actual_end) and
isfinite(b.scheduled_end) then (extract(epoch from b.scheduled_end) - extract(epoch from b.actual_end)) / 60 end as
minutes_short ) as q cross join lateral ( select count(got.rating)::integer as ratings, (count(*) filter (where
got.rating >= 4))::integer as good, coalesce(sum(got.rating), 0)::integer as total from public.profile_reviews as got
where got.booking_id = b.id and got.reviewee_id = ids.profile_id and got.reviewer_id is distinct from got.reviewee_id )
as v; end;
$function$;
create function public.caas_teaching_sums(profile_ids uuid[], as_of timestamp with time zone DEFAULT now())
RETURNS TABLE(profile_id uuid, ratings bigint, rating_sum bigint, paid_sessions bigint, free_sessions bigint,
recorded_sessions bigint, unlogged_sessions bigint, clients bigint, returning_clients bigint) LANGUAGE plpgsql STABLE
SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off' SET enable_memoize TO
'off' SET enable_sort TO 'off' SET enable_bitmapscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO
'off'
AS $function$
#variable_conflict use_column declare built uuid[]; begin profile_ids := array( select distinct ids.profile_id from
unnest(profile_ids) as ids (profile_id) where ids.profile_id is not null ); if current_setting('caas.cells', true) =
'on' then select array_agg(s.profile_id) into built from public.caas_cell_states as s where s.profile_id =
any(profile_ids) and s.paired; end if; return query with parts (profile_id, ratings, rating_sum, paid, free, recorded,
unlogged, booked, booked_again) as ( select ids.profile_id, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint,
0::bigint, 0::bigint, 0::bigint from unnest(profile_ids) as ids (profile_id) union all select ids.profile_id, s.ratings,
s.rating_sum, s.paid, s.free, s.recorded, s.unlogged, s.clients, s.returning_clients from unnest(built) as ids
(profile_id) cross join lateral ( select summed.* from public.caas_pair_sums as summed where summed.profile_id =
ids.profile_id offset 0 ) as s union all select c.profile_id, c.ratings, c.rating_sum, c.paid, c.free, c.recorded,
c.unlogged, (c.paid > 0 and c.bucket < 256)::integer, (c.paid > 1 and c.bucket < 256)::integer from
public.caas_count_pairs( array( select ids.profile_id from unnest(profile_ids) as ids (profile_id) where (ids.profile_id
= any(built)) is not true ), null::uuid[] ) as c ) select p.profile_id, sum(p.ratings)::bigint,
sum(p.rating_sum)::bigint, sum(p.paid)::bigint, sum(p.free)::bigint, sum(p.recorded)::bigint, sum(p.unlogged)::bigint,
sum(p.booked)::bigint, sum(p.booked_again)::bigint from parts as p group by p.profile_id; end;
$function$;
create function public.caas_told_events(profile_ids uuid[], from_days date[], to_days date[], as_of timestamp
with time zone, zone text) RETURNS TABLE(profile_id uuid, day date, logins integer, responses integer, response_minutes
numeric) LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan
TO 'off' SET enable_memoize TO 'off' SET enable_sort TO 'off' SET enable_bitmapscan TO 'off' SET plan_cache_mode TO
'force_generic_plan' SET jit TO 'off'
AS $function$
#variable_conflict use_column begin return query select e.profile_id, (e.occurred_at at time zone zone)::date, (count(*)
filter (where e.event_type = 'login'))::integer, count(e.minutes)::integer, coalesce(sum(e.minutes), 0) from ( select
ids.profile_id, t.occurred_at, t.event_type, case when t.minutes >= 0 then round(least(t.minutes, 1000000000), 6) end as
minutes from unnest(profile_ids, from_days, to_days) as ids (profile_id, from_day, to_day) cross join lateral ( select
told.occurred_at, told.event_type, case when told.event_type = 'message_response' and jsonb_typeof(told.metadata ->
'response_time_minutes') = 'number' then (told.metadata -> 'response_time_minutes')::numeric end as minutes from
public.platform_events as told where told.profile_id = ids.profile_id and told.occurred_at >= (ids.from_day::timestamp
at time zone zone) - interval '3 hours' and told.occurred_at < (ids.to_day::timestamp at time zone zone) + interval
'3 hours' and told.occurred_at <= as_of and told.occurred_at >= '0001-01-03 00:00:00+00' and (told.occurred_at at time
zone zone)::date >= ids.from_day and (told.occurred_at at time zone zone)::date < ids.to_day and told.event_type in
('login', 'message_response') offset 0 ) as t ) as e group by e.profile_id, (e.occurred_at at time zone zone)::date
having count(*) filter (where e.event_type = 'login') + count(e.minutes) > 0; end;
$function$;
create function public.caas_tutor_of(booking uuid) RETURNS uuid LANGUAGE plpgsql SET search_path TO
'pg_catalog', 'pg_temp' SET row_security TO 'off' SET enable_seqscan TO 'off'
AS $function$
begin return ( select l.profile_id from public.bookings as b inner join public.listings as l on l.id = b.listing_id
where b.id = booking ); end;
$function$;
create function public.caas_wake(max_entries integer, max_attempts integer) RETURNS TABLE(promoted integer,
lost integer, dead integer) LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET enable_seqscan TO 'off' SET
enable_bitmapscan TO 'off' SET plan_cache_mode TO 'force_generic_plan' SET jit TO 'off'
AS $function$
declare chosen uuid[]; begin select array_agg(o.profile_id) into chosen from ( select q.profile_id from
public.caas_recalculation_queue as q where q.token is null and q.due_at is not null and q.due_at <= clock_timestamp()
order by q.due_at limit max_entries for update skip locked ) as o; update public.caas_recalculation_queue as q set
due_at = null, place = nextval('public.caas_generation') where q.profile_id = any(chosen); get diagnostics promoted =
row_count; select array_agg(o.profile_id) into chosen from ( select q.profile_id from public.caas_recalculation_queue as
q where q.token is not null and q.lease_until < clock_timestamp() order by q.lease_until limit max_entries for update
skip locked ) as o; update public.caas_recalculation_queue as q set token = null, lease_until = null, losses = q.losses
+ 1, attempts = q.attempts + q.claimed_alone::integer, error = 'LEASE_LOST', priority = least(q.priority,
q.later_priority), reasons = public.caas_merge_reasons(q.reasons, coalesce(q.later_reasons, '{}')), first_changed_at =
least(q.first_changed_at, q.later_changed_at), later_priority = null, later_reasons = null, later_changed_at = null,
later_due_at = null, place = nextval('public.caas_generation') where q.profile_id = any(chosen); get diagnostics lost =
row_count; select array_agg(o.profile_id) into chosen from ( select q.profile_id from public.caas_recalculation_queue as
q where q.token is null and q.due_at is null and q.losses >= 2 and q.profile_id = any(chosen) and q.claimed_alone and
q.attempts >= max_attempts and q.generation = q.claimed_generation ) as o; perform public.caas_cascade(chosen); perform
public.caas_doubt_pairs(chosen); with removed as ( delete from public.caas_recalculation_queue as q where q.profile_id =
any(chosen) returning q.* ) insert into public.caas_dead_entries ( profile_id, error, message, attempts, reasons,
first_changed_at, last_changed_at ) select r.profile_id, r.error,
'The worker that had claimed this profile alone ended or outlived its lease, each time.', r.attempts, r.reasons,
r.first_changed_at, r.last_changed_at from removed as r order by r.profile_id; get diagnostics dead = row_count; return
next; end;
$function$;
create function public.caas_watch(watched text, identity text[], keys text[], columns text[] DEFAULT
'{}'::text[], condition text DEFAULT 'true'::text, inserts boolean DEFAULT true, deletes boolean DEFAULT false) RETURNS
void LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare key_columns text[]; targets text[]; all_columns text[]; old_values text; new_values text; touched_by_update
text; mark text; marked_columns text; repeated boolean; begin select array_agg(split_part(k.key, ' as ', 1) order by
k.place), array_agg(coalesce(nullif(split_part(k.key, ' as ', 2), ''), k.key) order by k.place) into key_columns,
targets from unnest(keys) with ordinality as k (key, place); repeated := cardinality(targets) > ( select count(distinct
u.target) from unnest(targets) as u (target) ); select array_agg(distinct c.name) into all_columns from unnest(identity
|| key_columns || columns) as c (name); execute format(
'create or replace view public.%I as select %s from public.%I where false', 'caas_guard_' || watched, (select
string_agg(format('%I', c.name), ', ' order by c.name) from unnest(all_columns) as c (name)), watched ); execute
format('revoke all on public.%I from public', 'caas_guard_' || watched); execute format(
'comment on view public.%I is %L', 'caas_guard_' || watched,
'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.' ); if
repeated then select format('%I', min(r.target)), string_agg( format(
'select %1$L, <deleted>, changed.%2$I from (<rows>) as changed where changed.%2$I is not null and (%3$s)', watched,
r.key, condition ), ' union ' ) into marked_columns, mark from unnest(key_columns, targets) as r (key, target); else
select string_agg(format('%I', r.target), ', ' order by r.place), format(
'select distinct %L, <deleted>, %s from (<rows>) as changed where (%s) and (%s)', watched,
string_agg(format('changed.%I', r.key), ', ' order by r.place), string_agg(format('changed.%I is not null', r.key),
' or ') filter (where r.target in ('profile_id', 'listing_id', 'booking_id')), condition ) into marked_columns, mark
from unnest(key_columns, targets) with ordinality as r (key, target, place); end if; mark :=
format('insert into public.caas_changes (reason, deleted, %s) %s;', marked_columns, mark); select
string_agg(format('old_row.%I', c.name), ', ' order by c.name), string_agg(format('new_row.%I', c.name), ', ' order by
c.name) into old_values, new_values from unnest(all_columns) as c (name); touched_by_update := format(
'select pair.* from old_rows as old_row full join new_rows as new_row on (%s) = (%s) '
'cross join lateral (values (%s), (%s)) as pair (%s) where (%s) is distinct from (%s)', (select
string_agg(format('old_row.%I', i.name), ', ') from unnest(identity) as i (name)), (select
string_agg(format('new_row.%I', i.name), ', ') from unnest(identity) as i (name)), old_values, new_values, (select
string_agg(format('%I', c.name), ', ' order by c.name) from unnest(all_columns) as c (name)), old_values, new_values );
begin execute format(
'with old_rows as (select * from public.%I where false), new_rows as (select * from public.%I where false) ', watched,
watched ) || replace(replace(mark, '<rows>', touched_by_update), '<deleted>', 'false'); exception when others then raise
exception 'the table % cannot be watched: %', watched, sqlerrm using errcode = 'feature_not_supported'; end; execute
format( $template$ create or replace function public.%I() returns trigger language plpgsql volatile security definer set
search_path = pg_catalog, pg_temp as $trigger$ begin case tg_op when 'INSERT' then %s when 'UPDATE' then %s when
'DELETE' then %s when 'TRUNCATE' then insert into public.caas_changes (reason, priority, everyone) values (%L, 90,
true); end case; return null; end; $trigger$ $template$, 'caas_mark_' || watched, case when inserts then
replace(replace(mark, '<rows>', 'select * from new_rows'), '<deleted>', 'false') else 'null;' end, replace(replace(mark,
'<rows>', touched_by_update), '<deleted>', 'false'), replace(replace(mark, '<rows>', 'select * from old_rows'),
'<deleted>', deletes::text), watched ); execute format('revoke all on function public.%I() from public', 'caas_mark_' ||
watched); execute format( 'comment on function public.%I() is %L', 'caas_mark_' || watched,
format('Marks whose score a change of %s may have changed.', watched) ); end;
$function$;
create function public.get_digital_stats(user_id uuid) RETURNS TABLE(google_calendar_synced boolean,
google_classroom_synced boolean, virtual_usage_rate numeric) LANGUAGE sql STABLE SET search_path TO 'pg_catalog',
'pg_temp'
AS $function$
select s.google_calendar_synced, s.google_classroom_synced, s.virtual_usage_rate from
public.caas_digital_stats(array[user_id]) as s;
$function$;
create function public.get_network_stats(user_id uuid) RETURNS TABLE(referral_count integer, connection_count
integer, is_agent_referred boolean) LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
select s.referral_count, s.connection_count, s.is_agent_referred from public.caas_network_stats(array[user_id]) as s;
$function$;
create function public.get_performance_stats(user_id uuid) RETURNS TABLE(avg_rating numeric,
completed_sessions integer, retention_rate numeric, manual_session_log_rate numeric, completed_free_sessions_count
integer) LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
select s.avg_rating, s.completed_sessions, s.retention_rate, s.manual_session_log_rate, s.completed_free_sessions_count
from public.caas_performance_stats(array[user_id]) as s;
$function$;
create function public.caas_mark_bookings()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, listing_id, profile_id, touched_at) select distinct 'bookings', false, changed.listing_id, changed.client_id, changed.scheduled_start from (select * from new_rows) as changed where (changed.listing_id is not null or changed.client_id is not null) and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, listing_id, profile_id, touched_at) select distinct 'bookings', false, changed.listing_id, changed.client_id, changed.scheduled_start from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.actual_end, old_row.actual_start, old_row.cancelled_by, old_row.client_id, old_row.engagement_score, old_row.id, old_row.learning_objectives_met, old_row.listing_id, old_row.no_show_by, old_row.payment_status, old_row.recording_url, old_row.scheduled_end, old_row.scheduled_start, old_row.session_number, old_row.status, old_row.tech_issue, old_row.type), (new_row.actual_end, new_row.actual_start, new_row.cancelled_by, new_row.client_id, new_row.engagement_score, new_row.id, new_row.learning_objectives_met, new_row.listing_id, new_row.no_show_by, new_row.payment_status, new_row.recording_url, new_row.scheduled_end, new_row.scheduled_start, new_row.session_number, new_row.status, new_row.tech_issue, new_row.type)) as pair (actual_end, actual_start, cancelled_by, client_id, engagement_score, id, learning_objectives_met, listing_id, no_show_by, payment_status, recording_url, scheduled_end, scheduled_start, session_number, status, tech_issue, type) where (old_row.actual_end, old_row.actual_start, old_row.cancelled_by, old_row.client_id, old_row.engagement_score, old_row.id, old_row.learning_objectives_met, old_row.listing_id, old_row.no_show_by, old_row.payment_status, old_row.recording_url, old_row.scheduled_end, old_row.scheduled_start, old_row.session_number, old_row.status, old_row.tech_issue, old_row.type) is distinct from (new_row.actual_end, new_row.actual_start, new_row.cancelled_by, new_row.client_id, new_row.engagement_score, new_row.id, new_row.learning_objectives_met, new_row.listing_id, new_row.no_show_by, new_row.payment_status, new_row.recording_url, new_row.scheduled_end, new_row.scheduled_start, new_row.session_number, new_row.status, new_row.tech_issue, new_row.type)) as changed where (changed.listing_id is not null or changed.client_id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, listing_id, profile_id, touched_at) select distinct 'bookings', false, changed.listing_id, changed.client_id, changed.scheduled_start from (select * from old_rows) as changed where (changed.listing_id is not null or changed.client_id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('bookings', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_listings()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then null;
when 'UPDATE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'listings', false, changed.profile_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.id, old_row.profile_id), (new_row.id, new_row.profile_id)) as pair (id, profile_id) where (old_row.id, old_row.profile_id) is distinct from (new_row.id, new_row.profile_id)) as changed where (changed.profile_id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'listings', false, changed.profile_id from (select * from old_rows) as changed where (changed.profile_id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('listings', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_platform_events()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, profile_id, touched_at) select distinct 'platform_events', false, changed.profile_id, changed.occurred_at from (select * from new_rows) as changed where (changed.profile_id is not null) and (changed.event_type in ('message_response', 'login'));
when 'UPDATE' then insert into public.caas_changes (reason, deleted, profile_id, touched_at) select distinct 'platform_events', false, changed.profile_id, changed.occurred_at from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.event_type, old_row.id, old_row.metadata, old_row.occurred_at, old_row.profile_id), (new_row.event_type, new_row.id, new_row.metadata, new_row.occurred_at, new_row.profile_id)) as pair (event_type, id, metadata, occurred_at, profile_id) where (old_row.event_type, old_row.id, old_row.metadata, old_row.occurred_at, old_row.profile_id) is distinct from (new_row.event_type, new_row.id, new_row.metadata, new_row.occurred_at, new_row.profile_id)) as changed where (changed.profile_id is not null) and (changed.event_type in ('message_response', 'login'));
when 'DELETE' then insert into public.caas_changes (reason, deleted, profile_id, touched_at) select distinct 'platform_events', false, changed.profile_id, changed.occurred_at from (select * from old_rows) as changed where (changed.profile_id is not null) and (changed.event_type in ('message_response', 'login'));
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('platform_events', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_profile_graph()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, profile_id) select 'profile_graph', false, changed.source_profile_id from (select * from new_rows) as changed where changed.source_profile_id is not null and (true) union select 'profile_graph', false, changed.target_profile_id from (select * from new_rows) as changed where changed.target_profile_id is not null and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, profile_id) select 'profile_graph', false, changed.source_profile_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.created_at, old_row.id, old_row.relationship_type, old_row.source_profile_id, old_row.status, old_row.target_profile_id), (new_row.created_at, new_row.id, new_row.relationship_type, new_row.source_profile_id, new_row.status, new_row.target_profile_id)) as pair (created_at, id, relationship_type, source_profile_id, status, target_profile_id) where (old_row.created_at, old_row.id, old_row.relationship_type, old_row.source_profile_id, old_row.status, old_row.target_profile_id) is distinct from (new_row.created_at, new_row.id, new_row.relationship_type, new_row.source_profile_id, new_row.status, new_row.target_profile_id)) as changed where changed.source_profile_id is not null and (true) union select 'profile_graph', false, changed.target_profile_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.created_at, old_row.id, old_row.relationship_type, old_row.source_profile_id, old_row.status, old_row.target_profile_id), (new_row.created_at, new_row.id, new_row.relationship_type, new_row.source_profile_id, new_row.status, new_row.target_profile_id)) as pair (created_at, id, relationship_type, source_profile_id, status, target_profile_id) where (old_row.created_at, old_row.id, old_row.relationship_type, old_row.source_profile_id, old_row.status, old_row.target_profile_id) is distinct from (new_row.created_at, new_row.id, new_row.relationship_type, new_row.source_profile_id, new_row.status, new_row.target_profile_id)) as changed where changed.target_profile_id is not null and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, profile_id) select 'profile_graph', false, changed.source_profile_id from (select * from old_rows) as changed where changed.source_profile_id is not null and (true) union select 'profile_graph', false, changed.target_profile_id from (select * from old_rows) as changed where changed.target_profile_id is not null and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('profile_graph', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_profile_reviews()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, profile_id, other_id, booking_id) select distinct 'profile_reviews', false, changed.reviewee_id, changed.reviewer_id, changed.booking_id from (select * from new_rows) as changed where (changed.reviewee_id is not null or changed.booking_id is not null) and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, profile_id, other_id, booking_id) select distinct 'profile_reviews', false, changed.reviewee_id, changed.reviewer_id, changed.booking_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.booking_id, old_row.id, old_row.rating, old_row.reviewee_id, old_row.reviewer_id), (new_row.booking_id, new_row.id, new_row.rating, new_row.reviewee_id, new_row.reviewer_id)) as pair (booking_id, id, rating, reviewee_id, reviewer_id) where (old_row.booking_id, old_row.id, old_row.rating, old_row.reviewee_id, old_row.reviewer_id) is distinct from (new_row.booking_id, new_row.id, new_row.rating, new_row.reviewee_id, new_row.reviewer_id)) as changed where (changed.reviewee_id is not null or changed.booking_id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, profile_id, other_id, booking_id) select distinct 'profile_reviews', false, changed.reviewee_id, changed.reviewer_id, changed.booking_id from (select * from old_rows) as changed where (changed.reviewee_id is not null or changed.booking_id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('profile_reviews', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_profiles()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'profiles', false, changed.id from (select * from new_rows) as changed where (changed.id is not null) and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'profiles', false, changed.id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.available_free_help, old_row.avatar_url, old_row.bio, old_row.bio_video_url, old_row.business_verified, old_row.dbs_expiry_date, old_row.dbs_verified, old_row.id, old_row.identity_verified, old_row.roles, old_row.status), (new_row.available_free_help, new_row.avatar_url, new_row.bio, new_row.bio_video_url, new_row.business_verified, new_row.dbs_expiry_date, new_row.dbs_verified, new_row.id, new_row.identity_verified, new_row.roles, new_row.status)) as pair (available_free_help, avatar_url, bio, bio_video_url, business_verified, dbs_expiry_date, dbs_verified, id, identity_verified, roles, status) where (old_row.available_free_help, old_row.avatar_url, old_row.bio, old_row.bio_video_url, old_row.business_verified, old_row.dbs_expiry_date, old_row.dbs_verified, old_row.id, old_row.identity_verified, old_row.roles, old_row.status) is distinct from (new_row.available_free_help, new_row.avatar_url, new_row.bio, new_row.bio_video_url, new_row.business_verified, new_row.dbs_expiry_date, new_row.dbs_verified, new_row.id, new_row.identity_verified, new_row.roles, new_row.status)) as changed where (changed.id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'profiles', true, changed.id from (select * from old_rows) as changed where (changed.id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('profiles', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_reschedules()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, booking_id) select distinct 'reschedules', false, changed.booking_id from (select * from new_rows) as changed where (changed.booking_id is not null) and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, booking_id) select distinct 'reschedules', false, changed.booking_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.booking_id, old_row.cancelled_at, old_row.id, old_row.initiator, old_row.new_time, old_row.original_time, old_row.reason, old_row.reason_code), (new_row.booking_id, new_row.cancelled_at, new_row.id, new_row.initiator, new_row.new_time, new_row.original_time, new_row.reason, new_row.reason_code)) as pair (booking_id, cancelled_at, id, initiator, new_time, original_time, reason, reason_code) where (old_row.booking_id, old_row.cancelled_at, old_row.id, old_row.initiator, old_row.new_time, old_row.original_time, old_row.reason, old_row.reason_code) is distinct from (new_row.booking_id, new_row.cancelled_at, new_row.id, new_row.initiator, new_row.new_time, new_row.original_time, new_row.reason, new_row.reason_code)) as changed where (changed.booking_id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, booking_id) select distinct 'reschedules', false, changed.booking_id from (select * from old_rows) as changed where (changed.booking_id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('reschedules', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_role_details()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'role_details', false, changed.profile_id from (select * from new_rows) as changed where (changed.profile_id is not null) and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'role_details', false, changed.profile_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.profile_id, old_row.role_type) = (new_row.profile_id, new_row.role_type) cross join lateral (values (old_row.degree_level, old_row.profile_id, old_row.qualifications, old_row.role_type, old_row.teaching_experience), (new_row.degree_level, new_row.profile_id, new_row.qualifications, new_row.role_type, new_row.teaching_experience)) as pair (degree_level, profile_id, qualifications, role_type, teaching_experience) where (old_row.degree_level, old_row.profile_id, old_row.qualifications, old_row.role_type, old_row.teaching_experience) is distinct from (new_row.degree_level, new_row.profile_id, new_row.qualifications, new_row.role_type, new_row.teaching_experience)) as changed where (changed.profile_id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'role_details', false, changed.profile_id from (select * from old_rows) as changed where (changed.profile_id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('role_details', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_session_transcripts()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, booking_id) select distinct 'session_transcripts', false, changed.booking_id from (select * from new_rows) as changed where (changed.booking_id is not null) and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, booking_id) select distinct 'session_transcripts', false, changed.booking_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.booking_id) = (new_row.booking_id) cross join lateral (values (old_row.booking_id, old_row.turns), (new_row.booking_id, new_row.turns)) as pair (booking_id, turns) where (old_row.booking_id, old_row.turns) is distinct from (new_row.booking_id, new_row.turns)) as changed where (changed.booking_id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, booking_id) select distinct 'session_transcripts', false, changed.booking_id from (select * from old_rows) as changed where (changed.booking_id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('session_transcripts', 90, true);
end case;
return null;
end;
$function$;
create function public.caas_mark_student_integration_links()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
case tg_op
when 'INSERT' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'student_integration_links', false, changed.profile_id from (select * from new_rows) as changed where (changed.profile_id is not null) and (true);
when 'UPDATE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'student_integration_links', false, changed.profile_id from (select pair.* from old_rows as old_row full join new_rows as new_row on (old_row.id) = (new_row.id) cross join lateral (values (old_row.id, old_row.integration_type, old_row.is_active, old_row.profile_id), (new_row.id, new_row.integration_type, new_row.is_active, new_row.profile_id)) as pair (id, integration_type, is_active, profile_id) where (old_row.id, old_row.integration_type, old_row.is_active, old_row.profile_id) is distinct from (new_row.id, new_row.integration_type, new_row.is_active, new_row.profile_id)) as changed where (changed.profile_id is not null) and (true);
when 'DELETE' then insert into public.caas_changes (reason, deleted, profile_id) select distinct 'student_integration_links', false, changed.profile_id from (select * from old_rows) as changed where (changed.profile_id is not null) and (true);
when 'TRUNCATE' then
insert into public.caas_changes (reason, priority, everyone) values ('student_integration_links', 90, true);
end case;
return null;
end;
$function$;
create view public.caas_guard_bookings as SELECT bookings.actual_end, bookings.actual_start, bookings.cancelled_by,
bookings.client_id, bookings.engagement_score, bookings.id, bookings.learning_objectives_met, bookings.listing_id,
bookings.no_show_by, bookings.payment_status, bookings.recording_url, bookings.scheduled_end, bookings.scheduled_start,
bookings.session_number, bookings.status, bookings.tech_issue, bookings.type FROM public.bookings WHERE false;
create view public.caas_guard_listings as SELECT listings.id, listings.profile_id FROM public.listings WHERE false;
create view public.caas_guard_platform_events as SELECT platform_events.event_type, platform_events.id,
platform_events.metadata, platform_events.occurred_at, platform_events.profile_id FROM public.platform_events WHERE
false;
create view public.caas_guard_profile_graph as SELECT profile_graph.created_at, profile_graph.id,
profile_graph.relationship_type, profile_graph.source_profile_id, profile_graph.status, profile_graph.target_profile_id
FROM public.profile_graph WHERE false;
create view public.caas_guard_profile_reviews as SELECT profile_reviews.booking_id, profile_reviews.id,
profile_reviews.rating, profile_reviews.reviewee_id, profile_reviews.reviewer_id FROM public.profile_reviews WHERE
false;
create view public.caas_guard_profiles as SELECT profiles.available_free_help, profiles.avatar_url, profiles.bio,
profiles.bio_video_url, profiles.business_verified, profiles.dbs_expiry_date, profiles.dbs_verified, profiles.id,
profiles.identity_verified, profiles.roles, profiles.status FROM public.profiles WHERE false;
create view public.caas_guard_reschedules as SELECT reschedules.booking_id, reschedules.cancelled_at, reschedules.id,
reschedules.initiator, reschedules.new_time, reschedules.original_time, reschedules.reason, reschedules.reason_code FROM
public.reschedules WHERE false;
create view public.caas_guard_role_details as SELECT role_details.degree_level, role_details.profile_id,
role_details.qualifications, role_details.role_type, role_details.teaching_experience FROM public.role_details WHERE
false;
create view public.caas_guard_session_transcripts as SELECT session_transcripts.booking_id, session_transcripts.turns
FROM public.session_transcripts WHERE false;
create view public.caas_guard_student_integration_links as SELECT student_integration_links.id,
student_integration_links.integration_type, student_integration_links.is_active, student_integration_links.profile_id
FROM public.student_integration_links WHERE false;
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.bookings REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_bookings();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.bookings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_bookings();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.bookings FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_bookings();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.bookings REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_bookings();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.listings REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_listings();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.listings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_listings();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.listings FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_listings();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.listings REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_listings();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.platform_events REFERENCING OLD TABLE AS old_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_platform_events();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.platform_events REFERENCING NEW TABLE AS new_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_platform_events();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.platform_events FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_platform_events();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.platform_events REFERENCING OLD TABLE AS old_rows NEW TABLE AS
new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_platform_events();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.profile_graph REFERENCING OLD TABLE AS old_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_profile_graph();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.profile_graph REFERENCING NEW TABLE AS new_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_profile_graph();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.profile_graph FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_profile_graph();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.profile_graph REFERENCING OLD TABLE AS old_rows NEW TABLE AS
new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_profile_graph();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.profile_reviews REFERENCING OLD TABLE AS old_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_profile_reviews();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.profile_reviews REFERENCING NEW TABLE AS new_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_profile_reviews();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.profile_reviews FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_profile_reviews();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.profile_reviews REFERENCING OLD TABLE AS old_rows NEW TABLE AS
new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_profile_reviews();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.profiles REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_profiles();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.profiles REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_profiles();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.profiles FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_profiles();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.profiles REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_profiles();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.reschedules REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_reschedules();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.reschedules REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_reschedules();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.reschedules FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_reschedules();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.reschedules REFERENCING OLD TABLE AS old_rows NEW TABLE AS
new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_reschedules();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.role_details REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_role_details();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.role_details REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
EXECUTE FUNCTION public.caas_mark_role_details();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.role_details FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_role_details();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.role_details REFERENCING OLD TABLE AS old_rows NEW TABLE AS
new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_role_details();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.session_transcripts REFERENCING OLD TABLE AS old_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_session_transcripts();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.session_transcripts REFERENCING NEW TABLE AS new_rows FOR EACH
STATEMENT EXECUTE FUNCTION public.caas_mark_session_transcripts();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.session_transcripts FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_session_transcripts();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.session_transcripts REFERENCING OLD TABLE AS old_rows NEW TABLE
AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_session_transcripts();
CREATE TRIGGER caas_mark_delete AFTER DELETE ON public.student_integration_links REFERENCING OLD TABLE AS old_rows FOR
EACH STATEMENT EXECUTE FUNCTION public.caas_mark_student_integration_links();
CREATE TRIGGER caas_mark_insert AFTER INSERT ON public.student_integration_links REFERENCING NEW TABLE AS new_rows FOR
EACH STATEMENT EXECUTE FUNCTION public.caas_mark_student_integration_links();
CREATE TRIGGER caas_mark_truncate AFTER TRUNCATE ON public.student_integration_links FOR EACH STATEMENT EXECUTE FUNCTION
public.caas_mark_student_integration_links();
CREATE TRIGGER caas_mark_update AFTER UPDATE ON public.student_integration_links REFERENCING OLD TABLE AS old_rows NEW
TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.caas_mark_student_integration_links();
comment on function public.caas_mark_bookings() is 'Marks whose score a change of bookings may have changed.';
comment on function public.caas_mark_listings() is 'Marks whose score a change of listings may have changed.';
comment on function public.caas_mark_platform_events() is 'Marks whose score a change of platform_events may have changed.';
comment on function public.caas_mark_profile_graph() is 'Marks whose score a change of profile_graph may have changed.';
comment on function public.caas_mark_profile_reviews() is 'Marks whose score a change of profile_reviews may have changed.';
comment on function public.caas_mark_profiles() is 'Marks whose score a change of profiles may have changed.';
comment on function public.caas_mark_reschedules() is 'Marks whose score a change of reschedules may have changed.';
comment on function public.caas_mark_role_details() is 'Marks whose score a change of role_details may have changed.';
comment on function public.caas_mark_session_transcripts() is 'Marks whose score a change of session_transcripts may have changed.';
comment on function public.caas_mark_student_integration_links() is 'Marks whose score a change of student_integration_links may have changed.';
comment on view public.caas_guard_bookings is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_listings is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_platform_events is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_profile_graph is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_profile_reviews is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_profiles is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_reschedules is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_role_details is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_session_transcripts is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
comment on view public.caas_guard_student_integration_links is 'Always empty. Keeps the columns that caas_worker watches from being dropped or changed under its triggers.';
create policy caas_workers_see_and_write_every_score on public.caas_scores to caas_worker using (true) with check (true);
comment on policy caas_workers_see_and_write_every_score on public.caas_scores is
'Members of caas_worker see and write every row.';
revoke all on function public.caas_agent_stats(uuid[],timestamp with time zone), public.caas_attach(text,regclass),
public.caas_cache(uuid,uuid[],jsonb,uuid[],boolean,jsonb), public.caas_cascade(uuid[]),
public.caas_claim(integer,uuid,interval,bigint[],boolean), public.caas_client_stats(uuid[],timestamp with time zone),
public.caas_count_pairs(uuid[],uuid[]), public.caas_digital_stats(uuid[],timestamp with time zone),
public.caas_doubt_pairs(uuid[]), public.caas_enqueue(uuid[],text,integer), public.caas_enqueue_everyone(text,integer),
public.caas_expand(integer), public.caas_fail(uuid,jsonb,integer,interval),
public.caas_first_sessions(uuid[],uuid[],uuid[],timestamp with time zone),
public.caas_fold(integer,bigint,bigint[],interval), public.caas_follow(uuid[],integer),
public.caas_forget(uuid[],boolean), public.caas_hold(uuid,integer,text,text,timestamp with time zone,boolean),
public.caas_link_stats(uuid[],timestamp with time zone), public.caas_list_to_follow(uuid,boolean),
public.caas_lock_claimed(uuid,uuid[],uuid[]), public.caas_mark_bookings(), public.caas_mark_listings(),
public.caas_mark_platform_events(), public.caas_mark_profile_graph(), public.caas_mark_profile_reviews(),
public.caas_mark_profiles(), public.caas_mark_reschedules(), public.caas_mark_role_details(),
public.caas_mark_session_transcripts(), public.caas_mark_student_integration_links(),
public.caas_merge_reasons(text[],text[]), public.caas_network_stats(uuid[],timestamp with time zone),
public.caas_other_rules(jsonb), public.caas_performance_stats(uuid[],timestamp with time zone),
public.caas_profile_facts(uuid[]), public.caas_publish_quality(jsonb,jsonb,uuid[],timestamp with time zone,date,text),
public.caas_publish_rules(jsonb,boolean), public.caas_quality_sums(uuid[],timestamp with time zone,text),
public.caas_recalculate(uuid[],text,integer), public.caas_refresh_days(uuid,uuid[],uuid[],uuid[],timestamp with time
zone,text,text), public.caas_refresh_pairs(uuid,uuid[]), public.caas_release(uuid,uuid[]),
public.caas_release_hold(uuid,text,boolean), public.caas_role(text[]), public.caas_sweep(integer,timestamp with time
zone), public.caas_taught_sessions(uuid[],date[],date[],timestamp with time zone,text),
public.caas_teaching_sums(uuid[],timestamp with time zone), public.caas_told_events(uuid[],date[],date[],timestamp with
time zone,text), public.caas_tutor_of(uuid), public.caas_wake(integer,integer),
public.caas_watch(text,text[],text[],text[],text,boolean,boolean), public.get_digital_stats(uuid),
public.get_network_stats(uuid), public.get_performance_stats(uuid) from public;
grant execute on function public.caas_agent_stats(uuid[],timestamp with time zone),
public.caas_cache(uuid,uuid[],jsonb,uuid[],boolean,jsonb), public.caas_cascade(uuid[]),
public.caas_claim(integer,uuid,interval,bigint[],boolean), public.caas_client_stats(uuid[],timestamp with time zone),
public.caas_count_pairs(uuid[],uuid[]), public.caas_digital_stats(uuid[],timestamp with time zone),
public.caas_doubt_pairs(uuid[]), public.caas_enqueue(uuid[],text,integer), public.caas_enqueue_everyone(text,integer),
public.caas_expand(integer), public.caas_fail(uuid,jsonb,integer,interval),
public.caas_first_sessions(uuid[],uuid[],uuid[],timestamp with time zone),
public.caas_fold(integer,bigint,bigint[],interval), public.caas_follow(uuid[],integer),
public.caas_forget(uuid[],boolean), public.caas_hold(uuid,integer,text,text,timestamp with time zone,boolean),
public.caas_link_stats(uuid[],timestamp with time zone), public.caas_list_to_follow(uuid,boolean),
public.caas_lock_claimed(uuid,uuid[],uuid[]), public.caas_merge_reasons(text[],text[]),
public.caas_network_stats(uuid[],timestamp with time zone), public.caas_other_rules(jsonb),
public.caas_performance_stats(uuid[],timestamp with time zone), public.caas_profile_facts(uuid[]),
public.caas_publish_quality(jsonb,jsonb,uuid[],timestamp with time zone,date,text),
public.caas_publish_rules(jsonb,boolean), public.caas_quality_sums(uuid[],timestamp with time zone,text),
public.caas_recalculate(uuid[],text,integer), public.caas_refresh_days(uuid,uuid[],uuid[],uuid[],timestamp with time
zone,text,text), public.caas_refresh_pairs(uuid,uuid[]), public.caas_release(uuid,uuid[]),
public.caas_release_hold(uuid,text,boolean), public.caas_role(text[]), public.caas_sweep(integer,timestamp with time
zone), public.caas_taught_sessions(uuid[],date[],date[],timestamp with time zone,text),
public.caas_teaching_sums(uuid[],timestamp with time zone), public.caas_told_events(uuid[],date[],date[],timestamp with
time zone,text), public.caas_tutor_of(uuid), public.caas_wake(integer,integer), public.get_digital_stats(uuid),
public.get_network_stats(uuid), public.get_performance_stats(uuid) to caas_worker;
grant usage on sequence public.caas_generation to caas_worker;
grant delete, insert, select, update on table public.caas_cell_states, public.caas_changes, public.caas_daily_events,
public.caas_dead_entries, public.caas_holds, public.caas_pair_cells, public.caas_pair_sums,
public.caas_recalculation_queue, public.caas_rules, public.caas_score_follow, public.caas_scores,
public.caas_touched_cells, public.caas_workers, public.email_reports, public.session_scores, public.tutor_alerts,
public.tutor_daily_aggregates, public.tutor_performance_metrics, public.tutor_performance_summaries,
public.tutor_scores, public.tutor_thresholds to caas_worker;
grant select on table public.caas_scores to caas_reader;
grant select on table public.caas_every_score, public.caas_migrations to caas_worker;
grant insert (id, listing_id, client_id, type, status, scheduled_start, scheduled_end, actual_start, actual_end,
no_show_by, recording_url, session_number, tech_issue, engagement_score, learning_objectives_met) on public.bookings to
caas_sessions;
grant select (id, status, actual_start, actual_end, recording_url, tech_issue, engagement_score,
learning_objectives_met) on public.bookings to caas_sessions;
grant update (status, actual_start, actual_end, recording_url, tech_issue, engagement_score, learning_objectives_met,
updated_at) on public.bookings to caas_sessions;
grant select (id, listing_id, client_id, type, status, scheduled_start, scheduled_end, actual_start, actual_end,
cancelled_by, no_show_by, payment_status, recording_url, session_number, tech_issue, engagement_score,
learning_objectives_met) on public.bookings to caas_worker;
grant select (id, profile_id) on public.listings to caas_sessions;
grant select (id, profile_id) on public.listings to caas_worker;
grant select (id, profile_id, event_type, occurred_at, metadata) on public.platform_events to caas_worker;
grant select (id, source_profile_id, target_profile_id, relationship_type, status, created_at) on public.profile_graph
to caas_worker;
grant select (id, reviewer_id, reviewee_id, booking_id, rating) on public.profile_reviews to caas_worker;
grant select (id) on public.profiles to caas_sessions;
grant select (id, roles, avatar_url, bio, bio_video_url, identity_verified, dbs_verified, dbs_expiry_date,
available_free_help, business_verified, status, caas_score) on public.profiles to caas_worker;
grant update (caas_score) on public.profiles to caas_worker;
grant insert (booking_id, initiator, original_time, new_time, reason, reason_code, cancelled_at) on public.reschedules
to caas_sessions;
grant select (id, booking_id, initiator, original_time, new_time, reason, reason_code, cancelled_at) on
public.reschedules to caas_worker;
grant select (profile_id, role_type, degree_level, qualifications, teaching_experience) on public.role_details to
caas_worker;
grant select (booking_id, turns) on public.session_transcripts to caas_worker;
grant select (id, profile_id, integration_type, is_active) on public.student_integration_links to caas_worker;
