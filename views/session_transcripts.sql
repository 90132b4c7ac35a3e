-- The application's table session_transcripts as the rules read it: each column by name, as one type. Nothing of ours
-- reads the table itself. The view also holds its columns: to drop or alter one of them fails, unless caas.release
-- goes before.
create view caas.source_session_transcripts as
select
    t.booking_id::uuid as booking_id,
    t.turns::jsonb as turns
from public.session_transcripts as t;

comment on view caas.source_session_transcripts is 'What was said in sessions.';
comment on column caas.source_session_transcripts.booking_id is 'The session.';
comment on column caas.source_session_transcripts.turns is 'A list of speaker and text.';
