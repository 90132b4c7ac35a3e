-- Writes the trigger function of one watched table, caas.mark_<table>(). Each file in triggers/ calls it once. Reads
-- the catalog and the table's column list; the application's rows are neither read nor locked.
--
-- Mark: the function that it writes appends what changed to caas.changes, in raw keys of the changed rows themselves,
-- old and new. It reads no other table: an owner looked up here may be another by the time the transaction commits,
-- row-level security would hide rows, and a SERIALIZABLE transaction would fail for what it read. It takes no lock
-- and notifies nobody, so that it can neither wait nor deadlock. A statement marks the same keys once, however many
-- rows it touched; an update that changed no watched column marks nothing. It runs as its owner, because the
-- application's role needs no grant of ours. (Held by tests/integration/test_mark.py and tests/concurrency.)
--
-- A column dropped under the function would make every write of the application fail. The source views keep the columns
-- (views/), so that the ALTER TABLE fails instead.
--
-- watched   the table
-- identity  its primary key columns
-- keys      columns whose values are marked, as 'column' or 'column as target'; targets that say whose score:
--           profile_id, listing_id, booking_id; that say which cell: other_id, touched_at
-- columns   the further columns whose change matters
-- condition restricts the rows that matter; the row is called changed
-- inserts   whether a new row matters
-- deletes   a deleted row means that the profile itself is gone
create or replace function caas.watch(
    watched text,
    identity text[],
    keys text[],
    columns text[] default '{}',
    condition text default 'true',
    inserts boolean default true,
    deletes boolean default false
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    key_columns text[];
    targets text[];
    all_columns text[];
    old_values text;
    new_values text;
    touched_by_update text;
    mark text;
    marked_columns text;
    repeated boolean;
begin
    select
        array_agg(split_part(k.key, ' as ', 1) order by k.place),
        array_agg(coalesce(nullif(split_part(k.key, ' as ', 2), ''), k.key) order by k.place)
    into key_columns, targets
    from unnest(keys) with ordinality as k (key, place);

    repeated := cardinality(targets) > (
        select count(distinct u.target)
        from unnest(targets) as u (target)
    );

    select array_agg(distinct c.name)
    into all_columns
    from unnest(identity || key_columns || columns) as c (name);

    -- One row carries all keys of a changed row, each under its target; of keys with the same target, one row each.
    -- Whatever the plan has besides costs every write of the application, so there is no more than this.
    if repeated then
        select
            format('%I', min(r.target)),
            string_agg(
                format(
                    'select %1$L, <deleted>, changed.%2$I from (<rows>) as changed where changed.%2$I is not null and (%3$s)',
                    watched,
                    r.key,
                    condition
                ),
                ' union '
            )
        into marked_columns, mark
        from unnest(key_columns, targets) as r (key, target);
    else
        select
            string_agg(format('%I', r.target), ', ' order by r.place),
            format(
                'select distinct %L, <deleted>, %s from (<rows>) as changed where (%s) and (%s)',
                watched,
                string_agg(format('changed.%I', r.key), ', ' order by r.place),
                string_agg(format('changed.%I is not null', r.key), ' or ')
                    filter (where r.target in ('profile_id', 'listing_id', 'booking_id')),
                condition
            )
        into marked_columns, mark
        from unnest(key_columns, targets) with ordinality as r (key, target, place);
    end if;
    -- <rows> and <deleted> are filled in per event, by replace: a column or a condition may hold a percent sign
    mark := format('insert into caas.changes (reason, deleted, %s) %s;', marked_columns, mark);

    select
        string_agg(format('old_row.%I', c.name), ', ' order by c.name),
        string_agg(format('new_row.%I', c.name), ', ' order by c.name)
    into old_values, new_values
    from unnest(all_columns) as c (name);

    touched_by_update := format(
        'select pair.* from old_rows as old_row full join new_rows as new_row on (%s) = (%s) '
        'cross join lateral (values (%s), (%s)) as pair (%s) where (%s) is distinct from (%s)',
        (select string_agg(format('old_row.%I', i.name), ', ') from unnest(identity) as i (name)),
        (select string_agg(format('new_row.%I', i.name), ', ') from unnest(identity) as i (name)),
        old_values,
        new_values,
        (select string_agg(format('%I', c.name), ', ' order by c.name) from unnest(all_columns) as c (name)),
        old_values,
        new_values
    );

    -- What a trigger's body says is first checked when it fires, in a write of the application's: so try it here, over
    -- no rows. A key that is no uuid and a column whose type knows no equality are refused now.
    begin
        execute format(
            'with old_rows as (select * from public.%I where false), new_rows as (select * from public.%I where false) ',
            watched,
            watched
        ) || replace(replace(mark, '<rows>', touched_by_update), '<deleted>', 'false');
    exception
        when others then
            raise exception 'the table % cannot be watched: %', watched, sqlerrm
                using errcode = 'feature_not_supported';
    end;

    execute format(
        $template$
        create or replace function caas.%I()
        returns trigger
        language plpgsql
        volatile
        security definer
        set search_path = pg_catalog, pg_temp
        as $trigger$
        begin
            case tg_op
                when 'INSERT' then %s
                when 'UPDATE' then %s
                when 'DELETE' then %s
                when 'TRUNCATE' then
                    insert into caas.changes (reason, priority, everyone) values (%L, 90, true);
            end case;
            return null;
        end;
        $trigger$
        $template$,
        'mark_' || watched,
        case
            when inserts then replace(replace(mark, '<rows>', 'select * from new_rows'), '<deleted>', 'false')
            else 'null;'
        end,
        replace(replace(mark, '<rows>', touched_by_update), '<deleted>', 'false'),
        replace(replace(mark, '<rows>', 'select * from old_rows'), '<deleted>', deletes::text),
        watched
    );
    execute format('revoke all on function caas.%I() from public', 'mark_' || watched);
    execute format(
        'comment on function caas.%I() is %L',
        'mark_' || watched,
        format('Marks whose score a change of %s may have changed.', watched)
    );
end;
$function$;

comment on function caas.watch(text, text[], text[], text[], text, boolean, boolean) is
    'Writes the trigger function of one watched table.';
