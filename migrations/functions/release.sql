-- Drops the source views that read a table, so that the application's own migration can alter columns which they hold.
-- Reads the catalog; writes caas.source_views. Call it, alter the table, call caas.restore, in one transaction:
-- nobody else sees a moment without the views. Returns the names of what was dropped.
-- (Held by tests/migration/test_release_and_restore.py.)
create or replace function caas.release(relation regclass)
returns text[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $function$
declare
    released text[];
    dropped text;
begin
    -- whatever of ours reads the relation, through other views of ours, too
    with recursive reading (relation) as (
        select release.relation::oid
        union
        select r.ev_class
        from reading as base
        inner join pg_depend as d on d.refobjid = base.relation and d.classid = 'pg_rewrite'::regclass
        inner join pg_rewrite as r on r.oid = d.objid
        inner join pg_class as c on c.oid = r.ev_class
        where c.relnamespace = 'caas'::regnamespace
    )

    select array_agg(v.name order by v.name)
    into released
    from reading as g
    inner join pg_class as c on c.oid = g.relation
    inner join caas.source_views as v on v.name = c.relname
    where c.relnamespace = 'caas'::regnamespace;
    foreach dropped in array coalesce(released, '{}') loop
        update caas.source_views as v
        set grants = array(
            select format('grant %s on caas.%I to %I', a.privilege_type, c.relname, g.rolname)
            from pg_class as c
            cross join aclexplode(c.relacl) as a
            inner join pg_roles as g on g.oid = a.grantee
            where c.oid = to_regclass(format('caas.%I', dropped))
                and a.grantee <> c.relowner
            order by g.rolname, a.privilege_type
        )
        where v.name = dropped;
        execute format('drop view caas.%I', dropped);
    end loop;
    return coalesce(released, '{}');
end;
$function$;

comment on function caas.release(regclass) is
    'Drops the source views that read a table; call caas.restore() in the same transaction.';
