-- listings: the owner, old and new, when it moves or goes; the bookings that go with it mark their
-- clients (scoring 1.5).
select caas.watch(
    'listings',
    identity => '{id}',
    keys => '{profile_id}',
    inserts => false
);
