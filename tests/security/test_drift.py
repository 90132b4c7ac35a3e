"""What somebody changed of our functions and policies after installing: verify sees it, and says what undoes it."""

import pytest

from caas_worker.db import Database
from caas_worker.shipped import Shipped
from caas_worker.verify import DRIFT, Check, verify
from tests.interleaving import Rows

OPEN, PATH, RIGHTS, POLICY = (subject for _, subject, _ in DRIFT.values())


def faults(db: Database) -> dict[str, str]:
    """Subject and what to do, of what is no hint."""
    return {check.subject: check.todo for check in verify(db, Shipped.load()) if not check.ok and not check.hint}


def mend(app: Rows, todo: str) -> None:
    """Do what verify says, as the owner."""
    for statement in todo.partition("run as their owner: ")[2].split("; "):
        app.execute(statement.encode())


@pytest.mark.parametrize(
    ("change", "subject", "names"),
    [
        ("grant execute on function caas_fold to public", OPEN, ["caas_fold("]),
        (
            "grant execute on function caas_mark_bookings, caas_claim to public",
            OPEN,
            ["caas_mark_bookings(", "caas_claim("],
        ),
        ("alter function caas_enqueue reset search_path", PATH, ["caas_enqueue("]),
        ("alter function caas_follow set search_path = pg_catalog, pg_temp", PATH, ["caas_follow("]),
        (
            "alter function get_network_stats set search_path = public, pg_catalog, pg_temp",
            PATH,
            ["get_network_stats("],
        ),
        ("alter function caas_fold security definer", RIGHTS, ["caas_fold("]),
        ("alter function caas_enqueue security invoker", RIGHTS, ["caas_enqueue("]),
        ("alter function caas_mark_bookings security invoker", RIGHTS, ["caas_mark_bookings("]),
        ("create policy p on caas_scores using (true)", POLICY, ["p"]),
        ('create policy "All" on caas_scores for select to caas_reader using (true)', POLICY, ['"All"']),
        (
            "alter policy caas_workers_see_and_write_every_score on caas_scores to caas_worker, caas_reader",
            POLICY,
            ["caas_workers_see_and_write_every_score"],
        ),
    ],
)
def test_verify_sees_what_was_changed_and_how_to_undo_it(
    app: Rows, db: Database, change: str, subject: str, names: list[str]
) -> None:
    app.execute(change.encode())
    found = faults(db)
    assert [*found] == [subject]
    assert all(name in found[subject] for name in names)
    mend(app, found[subject])
    assert subject not in faults(db)


@pytest.mark.parametrize(
    "change",
    [
        "create policy p on caas_scores as restrictive for select using (role_type = 'TUTOR')",
        "create policy p on caas_scores for update using (true)",
        "create policy p on caas_scores to caas_worker using (true)",
        "create policy p on bookings using (true)",
        "create function ours() returns integer language sql return 1",
    ],
)
def test_what_shows_nobody_more_is_no_drift(app: Rows, db: Database, change: str) -> None:
    app.execute(change.encode())
    assert faults(db) == {}


def test_each_kind_is_one_line_whatever_it_concerns(db: Database) -> None:
    kinds = [(area, subject) for area, subject, _ in DRIFT.values()]
    lines = [check for check in verify(db, Shipped.load()) if (check.area, check.subject) in kinds]
    assert lines == [Check(area, subject, ok=True) for area, subject in kinds]
