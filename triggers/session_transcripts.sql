-- session_transcripts: the booking's tutor (scoring 1.5).
select caas_watch(
    'session_transcripts',
    identity => '{booking_id}',
    keys => '{booking_id}',
    columns => '{turns}'
);
