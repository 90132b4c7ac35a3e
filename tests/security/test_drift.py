"""What somebody changed of our functions and view after installing: verify sees it, and says what undoes it."""

import pytest

from caas_worker.db import Database
from caas_worker.shipped import Shipped
from caas_worker.verify import DRIFT, Check, verify
from tests.interleaving import Rows
from tests.security.conftest import CLOSED, faults

OPEN, PATH, RIGHTS, BARRIER = (DRIFT[kind][1] for kind in ("open", "path", "rights", "barrier"))


def mend(app: Rows, todo: str) -> None:
    """Do what verify says, as the owner."""
    for statement in todo.partition("run as their owner: ")[2].split("; "):
        app.execute(statement.encode())


@pytest.mark.parametrize(
    ("change", "subject", "names"),
    [
        ("alter function caas.enqueue reset search_path", PATH, ["caas.enqueue("]),
        ("alter function caas.follow set search_path = pg_catalog, pg_temp", PATH, ["caas.follow("]),
        (
            "alter function caas.get_network_stats set search_path = public, pg_catalog, pg_temp",
            PATH,
            ["caas.get_network_stats("],
        ),
        (
            "alter function caas.fold reset all; alter function caas.mark_bookings set search_path = caas, pg_temp",
            PATH,
            ["caas.fold(", "caas.mark_bookings("],
        ),
        ("alter function caas.fold security definer", RIGHTS, ["caas.fold("]),
        ("alter function caas.enqueue security invoker", RIGHTS, ["caas.enqueue("]),
        ("alter function caas.mark_bookings security invoker", RIGHTS, ["caas.mark_bookings("]),
        ("alter view public.caas_scores reset (security_barrier)", BARRIER, ["public.caas_scores"]),
        ("alter view public.caas_scores set (security_barrier = false)", BARRIER, ["public.caas_scores"]),
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
    assert faults(db) == {}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("grant execute on function caas.fold to public", ["caas.fold("]),
        (
            "grant execute on function caas.mark_bookings, caas.claim to public",
            ["caas.mark_bookings(", "caas.claim("],
        ),
    ],
)
def test_verify_sees_a_function_that_everybody_may_execute(
    app: Rows, db: Database, change: str, names: list[str]
) -> None:
    app.execute(change.encode())
    found = faults(db)
    assert {*found} == {OPEN, CLOSED, "public has no right on ours"}
    assert all(name in found[OPEN] for name in names)
    mend(app, found[OPEN])
    assert faults(db) == {}


@pytest.mark.parametrize(
    "change",
    [
        "create policy p on bookings using (true)",
        "create function ours() returns integer language sql return 1",
        "create view public.best as select profile_id from public.caas_scores where total_score > 90",
        "create function public.caas_own() returns integer language sql security definer return 1",
    ],
)
def test_what_is_not_ours_is_no_drift(app: Rows, db: Database, change: str) -> None:
    app.execute(change.encode())
    assert faults(db) == {}


def test_each_kind_is_one_line_whatever_it_concerns(db: Database) -> None:
    kinds = [(area, subject) for area, subject, _ in DRIFT.values()]
    lines = [check for check in verify(db, Shipped.load()) if (check.area, check.subject) in kinds]
    assert lines == [Check(area, subject, ok=True) for area, subject in kinds]
