-- Everything of ours moves to the schema caas, without the prefix that kept it apart in public. One short transaction,
-- which changes the catalog and no row: writes of the application wait for a moment at most, and their marks go on.
--
-- Where this is a new installation, the migrations before this one have made their tables in caas already, under the
-- old names. Else they are in public.

do $$
declare
    home constant text := case when to_regclass('public.caas_migrations') is null then 'caas' else 'public' end;
    -- Names before and after. Those that the application waits for, if it reads or writes now, are locked last.
    old_names constant text[] := '{
        caas_recalculation_queue, caas_dead_entries, caas_score_follow, caas_rules, caas_workers, caas_holds,
        caas_touched_cells, caas_cell_states, caas_pair_cells, caas_pair_sums, caas_daily_events,
        tutor_daily_aggregates, tutor_performance_metrics, tutor_scores, session_scores, tutor_alerts,
        tutor_performance_summaries, tutor_thresholds, email_reports, caas_scores, caas_changes
    }';
    relation text;
    routine record;
    part record;
    readers text[];
begin
    foreach relation in array old_names loop
        execute format('lock table %I.%I in access exclusive mode', home, relation);
    end loop;

    -- who was granted to read the cache and nothing else may read the view; whoever had more, by default privileges
    -- for instance, has nothing
    select array_agg(r.rolname)
    into readers
    from (
        select
            g.rolname,
            array_agg(a.privilege_type) as privileges
        from pg_class as c
        cross join aclexplode(c.relacl) as a
        inner join pg_roles as g on g.oid = a.grantee
        where c.oid = to_regclass(format('%I.caas_scores', home))
            and a.grantee <> c.relowner
        group by g.rolname
    ) as r
    where r.privileges = '{SELECT}';

    -- the trigger functions stay what they are to their triggers, and mark where the marks will be
    for routine in
        select
            p.oid::regprocedure::text as name,
            substr(p.proname, length('caas_mark_') + 1) as watched,
            pg_get_functiondef(p.oid) as definition
        from pg_proc as p
        where p.pronamespace = home::regnamespace
            and p.proname like 'caas\_mark\_%'
    loop
        execute format('alter function %I.%I() set schema caas', home, 'caas_mark_' || routine.watched);
        execute format('alter function caas.%I() rename to %I', 'caas_mark_' || routine.watched, 'mark_' || routine.watched);
        execute replace(
            replace(
                routine.definition,
                format('FUNCTION %I.%I()', home, 'caas_mark_' || routine.watched),
                format('FUNCTION caas.%I()', 'mark_' || routine.watched)
            ),
            'insert into public.caas_changes ',
            'insert into caas.changes '
        );
    end loop;

    -- they run as their owner, who may be another than who migrates now
    for part in
        select distinct pg_get_userbyid(p.proowner) as name
        from pg_proc as p
        where p.pronamespace = 'caas'::regnamespace
            and p.proowner <> (
                select n.nspowner
                from pg_namespace as n
                where n.nspname = 'caas'
            )
    loop
        execute format('grant usage on schema caas to %I', part.name);
    end loop;

    -- views, policies and all other functions: those of this release are made anew
    execute format('drop view %I.caas_every_score', home);
    if home = 'public' then
        for relation in
            select 'caas_guard_' || substring(f.name from 'triggers/(.*)\.sql')
            from public.caas_migrations as f
            where f.name like 'triggers/%'
        loop
            execute format('drop view if exists public.%I', relation);
        end loop;
    end if;
    execute format('drop trigger caas_refuse_strangers on %I.caas_scores', home);
    for part in
        select p.polname as name
        from pg_policy as p
        where p.polrelid = to_regclass(format('%I.caas_scores', home))
    loop
        execute format('drop policy %I on %I.caas_scores', part.name, home);
    end loop;
    execute format('alter table %I.caas_scores disable row level security', home);
    -- Whoever may mark still may: the function goes along. Not who may call others, too, by default privileges.
    if to_regprocedure(format('%I.caas_enqueue(uuid[],text,integer)', home)) is not null then
        for part in
            select
                case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as name,
                a.grantee = 0 or exists (
                    select
                    from pg_proc as other
                    cross join aclexplode(other.proacl) as b
                    where other.oid = to_regproc(format('%I.caas_hold', home))
                        and b.grantee = a.grantee
                ) as has_more
            from pg_proc as p
            cross join aclexplode(p.proacl) as a
            where p.oid = to_regproc(format('%I.caas_enqueue', home))
                and a.grantee <> p.proowner
        loop
            if part.has_more then
                execute format('revoke all on function %I.caas_enqueue from %s', home, part.name);
            else
                execute format('grant usage on schema caas to %s', part.name);
            end if;
        end loop;
        execute format('alter function %I.caas_enqueue set schema caas', home);
        alter function caas.caas_enqueue rename to enqueue;
    end if;
    execute format('drop function %I.caas_refuse_strangers()', home);
    if home = 'public' then
        for routine in
            select p.oid::regprocedure::text as name
            from public.caas_migrations as f
            inner join pg_proc as p on p.proname = substring(f.name from 'functions/(.*)\.sql')
            where p.pronamespace = 'public'::regnamespace
        loop
            execute format('drop function %s', routine.name);
        end loop;
    end if;

    -- tables, with their indexes and the sequences of their numbers
    execute format('alter sequence %I.caas_generation set schema caas', home);
    alter sequence caas.caas_generation rename to generation;
    if home = 'public' then
        alter table public.caas_migrations set schema caas;
        alter table caas.caas_migrations rename to migrations;
    end if;
    foreach relation in array old_names loop
        execute format('alter table %I.%I set schema caas', home, relation);
        if relation like 'caas\_%' then
            execute format('alter table caas.%I rename to %I', relation, substr(relation, 6));
        end if;
    end loop;
    for part in
        select
            c.conrelid::regclass::text as relation,
            c.conname as name
        from pg_constraint as c
        where c.connamespace = 'caas'::regnamespace
            and c.conname like 'caas\_%'
    loop
        execute format('alter table %s rename constraint %I to %I', part.relation, part.name, substr(part.name, 6));
    end loop;
    for part in
        select
            case c.relkind when 'S' then 'sequence' else 'index' end as kind,
            c.relname as name
        from pg_class as c
        where c.relnamespace = 'caas'::regnamespace
            and c.relkind in ('i', 'S')
            and c.relname like 'caas\_%'
    loop
        execute format('alter %s caas.%I rename to %I', part.kind, part.name, substr(part.name, 6));
    end loop;

    -- Security barrier: no function of a reader's own sees a row before it is filtered. The comparison is one of texts,
    -- so that a setting that is not a uuid names nobody instead of failing the query.
    create view public.caas_scores with (security_barrier) as
    select
        s.profile_id,
        s.role_type,
        s.total_score,
        s.score_breakdown,
        s.score_inputs,
        s.reason,
        s.calculation_version,
        s.gate_failed,
        s.calculated_at,
        s.source_changed_at,
        s.next_due_at,
        s.generation,
        s.swept,
        s.computed_score
    from caas.scores as s
    where s.role_type in ('TUTOR', 'CLIENT')
        or s.profile_id::text = lower(current_setting('caas.profile_id', true));
    -- A write that waits for the lock of the old table finds this instead; migrate up takes it away at its end, when no
    -- such write can be left.
    if home = 'public' then
        create view public.caas_changes as
        select c.*
        from caas.changes as c;
    end if;

    -- in the same transaction: default privileges of the schema public may have opened these two
    for part in
        select distinct
            c.oid::regclass::text as relation,
            case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
        from pg_class as c
        cross join aclexplode(c.relacl) as a
        where c.oid in (to_regclass('public.caas_scores'), to_regclass('public.caas_changes'))
            and a.grantee <> c.relowner
    loop
        execute format('revoke all on %s from %s', part.relation, part.grantee);
    end loop;
    foreach relation in array coalesce(readers, '{}') loop
        execute format('grant select on public.caas_scores to %I', relation);
    end loop;
    for part in
        select
            string_agg(quote_ident(t.attname), ', ' order by t.attnum) as columns,
            case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
        from pg_attribute as t
        cross join aclexplode(t.attacl) as a
        where t.attrelid = 'caas.scores'::regclass
            and a.privilege_type = 'SELECT'
            and a.grantee <> 0
        group by a.grantee
    loop
        execute format('grant select (%s) on public.caas_scores to %s', part.columns, part.grantee);
        execute format('revoke all (%s) on caas.scores from %s', part.columns, part.grantee);
    end loop;
    if home = 'public' then
        for part in
            select distinct quote_ident(pg_get_userbyid(p.proowner)) as owner
            from pg_proc as p
            where p.pronamespace = 'caas'::regnamespace
        loop
            execute format('grant insert on public.caas_changes to %s', part.owner);
        end loop;
    end if;
