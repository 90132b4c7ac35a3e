"""Follow: profiles.caas_score takes over the cache's totals and never waits for the application (design, Why not)."""

from collections.abc import Callable
from uuid import UUID

import pytest

from caas_worker import follow
from caas_worker.db import Database
from caas_worker.model import Claim, Scored
from caas_worker.pipeline import Line
from caas_worker.worker import Summary
from tests.conftest import Connect
from tests.interleaving import Pause, Rows, meanwhile, one, until, waiting
from tests.people import add, add_booking, add_client, add_listing, add_review, add_tutor, total

MakeLine = Callable[..., Line]
Drain = Callable[..., Summary]


def followed(app: Rows, profile_id: UUID) -> int:
    """What profiles.caas_score says."""
    return int(one(app, "select caas_score from profiles where id = %s", profile_id))


def listed(app: Rows) -> list[UUID]:
    """Whose total is still to be copied."""
    return [key for (key,) in app.execute("select profile_id from caas.score_follow order by profile_id").fetchall()]


def test_the_profile_follows_its_total_up_and_down(app: Rows, drain: Drain) -> None:
    tutor = add_tutor(app, available_free_help=True)
    drain()
    assert followed(app, tutor) == total(app, tutor) == 36
    app.execute("update profiles set available_free_help = false")
    drain()
    assert followed(app, tutor) == total(app, tutor) == 32
    app.execute("update profiles set identity_verified = false")
    drain()
    assert followed(app, tutor) == total(app, tutor) == 0


def test_following_marks_nobody_and_leaves_nothing_listed(app: Rows, drain: Drain) -> None:
    add_tutor(app)
    drain()
    assert listed(app) == []
    assert one(app, "select count(*) from caas.changes") == 0


def test_a_row_that_the_application_holds_is_skipped_recorded_and_follows_later(
    app: Rows, connect: Connect, drain: Drain, caplog: pytest.LogCaptureFixture
) -> None:
    held, free = add_tutor(app), add_tutor(app)
    application = connect(autocommit=False)
    application.execute("select from profiles where id = %s for update", (held,))
    assert drain().processed == 2
    assert [followed(app, tutor) for tutor in (held, free)] == [0, 32]
    assert listed(app) == [held]
    assert not caplog.records  # it was skipped, not waited for
    application.commit()
    drain()
    assert (followed(app, held), listed(app)) == (32, [])


def test_a_foreign_key_that_the_application_checks_does_not_hold_following_up(
    app: Rows, connect: Connect, drain: Drain
) -> None:
    tutor = add_tutor(app)
    application = connect(autocommit=False)
    add_review(application, tutor, tutor, 5)
    drain()
    assert followed(app, tutor) == 32
    application.rollback()


def test_the_application_never_waits_while_a_batch_is_computed_and_cached(
    app: Rows, line: Line, connect: Connect
) -> None:
    tutor = add_tutor(app)
    listing, client = add_listing(app, tutor), add_client(app)
    line.fold(whole=True)
    claim = line.claimant.claim(100)
    scored = line.score(claim)
    application = connect()
    application.execute("set lock_timeout = '1s'")
    pause = Pause(app, "caas.scores")
    with pause.during(lambda: line.publish(claim, scored)):
        application.execute("update profiles set bio = 'Hello', caas_score = 5")
        add_booking(application, listing, client)
        application.execute("delete from profiles where id = %s", (client,))
        application.execute("select caas.enqueue(%s, 'asked')", ([tutor],))


def test_a_row_that_says_so_already_is_not_written(app: Rows, drain: Drain) -> None:
    tutor = add_tutor(app, caas_score=32)
    version = one(app, "select xmin::text from profiles")
    drain()
    assert total(app, tutor) == 32
    assert one(app, "select xmin::text from profiles") == version
    app.execute("update profiles set bio = 'Hello'")
    version = one(app, "select xmin::text from profiles")
    drain()
    assert one(app, "select xmin::text from profiles") == version


def test_without_the_column_there_is_nothing_to_follow(app: Rows, make_line: MakeLine) -> None:
    add_tutor(app)
    app.execute("alter table profiles drop column caas_score")
    line = make_line()
    assert not line.follower.is_on
    line.fold(whole=True)
    batch = line.run_batch(100, whole=True)
    assert batch is not None
    assert batch.endings == {"scored": 1}
    assert listed(app) == []


def test_switched_off_the_column_stays_the_applications(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app, caas_score=7)
    line = make_line(follow_profiles=False)
    line.fold(whole=True)
    line.run_batch(100, whole=True)
    assert (total(app, tutor), followed(app, tutor), listed(app)) == (32, 7, [])


