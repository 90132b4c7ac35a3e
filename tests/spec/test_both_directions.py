"""What lowers a score lowers it as surely as the opposite raised it (scoring 1.1 and 1.5)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.people import (
    Rows,
    add,
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_review,
    add_tutor,
    connect_people,
)
from tests.spec.conftest import Published

Change = Callable[[Rows, UUID], Callable[[], object]]


def test_first_session_takes_the_provisional_points_away(app: Rows, published: Published) -> None:
    tutor, client = add_tutor(app), add_client(app)
    before = published(tutor)
    assert (before["total_score"], before["score_breakdown"]["provisional"]) == (32, True)

    session = add_booking(app, add_listing(app, tutor), client, status="Confirmed")
    assert published(tutor)["total_score"] == 32
    app.execute("update bookings set status = 'Completed' where id = %s", (session,))
    after = published(tutor)
    assert after["total_score"] == 5
    assert after["score_breakdown"]["performance"] == 0
    assert "provisional" not in after["score_breakdown"]

    add_review(app, client, tutor, 5, booking_id=session)
    assert published(tutor)["total_score"] == 18


def test_first_session_that_is_refunded_brings_the_provisional_points_back(app: Rows, published: Published) -> None:
    tutor = add_tutor(app)
    session = add_booking(app, add_listing(app, tutor), add_client(app))
    assert published(tutor)["total_score"] == 5
    refund(app, session)
    assert published(tutor)["total_score"] == 32


def refund(app: Rows, session: UUID) -> None:
    """What the application does when a session's money is given back."""
    app.execute(
        "update bookings set status = 'Cancelled', payment_status = 'Refunded', cancelled_by = 'tutor' where id = %s",
        (session,),
    )


def a_second_booking(app: Rows, tutor: UUID) -> Callable[[], object]:
    client, listing = add_client(app), add_listing(app, tutor)
    add_booking(app, listing, client, payment_status="Succeeded")
    again = add_booking(app, listing, client, payment_status="Succeeded")
    return lambda: refund(app, again)


def a_deleted_second_booking(app: Rows, tutor: UUID) -> Callable[[], object]:
    client, listing = add_client(app), add_listing(app, tutor)
    add_booking(app, listing, client)
    again = add_booking(app, listing, client)
    return lambda: app.execute("delete from bookings where id = %s", (again,))


def a_review(app: Rows, tutor: UUID) -> Callable[[], object]:
    best = add_review(app, add_client(app), tutor, 5)
    return lambda: app.execute("delete from profile_reviews where id = %s", (best,))


def a_rating(app: Rows, tutor: UUID) -> Callable[[], object]:
    best = add_review(app, add_client(app), tutor, 5)
    return lambda: app.execute("update profile_reviews set rating = 1 where id = %s", (best,))


def a_calendar(app: Rows, tutor: UUID) -> Callable[[], object]:
    calendar = add(app, "student_integration_links", profile_id=tutor, integration_type="GOOGLE_CALENDAR")
    return lambda: app.execute("update student_integration_links set is_active = false where id = %s", (calendar,))


def a_classroom(app: Rows, tutor: UUID) -> Callable[[], object]:
    classroom = add(app, "student_integration_links", profile_id=tutor, integration_type="GOOGLE_CLASSROOM")
    return lambda: app.execute("delete from student_integration_links where id = %s", (classroom,))


def a_referral(app: Rows, tutor: UUID) -> Callable[[], object]:
    referral = connect_people(app, tutor, add_client(app), "AGENT_REFERRAL")
    return lambda: app.execute("update profile_graph set status = 'BLOCKED' where id = %s", (referral,))


def an_agent(app: Rows, tutor: UUID) -> Callable[[], object]:
    agent = add_profile(app, "AGENT")
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    return lambda: app.execute("delete from profiles where id = %s", (agent,))


def a_degree(app: Rows, tutor: UUID) -> Callable[[], object]:
    add(app, "role_details", profile_id=tutor, role_type="TUTOR", degree_level="PHD")
    return lambda: app.execute("delete from role_details where profile_id = %s", (tutor,))


def a_dbs_check(app: Rows, tutor: UUID) -> Callable[[], object]:
    app.execute("update profiles set dbs_verified = true, dbs_expiry_date = now() + '1 day' where id = %s", (tutor,))
    return lambda: app.execute("update profiles set dbs_expiry_date = now() - interval '1 s' where id = %s", (tutor,))


def a_video(app: Rows, tutor: UUID) -> Callable[[], object]:
    app.execute("update profiles set bio_video_url = 'https://v.test/1' where id = %s", (tutor,))
    return lambda: app.execute("update profiles set bio_video_url = '' where id = %s", (tutor,))


def free_help(app: Rows, tutor: UUID) -> Callable[[], object]:
    sessions = [add_booking(app, add_listing(app, tutor), add_client(app), type="free_help") for _ in range(2)]
    return lambda: app.execute("update bookings set status = 'Cancelled' where id = any(%s)", (sessions,))


@pytest.mark.parametrize(
    "rise",
    [
        a_second_booking,
        a_deleted_second_booking,
        a_review,
        a_rating,
        a_calendar,
        a_classroom,
        a_referral,
        an_agent,
        a_degree,
        a_dbs_check,
        a_video,
        free_help,
    ],
    ids=lambda rise: rise.__name__,
)
def test_what_raised_a_score_lowers_it_when_it_goes(app: Rows, published: Published, rise: Change) -> None:
    tutor = tutor_with_one_session(app)
    before = published(tutor)["total_score"]
    undo = rise(app, tutor)
    raised = published(tutor)["total_score"]
    undo()
    lowered = published(tutor)["total_score"]
    assert before < raised > lowered


def test_a_listing_that_moves_takes_its_sessions_along(app: Rows, published: Published) -> None:
    old, new = tutor_with_one_session(app), add_tutor(app)
    assert totals(published, old, new) == (5, 32)
    app.execute("update listings set profile_id = %s where profile_id = %s", (new, old))
    assert totals(published, old, new) == (32, 5)
    app.execute("delete from listings where profile_id = %s", (new,))
    assert totals(published, old, new) == (32, 32)


def test_a_review_that_turns_out_to_be_ones_own_no_longer_counts(app: Rows, published: Published) -> None:
    tutor = tutor_with_one_session(app)
    review = add_review(app, add_client(app), tutor, 5)
    assert published(tutor)["score_inputs"]["avg_rating"] == 5
    app.execute("update profile_reviews set reviewer_id = reviewee_id where id = %s", (review,))
    assert published(tutor)["score_inputs"]["avg_rating"] == 0


def tutor_with_one_session(app: Rows) -> UUID:
    """A tutor without provisional points: 5."""
    tutor = add_tutor(app)
    add_booking(app, add_listing(app, tutor), add_client(app))
    return tutor


def totals(published: Published, *profiles: UUID) -> tuple[Any, ...]:
    """The totals of these profiles."""
    return tuple(published(profile)["total_score"] for profile in profiles)
