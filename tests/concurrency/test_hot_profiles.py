"""Many application writers over a few hot profiles, with workers beside them: the design's measurement, as a test."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from caas_worker import queue
from caas_worker.db import Database
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.worker import Summary, Worker
from tests.conftest import Connect
from tests.interleaving import Rows, one
from tests.people import add_booking, add_client, add_listing, add_review, add_tutor, connect_people

SECONDS = 4.0
WRITERS = 8


def write(application: Rows, tutors: list[UUID], chance: random.Random, end: float) -> int:
    """Transactions over rows of this writer's own about everybody's tutors; returns how many were committed.

    A transaction updates at most one profile and does so last, so that the writers themselves cannot deadlock.
    """
    listing, client = add_listing(application, tutors[0]), add_client(application)
    application.commit()
    committed = 0
    while time.monotonic() < end:
        booking = add_booking(application, listing, client, chance.choice(["Completed", "Pending log"]))
        review = add_review(application, client, chance.choice(tutors), chance.randint(1, 5))
        match chance.randrange(7):
            case 0:
                application.execute(
                    "update listings set profile_id = %s where id = %s", (chance.choice(tutors), listing)
                )
            case 1:
                connect_people(application, client, chance.choice(tutors), "AGENT_REFERRAL")
            case 2:
                application.execute("delete from profile_reviews where id = %s", (review,))
                application.execute("delete from bookings where id = %s", (booking,))
            case 3:
                with application.transaction(force_rollback=True):
                    application.execute("update bookings set type = 'free_help' where client_id = %s", (client,))
            case 4:
                application.execute("update bookings set status = 'Cancelled' where client_id = %s", (client,))
            case _:
                application.execute(
                    "update profiles set available_free_help = not available_free_help where id = %s",
                    (chance.choice(tutors),),
                )
        if chance.random() < 0.1:
            application.rollback()
        else:
            application.commit()
            committed += 1
    return committed


def cached(app: Rows) -> list[tuple[Any, ...]]:
    return app.execute(
        "select s.profile_id, s.total_score, s.score_breakdown, s.score_inputs, p.caas_score "
        "from caas.scores as s inner join profiles as p on p.id = s.profile_id order by s.profile_id"
    ).fetchall()


def test_writers_over_hot_profiles_meet_no_error_and_nothing_is_stale_afterwards(
    app: Rows, connect: Connect, db: Database, make_line: Callable[..., Line], drain: Callable[..., Summary]
) -> None:
    tutors = [add_tutor(app) for _ in range(5)]
    stop = threading.Event()
    settings = Settings(poll_interval=0.02)
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        lines = [make_line(fold_size=200), make_line(fold_size=200)]
        working = [pool.submit(Worker(line, settings, stop).run) for line in lines]
        applications = [connect(autocommit=False, options="-c lock_timeout=2s") for _ in range(WRITERS)]
        writing = [
            pool.submit(write, application, tutors, random.Random(seed), end)
            for seed, application in enumerate(applications)
        ]
        try:
            committed = [work.result() for work in writing]
        finally:
            stop.set()
        for work in working:
            work.result()
    assert min(committed) > 0
    assert min(line.telemetry.batches for line in lines) > 0
    assert one(app, "select deadlocks from pg_stat_database where datname = current_database()") == 0
    assert not sum((line.telemetry.errors for line in lines), start=lines[0].telemetry.errors)

    assert drain().remaining == 0
    before = cached(app)
    assert [row[4] for row in before] == [row[1] for row in before]
    queue.mark_everyone(db, "compared")
    assert drain().processed == len(before) == len(tutors) + WRITERS
    assert cached(app) == before
