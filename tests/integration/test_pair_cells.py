"""Pair cells: the same sums as the application's rows, whatever changed, and only the touched bucket written anew."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from caas_worker import queue, worker
from caas_worker.db import Database
from caas_worker.pipeline import Line
from tests.interleaving import one
from tests.people import (
    Rows,
    add,
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_review,
    add_session,
    add_tutor,
    connect_people,
    total,
)

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STATUSES = ("Completed", "Completed", "Completed", "Pending log", "Cancelled", "No-show")
TYPES = ("paid", "free_help", None)
NOBODY = UUID(int=0)

Work = Callable[..., worker.Summary]
Version = tuple[str, str]

COUNTED = """
    select
        profile_id, bucket, sum(paid), sum(free), sum(recorded), sum(unlogged), sum(ratings), sum(rating_sum),
        count(*) filter (where paid > 0 and bucket < 256), count(*) filter (where paid > 1 and bucket < 256)
    from caas.count_pairs(array(select id from profiles))
    group by profile_id, bucket
    order by profile_id, bucket
"""
SUMMED = """
    select
        profile_id, bucket, paid, free, recorded, unlogged, ratings, rating_sum, clients, returning_clients
    from caas.pair_sums
    order by profile_id, bucket
"""
STATISTICS = ("teaching_sums", "performance_stats", "agent_stats", "client_stats")


@pytest.fixture
def work(line: Line) -> Work:
    def run(now: datetime = NOW, **changes: Any) -> worker.Summary:
        return worker.drain(replace(line, clock=lambda _: now, **changes), batch_size=100)

    return run


def everyone(app: Rows, source: str, order: str = "profile_id") -> list[tuple[Any, ...]]:
    return app.execute(f"select * from {source} order by {order}".encode()).fetchall()


def statistics(app: Rows, *, cells: bool) -> dict[str, list[tuple[Any, ...]]]:
    """What each function says of everyone, from cells or from rows."""
    with app.transaction():
        app.execute(sql.SQL("set local caas.cells = {}").format(sql.Literal("on" if cells else "off")))
        return {name: everyone(app, f"caas.{name}(array(select id from profiles), '{NOW}')") for name in STATISTICS}


def hold_true(app: Rows) -> None:
    """Cells, their sums, and statistics from them are what the rows say."""
    counted = everyone(app, "caas.count_pairs(array(select id from profiles))", "profile_id, bucket, other_id")
    assert everyone(app, "caas.pair_cells", "profile_id, bucket, other_id") == counted
    assert app.execute(SUMMED.encode()).fetchall() == app.execute(COUNTED.encode()).fetchall()
    assert statistics(app, cells=True) == statistics(app, cells=False)


def written(app: Rows, table: str) -> dict[tuple[Any, ...], Version]:
    """Which version of each row stands where."""
    key = "profile_id, bucket, other_id" if table == "caas.pair_cells" else "profile_id, bucket"
    rows = app.execute(f"select {key}, ctid::text, xmin::text from {table}".encode()).fetchall()
    return {tuple(row[:-2]): (row[-2], row[-1]) for row in rows}


def rewritten(before: dict[Any, Version], after: dict[Any, Version]) -> set[Any]:
    """The rows that came, went or were written anew."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def client_of_bucket(app: Rows, bucket: int, number: int = 1) -> UUID:
    """A client whose cells lie in that bucket."""
    row = app.execute(
        "select i.id from generate_series(1, 20000) as n "
        "cross join lateral (select ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid as id) as i "
        "where uuid_hash(i.id) & 255 = %s order by n offset %s limit 1",
        (bucket, number),
    ).fetchone()
    assert row is not None
    return add_profile(app, "CLIENT", id=row[0])


# Whatever changes


