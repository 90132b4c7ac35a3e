-- Removes what is kept of tutors who are none any more; with is_gone, of profiles that no longer exist, all of it.
-- Called under the locks of their entries. Writes every table of cells and quality scores.
create or replace function caas.forget(
    profile_ids uuid[],
    is_gone boolean default true
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $function$
begin
    if cardinality(profile_ids) = 0 then
        return;
    end if;
    delete from caas.tutor_daily_aggregates as d
    where d.profile_id = any(profile_ids);
    delete from caas.daily_events as d
    where d.profile_id = any(profile_ids);
    delete from caas.tutor_performance_metrics as m
    where m.profile_id = any(profile_ids);
    delete from caas.tutor_scores as s
    where s.profile_id = any(profile_ids);
    delete from caas.session_scores as s
    where s.profile_id = any(profile_ids);
    delete from caas.tutor_alerts as a
    where a.profile_id = any(profile_ids);
    delete from caas.tutor_performance_summaries as s
    where s.profile_id = any(profile_ids);
    update caas.cell_states as s
    set
        taught_until = null,
        reports_since = null,
        next_due_at = null,
        swept = false,
        performance_tier = null
    where s.profile_id = any(profile_ids)
        and not is_gone;
    -- what was mailed stays known: whoever becomes a tutor again must not be reported twice, nor a session that moved
    if is_gone then
        delete from caas.email_reports as r
        where r.profile_id = any(profile_ids)
            and coalesce(caas.tutor_of(r.booking_id), r.profile_id) = any(profile_ids);
        delete from caas.tutor_thresholds as t
        where t.profile_id = any(profile_ids);
        delete from caas.pair_cells as c
        where c.profile_id = any(profile_ids);
        delete from caas.pair_sums as s
        where s.profile_id = any(profile_ids);
        delete from caas.touched_cells as t
        where t.profile_id = any(profile_ids);
        delete from caas.cell_states as s
        where s.profile_id = any(profile_ids);
    end if;
end;
$function$;

comment on function caas.forget(uuid[], boolean) is
    'Removes the cells and quality scores of who is no tutor any more, or gone.';
