"""The application writes, and a worker of the older release works, while their database moves (migration 0008)."""

import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.interleaving import DEADLINE_SECONDS, one, until, waiting
from tests.migration import older_release
from tests.migration.conftest import Release, Up, give
from tests.migration.older_rows import audited, contents, drain
from tests.migration.test_busy_tables import A_MOMENT_SECONDS
from tests.people import add_booking, add_client, add_listing, add_review, add_tutor

Owner = psycopg.Connection[Any]
Found = TypeVar("Found")

WRITERS = 4
TUTORS = 400
OPEN_SECONDS = 0.1
"""How long a transaction of a writer stays open after its first write."""


@dataclass
class Town:
    """Tutors of an older installation of whom no mark is left: each is written to in one transaction at most."""

    client: UUID
    listings: dict[UUID, UUID]
    """By tutor."""
    written: list[UUID] = field(default_factory=list)
    longest: float = 0.0
    """The longest that one statement took."""

    def timed(self, work: Callable[[], Found]) -> Found:
        """Do this and remember how long it took."""
        begun = time.monotonic()
        found = work()
        self.longest = max(self.longest, time.monotonic() - begun)
        return found


@pytest.fixture
def town(owner: Owner) -> Town:
    older_release.install(owner)
    listings = {tutor: add_listing(owner, tutor) for tutor in [add_tutor(owner) for _ in range(TUTORS)]}
    found = Town(add_client(owner), listings)
    owner.execute("delete from public.caas_changes")
    return found


def write(marketplace: str, town: Town, tutors: list[UUID], enough: threading.Event) -> None:
    """Write to one tutor after the other, in transactions that stay open for a while, until it is enough."""
    with psycopg.connect(marketplace) as application:
        for tutor in tutors:
            if enough.is_set():
                return
            write_once(application, town, tutor)
            application.commit()
            town.written.append(tutor)


def write_once(application: Owner, town: Town, tutor: UUID) -> None:
    """Add a booking and, a while later, a review of it."""
    booking = town.timed(lambda: add_booking(application, town.listings[tutor], town.client))
    application.execute("select pg_sleep(%s)", (OPEN_SECONDS,))
    town.timed(lambda: add_review(application, town.client, tutor, 5, booking_id=booking))


def test_writes_go_on_and_no_change_is_lost(marketplace: str, up: Up, owner: Owner, town: Town) -> None:
    tutors, enough = list(town.listings), threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, marketplace, town, tutors[number::WRITERS], enough) for number in range(WRITERS)]
        try:
            until(lambda: len(town.written) >= WRITERS, "the writers to begin")
            up()
            moved = len(town.written)
            until(lambda: len(town.written) >= moved + WRITERS, "the writers to go on")
        finally:
            enough.set()
        for writer in writers:
            writer.result(DEADLINE_SECONDS)
    assert len(town.written) < TUTORS, "the writers were not writing all the time"
    assert town.longest < A_MOMENT_SECONDS
    marked = owner.execute("select listing_id from caas.changes where listing_id is not null").fetchall()
    assert {listing for (listing,) in marked} == {town.listings[tutor] for tutor in town.written}
    assert one(owner, "select count(*) from caas.changes where everyone") == 0
    drain(marketplace)
    assert audited(marketplace, *town.written, town.client).same == len(town.written) + 1


WRITES = (
    "update profiles set bio = 'waited'",
    "update listings set profile_id = profile_id, title = 'waited'",
    "insert into platform_events (profile_id, event_type) select id, 'login' from profiles",
    "insert into student_integration_links (profile_id) select id from profiles",
)
"""Each in another table, so that none waits for another."""


@pytest.mark.parametrize("is_another", [False, True], ids=["the owner moves it", "a superuser moves another role's"])
def test_a_write_that_waits_while_the_marks_move_gets_through(
    marketplace: str, up: Up, owner: Owner, another_release: Release, role: str, is_another: bool
) -> None:
    if is_another:
        give(owner, role)
        owner.execute(f"set role {role}".encode())
    older_release.install(owner)
    owner.execute("reset role")
    tutor = add_tutor(owner)
    add_listing(owner, tutor)
    owner.execute("delete from public.caas_changes")
    move = another_release.path("migrations/0008_a_schema_of_its_own.sql")
    move.write_text(f"{move.read_text()}\nset local lock_timeout = 0; select pg_advisory_xact_lock_shared(4711);\n")
    owner.execute("select pg_advisory_lock(4711)")

    def write(statement: str) -> None:
        with psycopg.connect(marketplace, autocommit=True) as application:
            application.execute(statement.encode())

    with ThreadPoolExecutor(len(WRITES) + 1) as pool:
        moving = pool.submit(up, another_release.shipped)
        try:
            until(lambda: waiting(owner) == 1, "the move to have the locks and stop before its end")
            writers = [pool.submit(write, statement) for statement in WRITES]
            until(lambda: waiting(owner) == 1 + len(WRITES), "the writers to wait for the move")
        finally:
            owner.execute("select pg_advisory_unlock(4711)")
        for running in (*writers, moving):
            running.result(DEADLINE_SECONDS)
    assert one(owner, "select to_regclass('public.caas_changes')") is None
    marked = owner.execute("select reason, profile_id from caas.changes order by 1").fetchall()
    assert marked == [("platform_events", tutor), ("profiles", tutor), ("student_integration_links", tutor)]