class Chance:
    """An application that writes whatever comes to its mind."""

    def __init__(self, app: Rows, seed: int) -> None:
        self._app = app
        self._random = random.Random(seed)
        self._tutors = [add_tutor(app) for _ in range(3)]
        self._listings = [add_listing(app, tutor) for tutor in self._tutors * 2]
        # two of a bucket, and the client whose id could be taken for nobody's
        self._clients = [add_client(app), client_of_bucket(app, 7), client_of_bucket(app, 7, 2),
                         add_profile(app, "CLIENT", id=NOBODY), add_profile(app, "CLIENT", "TUTOR")]  # fmt: skip
        agent = add_profile(app, "AGENT")
        for tutor in self._tutors[:2]:
            connect_people(app, agent, tutor, "AGENT_REFERRAL")

    def _one(self, *values: Any) -> Any:
        return self._random.choice(values)

    def _row(self, table: str) -> UUID | None:
        ids = [row[0] for row in everyone(self._app, f"(select id from {table}) as t", "id")]
        return self._random.choice(ids) if ids else None

    def _client(self) -> UUID | None:
        client: UUID | None = self._one(*self._clients, None)
        return client

    def write(self) -> None:
        """One statement."""
        act = self._random.randrange(10)
        if act < 3:
            columns = {"type": self._one(*TYPES), "recording_url": self._one("r", " ", None)}
            listing = self._one(*self._listings)
            add_session(self._app, listing, self._client(), NOW - DAY, status=self._one(*STATUSES), **columns)
        elif act < 5:
            add(
                self._app,
                "profile_reviews",
                reviewer_id=self._one(*self._clients, *self._tutors, None),
                reviewee_id=self._one(*self._tutors, None),
                rating=self._one(1, 3, 5, None),
            )
        elif act < 8:
            table, column, value = self._one(
                ("bookings", "status", self._one(*STATUSES)),
                ("bookings", "type", self._one(*TYPES)),
                ("bookings", "recording_url", self._one("r", "\t", None)),
                ("bookings", "client_id", self._client()),
                ("bookings", "listing_id", self._one(*self._listings)),
                ("profile_reviews", "rating", self._one(2, 4, None)),
                ("profile_reviews", "reviewer_id", self._client()),
                ("profile_reviews", "reviewee_id", self._one(*self._tutors)),
            )
            self._app.execute(f"update {table} set {column} = %s where id = %s", (value, self._row(table)))
        elif act == 8:
            table = self._one("bookings", "profile_reviews")
            self._app.execute(f"delete from {table} where id = %s", (self._row(table),))
        else:
            self._app.execute(
                "update listings set profile_id = %s where id = %s",
                (self._one(*self._tutors), self._one(*self._listings)),
            )


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_the_cells_are_what_the_rows_say(app: Rows, work: Work, seed: int) -> None:
    application = Chance(app, seed)
    for _ in range(12):
        for _ in range(8):
            application.write()
        summary = work()
        assert (summary.failed, summary.remaining) == (0, 0)
        hold_true(app)


# What is written


def test_only_the_touched_bucket_is_written(app: Rows, work: Work) -> None:
    tutor, other = add_tutor(app), add_tutor(app)
    listing, others = add_listing(app, tutor), add_listing(app, other)
    buckets = {bucket: [client_of_bucket(app, bucket, number) for number in (1, 2)] for bucket in (0, 7, 255)}
    for clients in buckets.values():
        for client in clients:
            add_booking(app, listing, client)
            add_booking(app, others, client)
    session = add_booking(app, listing, buckets[7][0])
    add_session(app, listing, None, NOW - DAY)
    work()

    def changes(statement: str, cells: set[tuple[UUID, int, UUID]]) -> None:
        before = [written(app, table) for table in ("caas.pair_cells", "caas.pair_sums")]
        app.execute(statement.encode())
        work()
        after = [written(app, table) for table in ("caas.pair_cells", "caas.pair_sums")]
        assert rewritten(before[0], after[0]) == cells, statement
        assert rewritten(before[1], after[1]) == {(whose, bucket) for whose, bucket, _ in cells}, statement
        hold_true(app)

    (same, neighbour), (far, _) = buckets[7], buckets[255]
    this = f" where id = '{session}'"
    changes(f"update bookings set type = 'free_help'{this}", {(tutor, 7, same)})
    changes(f"update bookings set client_id = '{neighbour}'{this}", {(tutor, 7, same), (tutor, 7, neighbour)})
    changes(f"update bookings set client_id = '{far}'{this}", {(tutor, 7, neighbour), (tutor, 255, far)})
    changes(f"update bookings set client_id = null{this}", {(tutor, 255, far), (tutor, 256, NOBODY)})
    changes(
        f"insert into profile_reviews (reviewer_id, reviewee_id, rating) values ('{same}', '{tutor}', 5)",
        {(tutor, 7, same)},
    )
    changes("update profile_reviews set rating = 4, comment = 'well'", {(tutor, 7, same)})
    changes("update profile_reviews set reviewer_id = null", {(tutor, 7, same), (tutor, 256, NOBODY)})
    changes("delete from profile_reviews", {(tutor, 256, NOBODY)})
    changes(f"update bookings set listing_id = '{others}'{this}", {(tutor, 256, NOBODY), (other, 256, NOBODY)})
    changes("update bookings set updated_at = now()", set())
    changes("update profiles set available_free_help = true", set())


def test_a_bucket_without_cells_has_no_sums(app: Rows, work: Work) -> None:
    tutor, client = add_tutor(app), add_client(app)
    session = add_booking(app, add_listing(app, tutor), client)
    work()
    assert len(everyone(app, "caas.pair_sums")) == 1
    app.execute("update bookings set status = 'Cancelled' where id = %s", (session,))
    work()
    assert everyone(app, "caas.pair_sums") == everyone(app, "caas.pair_cells") == []