end;
$$;

comment on schema caas is
    'Scores of the application''s people, by caas_worker. The application reads public.caas_scores.';
comment on view public.caas_scores is
    'Cached scores, read by primary key: tutors, clients, and the row that caas.profile_id names.';
comment on column public.caas_scores.profile_id is 'Whose score this is.';
comment on column public.caas_scores.role_type is
    'The role that was scored: TUTOR, CLIENT, AGENT; null without a supported role.';
comment on column public.caas_scores.total_score is 'The score, 0 to 100, higher is better.';
comment on column public.caas_scores.score_breakdown is
    'Points per bucket, not rounded, and flags such as provisional.';
comment on column public.caas_scores.score_inputs is
    'The statistics and profile facts that the points came from.';
comment on column public.caas_scores.reason is 'Why the score is 0: unverified, unsupported_role; else null.';
comment on column public.caas_scores.calculation_version is 'Version of the rule.';
comment on column public.caas_scores.gate_failed is 'The identity is not verified.';
comment on column public.caas_scores.calculated_at is 'The time that statistics and rule took for now.';
comment on column public.caas_scores.source_changed_at is 'The newest change that this score covers.';
comment on column public.caas_scores.next_due_at is 'When time alone will next change the score; null: never.';
comment on column public.caas_scores.generation is 'Generation of the queue entry that it was computed for.';
comment on column public.caas_scores.swept is
    'Its next_due_at has come and was marked; the next computation clears it.';
comment on column public.caas_scores.computed_score is
    'What the rule computed, while a hold pins total_score; null: there is no hold, total_score is the computed one.';
