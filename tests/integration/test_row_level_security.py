"""Row-level security: marks and views see all rows, and what is hidden is an error, never a zero (promise 5)."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from caas_worker import follow, worker
from caas_worker.errors import DatabaseError
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.strategies import Registry
from caas_worker.strategies.tutor import TutorStrategy
from tests.interleaving import Rows, acting_as, one, plain_role, worker_as
from tests.people import add_booking, add_client, add_listing, add_profile, add_tutor
from tests.town import IDS, INSERTS, TOWN, WATCHED, marked, put

HIDDEN = [
    ("listings", "caas.fold(10)"),
    ("bookings", "caas.fold(10)"),
    ("profiles", "caas.expand(10)"),
    ("listings", "caas.performance_stats(%(ids)s)"),
    ("bookings", "caas.performance_stats(%(ids)s)"),
    ("profile_reviews", "caas.performance_stats(%(ids)s)"),
    ("profile_graph", "caas.network_stats(%(ids)s)"),
    ("student_integration_links", "caas.digital_stats(%(ids)s)"),
    ("bookings", "caas.digital_stats(%(ids)s)"),
    ("profiles", "caas.profile_facts(%(ids)s)"),
    ("role_details", "caas.profile_facts(%(ids)s)"),
    ("bookings", "caas.client_stats(%(ids)s)"),
    ("profile_reviews", "caas.client_stats(%(ids)s)"),
    ("platform_events", "caas.client_stats(%(ids)s)"),
    ("profile_graph", "caas.agent_stats(%(ids)s)"),
    ("profiles", "caas.agent_stats(%(ids)s)"),
    ("listings", "caas.teaching_sums(%(ids)s)"),
]


def test_rows_that_row_level_security_hides_are_marked_all_the_same(app: Rows) -> None:
    app.execute(TOWN.encode())
    for table in WATCHED | {"listings": ()}:
        app.execute(f"alter table {table} enable row level security, force row level security")
    app.execute("create policy writes on bookings for insert with check (true)")
    for command in ("select", "update"):
        app.execute(f"create policy own_{command} on bookings for {command} using (client_id = '{IDS['cleo']}')")
    with plain_role(app) as role, acting_as(app, role):
        assert one(app, "select count(*) from listings") == 0
        put(app, f"insert into bookings {INSERTS['bookings'][0]}")
        assert one(app, "select count(*) from bookings") == 1
        app.execute("update bookings set status = 'Completed'")
    assert marked(app) == ["cleo", "dan", "maths", "music"]


@pytest.mark.parametrize(("table", "call"), HIDDEN)
def test_row_level_security_hides_nothing_from_a_worker_who_reads_the_owners_views(
    app: Rows, table: str, call: str
) -> None:
    tutor = add_tutor(app)
    add_booking(app, add_listing(app, tutor), add_client(app))
    app.execute("select caas.enqueue_everyone('all')")
    app.execute(f"alter table {table} enable row level security")
    query = f"select to_jsonb(found) from {call} as found"
    with plain_role(app, ours=True) as role, acting_as(app, role), app.transaction(force_rollback=True):
        assert one(app, f"select count(*) from {table}") == 0
        seen = app.execute(query, {"ids": [tutor]}).fetchall()
    with app.transaction(force_rollback=True):
        assert seen == app.execute(query, {"ids": [tutor]}).fetchall()


@pytest.mark.parametrize(("table", "call"), HIDDEN)
def test_where_it_binds_the_views_owner_functions_fail_instead_of_counting_nothing(
    app: Rows, table: str, call: str
) -> None:
    tutor = add_tutor(app)
    add_booking(app, add_listing(app, tutor), add_client(app))
    app.execute("select caas.enqueue_everyone('all')")
    app.execute(f"alter table {table} enable row level security")
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security")
    with plain_role(app, ours=True) as role, bound_by_policies(app, role, table), refused:
        app.execute(f"select * from {call}", {"ids": [tutor]})


@contextlib.contextmanager
def bound_by_policies(app: Rows, role: str, table: str) -> Iterator[None]:
    """The source view belongs to a role that row-level security binds."""
    app.execute(f"grant create on schema caas to {role}; alter view caas.source_{table} owner to {role}")
    try:
        yield
    finally:
        app.execute(f"alter view caas.source_{table} owner to current_user")


def test_a_worker_whose_views_are_filtered_stops_and_counts_nobodys_attempt(app: Rows, url: str, line: Line) -> None:
    tutor = add_tutor(app)
    line.fold(whole=True)
    app.execute("alter table bookings enable row level security")
    with plain_role(app, ours=True) as role, bound_by_policies(app, role, "bookings"), worker_as(url, role) as db:
        worker_line = worker.line(db, Settings(max_attempts=1), Registry([TutorStrategy()]))
        with pytest.raises(DatabaseError, match="row-level security"):
            worker_line.run_batch(10, whole=True)
        worker_line.claimant.release()
    assert app.execute("select profile_id, attempts, losses, token from caas.recalculation_queue").fetchall() == [
        (tutor, 0, 0, None)
    ]
    assert one(app, "select count(*) from caas.scores") == 0


def test_following_under_row_level_security_fails_aloud_and_is_tried_again(
    app: Rows, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    tutor = add_tutor(app)
    app.execute("insert into caas.score_follow values (%s)", (tutor,))
    app.execute("alter table profiles enable row level security")
    with plain_role(app, ours=True) as role, worker_as(url, role) as db:
        assert follow.follow(db, None) == 0
    assert "row-level security" in caplog.text
    assert one(app, "select profile_id from caas.score_follow") == tutor


@pytest.mark.parametrize("call", ["caas.agent_stats(%(ids)s)", "caas.expand(10)", "caas.follow(%(ids)s)"])
def test_who_may_not_read_every_score_is_refused_and_never_sees_some(app: Rows, call: str) -> None:
    agent = add_profile(app, "AGENT")
    app.execute("select caas.enqueue_everyone('all')")
    with plain_role(app, ours=True) as role:
        app.execute(f"revoke select on caas.scores from {role}")
        with acting_as(app, role), pytest.raises(psycopg.errors.InsufficientPrivilege, match="table scores"):
            app.execute(f"select * from {call}", {"ids": [agent]})
