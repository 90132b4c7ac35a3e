-- Attaches the marks of a watched table to it, or to one of its partitions: a write into a partition does not fire
-- its parent's statement triggers. Reads the catalog. Locks the one table against writes for as long as the
-- transaction lasts: one table per transaction, with a short lock_timeout.
create or replace function caas.attach(
    watched text,
    relation regclass
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    event record;
begin
    for event in
        select *
        from (
            values
                ('insert', 'referencing new table as new_rows'),
                ('update', 'referencing old table as old_rows new table as new_rows'),
                ('delete', 'referencing old table as old_rows'),
                ('truncate', '')
        ) as e (name, tables)
    loop
        execute format(
            'create or replace trigger %I after %s on %s %s for each statement execute function caas.%I()',
            'caas_mark_' || event.name,
            event.name,
            relation,
            event.tables,
            'mark_' || watched
        );
    end loop;
end;
$function$;

comment on function caas.attach(text, regclass) is
    'Creates the four triggers that mark the changes of one table or partition.';
