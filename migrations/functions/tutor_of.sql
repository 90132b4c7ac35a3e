-- The tutor of a booking as of now, whatever the statement saw that asks: volatile, so that it looks for itself. For a
-- session that moved to another tutor while both were computed. Reads bookings and listings by primary key.
create or replace function caas.tutor_of(booking uuid)
returns uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $function$
begin
    return (
        select l.profile_id
        from caas.source_bookings as b
        inner join caas.source_listings as l on l.id = b.listing_id
        where b.id = booking
    );
end;
$function$;

comment on function caas.tutor_of(uuid) is 'The tutor of a booking as of now.';
