-- functions: statistics functions of ours and of strategies, and what they are called with
select
    p.proname,
    array(
        select format_type(a.type, null)
        from unnest(p.proargtypes) with ordinality as a (type, place)
        order by a.place
    )
from pg_proc as p
where p.pronamespace = to_regnamespace('caas')
    and p.proretset
    and p.provolatile <> 'v'
    and (
        p.proname = any(%(needed)s::text[])
        or p.proname like '%%\_stats'
        or p.proname in ('profile_facts', 'teaching_sums')
    )
order by p.proname;

-- touched: what this transaction has read so far
select
    t.relname,
    coalesce(t.seq_scan, 0),
    coalesce(t.seq_tup_read, 0),
    coalesce(t.idx_scan, 0),
    coalesce(t.idx_tup_fetch, 0)
from pg_stat_xact_user_tables as t
where t.schemaname in ('public', 'caas');

-- explainer: what prints the plans of statements inside functions; only superusers may load it
load 'auto_explain';

-- explain_inner: as messages to this session, for this transaction
select
    set_config('auto_explain.log_min_duration', '0', true),
    set_config('auto_explain.log_analyze', 'on', true),
    set_config('auto_explain.log_buffers', 'on', true),
    set_config('auto_explain.log_timing', 'on', true),
    set_config('auto_explain.log_nested_statements', 'on', true),
    set_config('auto_explain.log_level', 'notice', true),
    set_config('client_min_messages', 'notice', true);
