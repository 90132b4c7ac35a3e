"""A score pinned by hand: what readers see, what goes on underneath, how it ends, and what stays in the trail."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from caas_worker import holds, migrate, worker
from caas_worker.db import Database
from caas_worker.errors import HoldRefused, ProfileNotFound
from caas_worker.pipeline import Line
from caas_worker.shipped import Shipped
from caas_worker.sweep import sweep
from tests.people import Rows, add_client, add_profile, add_review, add_tutor, connect_people, total

Drain = Callable[..., worker.Summary]


def hold(db: Database, profile_id: UUID, score: int = 0, **further: Any) -> int:
    return holds.hold(db, profile_id, score, **{"reason": "fraud", "actor": "ann", **further})


def computed(app: Rows, profile_id: UUID) -> int | None:
    row = app.execute("select computed_score from caas.scores where profile_id = %s", (profile_id,)).fetchone()
    assert row is not None
    return row[0]


def followed(app: Rows, profile_id: UUID) -> int:
    row = app.execute("select caas_score from profiles where id = %s", (profile_id,)).fetchone()
    assert row is not None
    return row[0]


def test_a_hold_shows_at_once_and_the_rule_goes_on_underneath(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    hold(db, tutor)
    assert (total(app, tutor), computed(app, tutor)) == (0, 32)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    drain()
    assert (total(app, tutor), computed(app, tutor), followed(app, tutor)) == (0, 36, 0)


def test_a_hold_may_be_higher_than_the_rule(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    hold(db, tutor, 100)
    drain()
    assert (total(app, tutor), computed(app, tutor), followed(app, tutor)) == (100, 32, 100)


def test_a_release_brings_back_what_the_rule_says_by_now(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    hold(db, tutor)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    drain()
    assert holds.release(db, tutor, actor="bob") is not None
    assert (total(app, tutor), computed(app, tutor)) == (36, None)
    drain()
    assert (total(app, tutor), computed(app, tutor), followed(app, tutor)) == (36, None, 36)


def test_the_generation_is_that_of_the_computation_to_wait_for(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    generation = hold(db, tutor)
    drain()
    assert app.execute("select generation from caas.scores").fetchone() == (generation,)


def test_a_hold_before_the_first_score(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    hold(db, tutor, 5)
    assert total(app, tutor) is None
    drain()
    assert (total(app, tutor), computed(app, tutor)) == (5, 32)


def test_a_hold_holds_where_no_computation_succeeds(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    app.execute("alter function caas.network_stats(uuid[], timestamptz) rename to elsewhere")
    hold(db, tutor)
    assert total(app, tutor) == 0


def test_a_hold_ends_by_itself_when_its_time_is_over(app: Rows, db: Database, line: Line, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    hold(db, tutor, seconds=3600)
    drain()
    end = datetime.now(UTC) + timedelta(seconds=3601)
    [(due,)] = app.execute("select next_due_at from caas.scores").fetchall()
    assert abs((due - end).total_seconds()) < 60
    assert sweep(db, 10) == 0
    assert sweep(db, 10, as_of=end) == 1
    worker.drain(replace(line, clock=lambda _: end), batch_size=10)
    assert (total(app, tutor), computed(app, tutor), followed(app, tutor)) == (32, None, 32)


def test_the_rules_own_due_time_comes_first_where_it_is_earlier(app: Rows, db: Database, drain: Drain) -> None:
    expiry = datetime.now(UTC) + timedelta(minutes=10)
    tutor = add_tutor(app, dbs_verified=True, dbs_expiry_date=expiry)
    drain()
    hold(db, tutor, seconds=3600)
    assert app.execute("select next_due_at from caas.scores").fetchone() == (expiry,)
    drain()
    assert app.execute("select next_due_at from caas.scores").fetchone() == (expiry,)


def test_a_new_hold_replaces_the_old_one_which_stays_in_the_trail(app: Rows, db: Database, drain: Drain) -> None:
    tutor, other = add_tutor(app), add_tutor(app)
    drain()
    hold(db, tutor, 10)
    hold(db, tutor, 20, reason="second look", actor="bob")
    hold(db, other, 1)
    drain()
    assert (total(app, tutor), computed(app, tutor)) == (20, 32)
    newest, oldest = holds.holds(db, tutor)
    assert (newest["score"], newest["stands"], newest["released_by"]) == (20, True, None)
    assert (oldest["score"], oldest["stands"], oldest["released_by"]) == (10, False, "bob")
    assert oldest["reason"] == "fraud"
    assert oldest["released_at"] > oldest["held_at"]
    assert {row["profile_id"] for row in holds.holds(db)} == {tutor, other}


def test_a_release_of_nothing_does_nothing(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    assert holds.release(db, tutor, actor="bob") is None
    assert holds.release(db, uuid4(), actor="bob") is None
    assert app.execute("select count(*) from caas.changes").fetchone() == (0,)
    assert total(app, tutor) == 32


def test_agents_are_scored_by_the_published_scores_of_their_recruits(app: Rows, db: Database, drain: Drain) -> None:
    agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    add_review(app, add_client(app), tutor, 5)
    drain()
    before = total(app, agent)
    hold(db, tutor, 0)
    drain()
    assert before is not None
    assert (total(app, agent) or 0) < before


def test_a_deleted_profile_takes_its_holds_along(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    hold(db, tutor)
    drain()
    app.execute("delete from profiles where id = %s", (tutor,))
    drain()
    assert app.execute("select count(*) from caas.holds").fetchone() == (0,)


def test_an_unknown_profile_is_an_error(db: Database) -> None:
    with pytest.raises(ProfileNotFound):
        hold(db, uuid4())
    assert holds.holds(db) == []


@pytest.mark.parametrize(
    "wrong", [{"score": -1}, {"score": 101}, {"reason": " "}, {"actor": ""}, {"seconds": 0}, {"seconds": -5}]
)
def test_a_hold_that_makes_no_sense_is_refused(app: Rows, db: Database, wrong: dict[str, Any]) -> None:
    tutor = add_tutor(app)
    with pytest.raises(HoldRefused):
        hold(db, tutor, **wrong)
    assert holds.holds(db) == []


@pytest.mark.parametrize(
    "call",
    [
        "caas.hold(%s, 101, 'r', 'a')",
        "caas.hold(%s, null, 'r', 'a')",
        "caas.hold(%s, 1, '', 'a')",
        "caas.hold(%s, 1, 'r', null)",
        "caas.hold(%s, 1, 'r', 'a', now() - interval '1 s')",
        "caas.release_hold(%s, ' ')",
    ],
)
def test_sql_callers_are_told_too(app: Rows, call: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        app.execute(f"select {call}", (add_tutor(app),))


def test_a_hold_that_is_over_and_still_shows_can_be_released(app: Rows, db: Database, drain: Drain) -> None:
    tutor = add_tutor(app)
    drain()
    hold(db, tutor, seconds=3600)
    app.execute("update caas.holds set held_at = now() - interval '2 days', expires_at = now() - interval '1 day'")
    assert total(app, tutor) == 0  # nobody has computed it since
    assert holds.release(db, tutor, actor="bob") is not None
    assert total(app, tutor) == 32


def test_undoing_the_migration_gives_back_what_the_rule_computed(
    app: Rows, url: str, db: Database, drain: Drain
) -> None:
    tutor = add_tutor(app)
    drain()
    hold(db, tutor)
    drain()
    shipped = Shipped.load()
    since_holds = [file for file in shipped.migrations if file.stem >= "0004_holds"]
    migrate.down(url, shipped, lambda _: None, count=len(since_holds))
    # back in the schema that the release before had
    assert app.execute("select profile_id, total_score from public.caas_scores").fetchall() == [(tutor, 32)]
    assert app.execute("select profile_id from public.caas_score_follow").fetchall() == [(tutor,)]
    assert app.execute("select profile_id from public.caas_changes where reason = 'release'").fetchall() == [(tutor,)]