def test_switched_on_again_the_column_catches_up_with_the_next_computation(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    for follows in (False, True):
        app.execute("select caas.enqueue(%s, 'asked')", ([tutor],))
        line = make_line(follow_profiles=follows)
        line.fold(whole=True)
        line.run_batch(100, whole=True)
    assert followed(app, tutor) == 32


def test_an_old_total_that_the_application_writes_back_is_mended_by_the_next_computation(
    app: Rows, drain: Drain
) -> None:
    tutor = add_tutor(app)
    drain()
    app.execute("update profiles set bio = 'Hello', caas_score = 0 where id = %s", (tutor,))
    drain()
    assert followed(app, tutor) == total(app, tutor) == 32


def test_a_trigger_of_the_applications_that_refuses_does_not_stop_the_line(
    app: Rows, drain: Drain, caplog: pytest.LogCaptureFixture
) -> None:
    tutor = add_tutor(app)
    app.execute(
        "create function refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'scores are frozen'; end $$"
    )
    app.execute("create trigger refusal before update on profiles for each row execute function refuse()")
    summary = drain()
    assert (summary.processed, summary.failed, total(app, tutor)) == (1, 0, 32)
    assert "P0001" in caplog.text
    assert "scores are frozen" not in caplog.text  # a message of the application's may name people
    assert (followed(app, tutor), listed(app)) == (0, [tutor])
    app.execute("drop trigger refusal on profiles")
    drain()
    assert (followed(app, tutor), listed(app)) == (32, [])


def test_a_trigger_of_the_applications_that_waits_is_not_waited_for(app: Rows, connect: Connect, drain: Drain) -> None:
    tutor = add_tutor(app)
    app.execute("create table audit (profile_id uuid)")
    app.execute(
        "create function note() returns trigger language plpgsql as "
        "$$ begin insert into audit values (new.id); return null; end $$"
    )
    app.execute("create trigger noting after update on profiles for each row execute function note()")
    application = connect(autocommit=False)
    application.execute("lock table audit")
    assert drain().processed == 1
    assert (total(app, tutor), followed(app, tutor), listed(app)) == (32, 0, [tutor])
    application.rollback()
    drain()
    assert (followed(app, tutor), listed(app)) == (32, [])


def test_a_total_published_while_the_last_one_is_being_copied_is_copied_too(
    app: Rows, line: Line, db: Database
) -> None:
    tutor = add_tutor(app)

    def copy() -> None:
        with db.transaction() as connection:  # with the time that a slow trigger of the application's may take
            connection.execute("select caas.follow(array(select profile_id from caas.score_follow))")

    def claim_and_score() -> tuple[Claim, Scored]:
        line.fold(whole=True)
        claim = line.claimant.claim(100, whole=True)
        return claim, line.score(claim)

    line.publish(*claim_and_score())
    pause = Pause(app, "profiles")
    with pause.during(copy):
        add(app, "student_integration_links", profile_id=tutor, integration_type="GOOGLE_CALENDAR")
        newer = claim_and_score()
        with meanwhile(lambda: line.publish(*newer), finally_=pause.resume) as publishing:
            until(lambda: publishing.done() or waiting(app) > 1, "the newer total to be published or to wait")
    assert total(app, tutor) == 36
    follow.follow(db, None)
    assert followed(app, tutor) == 36


def test_a_copy_that_was_held_up_does_not_bring_back_an_older_total(app: Rows, line: Line, db: Database) -> None:
    first, second = sorted(add_tutor(app) for _ in range(2))
    line.fold(whole=True)
    line.run_batch(100, whole=True)
    app.execute("update profiles set caas_score = 0")

    def copy() -> None:
        with db.transaction() as connection:
            connection.execute("select caas.follow(%s)", ([first, second],))

    def claim_and_score(tutor: UUID) -> tuple[Claim, Scored]:
        app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
        line.fold(whole=True)
        claim = line.claimant.claim(100, whole=True)
        line.claimant.settle()
        return claim, line.score(claim)

    newer, newest = claim_and_score(first), claim_and_score(second)
    pause = Pause(app, "caas.scores")
    with pause.during(lambda: line.publish(*newer)), meanwhile(copy, finally_=pause.resume) as copying:
        until(lambda: copying.done() or waiting(app) > 1, "the copy to be done or to wait for the batch")
        line.publish(*newest)
        follow.follow(db, [second])
    follow.follow(db, None)
    assert (total(app, second), followed(app, second)) == (36, 36)
    assert (total(app, first), followed(app, first)) == (36, 36)


def test_following_does_not_wait_for_a_batch_while_it_holds_the_applications_rows(
    app: Rows, line: Line, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    tutor = add_tutor(app)
    for publishing in (line.publish, None):
        line.fold(whole=True)
        claim = line.claimant.claim(100, whole=True)
        line.claimant.settle()
        scored = line.score(claim)
        if publishing:
            publishing(claim, scored)
            app.execute("update profiles set available_free_help = true")
    assert listed(app) == [tutor]
    pause = Pause(app, "caas.scores")
    with pause.during(lambda: line.publish(claim, scored)):
        follow.follow(db, None)
        assert not caplog.records  # it would tell of a lock that it waited for in vain
    follow.follow(db, None)
    assert (followed(app, tutor), listed(app)) == (36, [])


def test_rows_held_for_long_do_not_keep_others_from_following(
    app: Rows, connect: Connect, drain: Drain, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LEFT_OVER_AT_ONCE", 2)
    tutors = sorted(add_tutor(app) for _ in range(3))
    long, short = connect(autocommit=False), connect(autocommit=False)
    long.execute("select from profiles where id = any(%s) for update", (tutors[:2],))
    short.execute("select from profiles where id = %s for update", (tutors[2],))
    drain()
    short.commit()
    follow.follow(db, None)
    follow.follow(db, None)
    assert followed(app, tutors[2]) == 32
    long.commit()
    follow.follow(db, None)
    assert listed(app) == []


def test_a_removed_profile_is_no_longer_listed(app: Rows, connect: Connect, line: Line, drain: Drain) -> None:
    tutor = add_tutor(app)
    application = connect(autocommit=False)
    application.execute("select from profiles for update")
    drain()
    assert listed(app) == [tutor]
    application.execute("delete from profiles")
    application.commit()
    line.fold(whole=True)
    claim = line.claimant.claim(1, whole=True)
    assert line.publish(claim, line.score(claim)).endings == {"removed": 1}
    assert listed(app) == []


# Rows that the application does not let be written

KEEPERS = {
    "a trigger that raises": "begin if new.id = '{odd}' then raise exception 'not this one'; end if; return new; end",
    "a trigger that drops the row": "begin if new.id = '{odd}' then return null; end if; return new; end",
    "a trigger that keeps the old value": (
        "begin if new.id = '{odd}' then new.caas_score := old.caas_score; end if; return new; end"
    ),
}


def keep(app: Rows, odd: UUID, how: str) -> None:
    if how == "a check":
        app.execute(f"alter table profiles add constraint frozen check (caas_score < 1 or id <> '{odd}') not valid")
        return
    body = KEEPERS[how].format(odd=odd)
    app.execute(f"create function keep() returns trigger language plpgsql as $$ {body} $$")
    app.execute("create trigger keep before update on profiles for each row execute function keep()")


def let_go(app: Rows, how: str) -> None:
    app.execute("alter table profiles drop constraint frozen" if how == "a check" else "drop trigger keep on profiles")


@pytest.mark.parametrize("how", ["a check", *KEEPERS])
def test_a_row_that_refuses_its_score_stays_listed_and_the_others_follow(
    app: Rows, drain: Drain, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    tutors = [add_tutor(app) for _ in range(8)]
    odd = tutors[3]
    keep(app, odd, how)
    summary = drain()
    assert (summary.processed, summary.failed) == (8, 0)
    assert [followed(app, tutor) for tutor in tutors] == [0 if tutor == odd else 32 for tutor in tutors]
    assert listed(app) == [odd]
    assert "profiles.caas_score" in caplog.text
    assert ("constraint frozen" in caplog.text) == (how == "a check")
    let_go(app, how)
    drain()
    assert (followed(app, odd), listed(app)) == (32, [])


def test_refused_rows_wait_behind_those_that_can_be_written(
    app: Rows, drain: Drain, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LEFT_OVER_AT_ONCE", 2)
    tutors = sorted(add_tutor(app) for _ in range(6))
    app.execute("alter table profiles add constraint frozen check (caas_score < 1) not valid")
    drain()
    assert listed(app) == tutors
    app.execute("alter table profiles drop constraint frozen")
    app.execute(
        "alter table profiles add constraint frozen check (caas_score < 1 or id > %s) not valid".replace(
            "%s", f"'{tutors[2]}'"
        )
    )
    for _ in range(6):
        follow.follow(db, None)
    assert listed(app) == tutors[:3]


def test_a_column_that_goes_ends_the_following_with_one_warning(
    app: Rows, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    tutor = add_tutor(app)
    app.execute("alter table profiles drop column caas_score")
    for _ in range(3):
        app.execute("select caas.enqueue(%s, 'asked')", ([tutor],))
        line.fold(whole=True)
        line.run_batch(10, whole=True)
    assert total(app, tutor) == 32
    assert not line.follower.is_on
    assert caplog.text.count("profiles.caas_score is gone") == 1
