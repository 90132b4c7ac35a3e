-- reschedules: the booking's tutor; every column but the timestamps (scoring 1.5).
select caas.watch(
    'reschedules',
    identity => '{id}',
    keys => '{booking_id}',
    columns => '{initiator, original_time, new_time, reason, reason_code, cancelled_at}'
);