class OlderWorker:
    """What a worker of the older release sends, turn after turn, by the names that it knows."""

    STEPS = (
        "insert into caas_workers as w (worker_id, host, pid, version, profiles) values (%(id)s, 'older', 1, '0.1', 0)"
        " on conflict (worker_id) do update set beat_at = clock_timestamp()",
        "select marks, entries, last_id from caas_fold(5, 0, null::bigint[], '0 seconds')",
        "select promoted, lost, dead from caas_wake(100, 5)",
        "select caas_sweep(100, now())",
        "select array_agg(profile_id::text) from caas_claim(5, %(token)s, '1 minute', '{0,0,0,0}', true)",
        "select profile_id from caas_cache(%(token)s, %(claimed)s::uuid[], %(scores)s, '{}', true, '{}')",
        "select caas_follow(null, 100)",
    )

    def __init__(self, conninfo: str, role: str) -> None:
        self._conninfo = conninfo
        self._role = role
        self._id = uuid4()
        self.turns = 0
        """Those that went well."""
        self.errors: list[psycopg.Error] = []

    def work(self, enough: threading.Event) -> None:
        """Take turns until it is enough."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f"set role {self._role}; set search_path = public".encode())
            while not enough.is_set():
                self._turn(connection)

    def _turn(self, connection: Owner) -> None:
        """Every step in a transaction of its own; those after one that failed are tried, too."""
        values: dict[str, Any] = {"id": self._id, "token": uuid4(), "claimed": [], "scores": "[]"}
        failed = False
        for step in self.STEPS:
            try:
                cursor = connection.execute(step.encode(), values)
            except psycopg.Error as error:
                self.errors.append(error)
                failed = True
            else:
                if "caas_claim" in step and (row := cursor.fetchone()) and row[0]:
                    values |= {"claimed": row[0], "scores": json.dumps([scored(profile_id) for profile_id in row[0]])}
        self.turns += not failed


def scored(profile_id: str) -> dict[str, Any]:
    """A row of the cache as the older release publishes it."""
    now = "2026-01-05T10:00:00+00:00"
    return {
        "profile_id": profile_id, "role_type": "TUTOR", "total_score": 1, "score_breakdown": {}, "score_inputs": {},
        "reason": None, "calculation_version": "older-v1", "gate_failed": False, "calculated_at": now,
        "source_changed_at": now, "next_due_at": None, "generation": 1,
    }  # fmt: skip


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize("as_owner", [True, False], ids=["the owner", "a member of caas_worker"])
def test_a_worker_of_the_older_release_stops_with_a_sentence_and_writes_nothing_any_more(
    marketplace: str, up: Up, owner: Owner, as_owner: bool
) -> None:
    owner.execute("insert into public.caas_changes (reason, profile_id) select 'test', id from profiles")
    worker = OlderWorker(marketplace, owner.info.user if as_owner else "caas_worker")
    enough = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(worker.work, enough)
        try:
            until(lambda: worker.turns > 2 or working.done(), "the older worker to work")
            assert worker.errors == []
            up()
            moved, turns = contents(owner), worker.turns
            assert len(moved["caas.scores"]) > 5
            seen = len(worker.errors)
            until(lambda: len(worker.errors) > seen + 3 * len(worker.STEPS), "the older worker to try again")
        finally:
            enough.set()
        working.result(DEADLINE_SECONDS)
    assert contents(owner) == moved
    assert worker.turns == turns
    texts = {str(error).splitlines()[0] for error in worker.errors[seen:]}
    assert all(re.match(r"(relation|function) .*caas_\w+.* does not exist", text) for text in texts), texts
    assert len(texts) == len(worker.STEPS)
