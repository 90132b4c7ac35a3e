-- Makes the source views again that caas.release dropped, with the grants that they had. Reads and writes
-- caas.source_views. Fails, and with it the application's migration as a whole, where a view no longer fits its table.
-- Returns the names of what was made.
create or replace function caas.restore()
returns text[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    missing record;
    statement text;
    restored text[] := '{}';
begin
    for missing in
        select v.*
        from caas.source_views as v
        where to_regclass(format('caas.%I', v.name)) is null
        order by v.name
    loop
        execute missing.definition;
        for statement in
            select format(
                'revoke all on caas.%I from %s',
                missing.name,
                case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
            )
            from pg_class as c
            cross join aclexplode(c.relacl) as a
            where c.oid = to_regclass(format('caas.%I', missing.name))
                and a.grantee <> c.relowner
        loop
            execute statement;
        end loop;
        foreach statement in array missing.grants loop
            execute statement;
        end loop;
        restored := restored || missing.name;
        -- The marks read the table themselves. What no longer fits them fails now and not in the application's next
        -- write: a statement that changes no row fires them, too.
        select format('update public.%1$I set %2$I = %2$I where false', c.relname, a.attname)
        into statement
        from pg_class as c
        inner join pg_attribute as a on a.attrelid = c.oid
        where c.oid = to_regclass(format('public.%I', substr(missing.name, length('source_') + 1)))
            and a.attnum > 0
            and not a.attisdropped
            and a.attgenerated = ''
            and a.attidentity <> 'a'
        limit 1;
        if statement is not null then
            execute statement;
        end if;
    end loop;
    return restored;
end;
$function$;

comment on function caas.restore() is 'Makes the source views again that caas.release dropped.';