def test_a_client_that_is_deleted_is_counted_no_more(app: Rows, work: Work) -> None:
    tutor, client, other = add_tutor(app), client_of_bucket(app, 7), client_of_bucket(app, 7, 2)
    listing = add_listing(app, tutor)
    for who in (client, client, other):
        add_booking(app, listing, who)
        add_review(app, who, tutor, 5)
    work()
    assert one(app, "select returning_clients from caas.pair_sums") == 1
    app.execute("delete from profiles where id = %s", (client,))
    work()
    assert app.execute("select bucket, clients, returning_clients, ratings from caas.pair_sums").fetchall() == [
        (7, 1, 0, 1)
    ]
    hold_true(app)


def test_sessions_and_reviews_by_nobody_count_for_nobodys_return(app: Rows, work: Work) -> None:
    tutor = add_tutor(app)
    listing = add_listing(app, tutor)
    for _ in range(2):
        add_session(app, listing, None, NOW - DAY)
        add(app, "profile_reviews", reviewer_id=None, reviewee_id=tutor, rating=3)
    add_review(app, tutor, tutor, 1)
    work()
    expected = [(256, 2, 2, 6, 0, 0)]
    query = "select bucket, paid, ratings, rating_sum, clients, returning_clients from caas.pair_sums"
    assert app.execute(query).fetchall() == expected
    hold_true(app)


# Cells that fail


@pytest.fixture
def stubborn(app: Rows) -> UUID:
    """A tutor whose cells cannot be written while anything stands in the table `trouble`."""
    tutor = add_tutor(app)
    app.execute("create table trouble (id int)")
    app.execute(
        "create function refuse() returns trigger language plpgsql security definer as $$ begin "
        f"if new.profile_id = '{tutor}' and exists (select from public.trouble) then "
        "raise exception 'no cell for this one' using errcode = 'check_violation'; end if; return new; end $$"
    )
    app.execute("create trigger refusing before insert on caas.pair_cells for each row execute function refuse()")
    return tutor


def paired(app: Rows, tutor: UUID) -> bool:
    return bool(one(app, "select paired from caas.cell_states where profile_id = %s", tutor))


def test_cells_that_fail_hurt_one_profile_which_is_counted_in_its_rows_until_they_are_mended(
    app: Rows, db: Database, stubborn: UUID, work: Work
) -> None:
    agent, others = add_profile(app, "AGENT"), [add_tutor(app) for _ in range(3)]
    client = add_client(app)
    for tutor in (stubborn, *others):
        connect_people(app, agent, tutor, "AGENT_REFERRAL")
        add_session(app, add_listing(app, tutor), client, NOW - DAY)
    work()
    before = total(app, stubborn)
    scores = {tutor: total(app, tutor) for tutor in others}
    app.execute("insert into trouble values (1)")
    for tutor in (stubborn, *others):
        add_review(app, client, tutor, 5)
    summary = work()
    assert (summary.dead, set(summary.error_types)) == (1, {"CELLS_FAILED"})
    assert one(app, "select error from caas.dead_entries where profile_id = %s", stubborn) == "CELLS_FAILED"
    assert (total(app, stubborn), paired(app, stubborn)) == (before, False)
    for tutor in others:
        assert (total(app, tutor) or 0) > (scores[tutor] or 0)
        assert paired(app, tutor)
    assert statistics(app, cells=True) == statistics(app, cells=False)

    app.execute("delete from trouble")
    queue.recalculate(db, [stubborn])
    summary = work()
    assert (summary.failed, summary.remaining) == (0, 0)
    assert (total(app, stubborn), paired(app, stubborn)) == (total(app, others[0]), True)
    hold_true(app)


def test_cells_that_were_never_written_are_built_when_they_can_be(
    app: Rows, db: Database, stubborn: UUID, work: Work
) -> None:
    app.execute("insert into trouble values (1)")
    add_session(app, add_listing(app, stubborn), add_client(app), NOW - DAY)
    assert work().dead == 1
    assert total(app, stubborn) is None
    assert one(app, "select count(*) from caas.cell_states where profile_id = %s", stubborn) == 0
    assert statistics(app, cells=True) == statistics(app, cells=False)
    app.execute("delete from trouble")
    queue.recalculate(db, [stubborn])
    assert work().failed == 0
    assert paired(app, stubborn)
    hold_true(app)


def test_a_failure_that_is_not_the_cells_leaves_them_in_use(app: Rows, db: Database, work: Work) -> None:
    """What the claim's cells were made from is written; only the score is missing."""
    tutor = add_tutor(app)
    listing, client = add_listing(app, tutor), add_client(app)
    add_session(app, listing, client, NOW - DAY)
    work()
    app.execute(
        "create function refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'no' using errcode = 'check_violation'; end $$"
    )
    app.execute("create trigger refusing before update on caas.scores for each row execute function refuse()")
    add_session(app, listing, client, NOW - 2 * DAY)
    assert set(work().error_types) == {"CACHE_REFUSED"}
    assert paired(app, tutor)
    hold_true(app)
    app.execute("drop trigger refusing on caas.scores")
    queue.recalculate(db, [tutor, client])
    assert work().failed == 0
    hold_true(app)
