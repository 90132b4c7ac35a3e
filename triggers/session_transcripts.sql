-- session_transcripts: the booking's tutor (scoring 1.5).
select caas.watch(
    'session_transcripts',
    identity => '{booking_id}',
    keys => '{booking_id}',
    columns => '{turns}'
);
