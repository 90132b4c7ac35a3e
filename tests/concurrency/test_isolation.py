"""The application's isolation levels: no serialization failure is ever ours (design, What a scratch server taught)."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict

from caas_worker.worker import Summary
from tests.conftest import Connect
from tests.interleaving import Rows, one
from tests.people import add, add_booking, add_client, add_listing, add_review, add_tutor, connect_people, total

Drain = Callable[..., Summary]


@pytest.fixture(autouse=True)
def strict_by_default(url: str) -> None:
    """A database whose owner chose SERIALIZABLE for everyone."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"alter database {name} set default_transaction_isolation = serializable".encode())


@pytest.fixture
def two(connect: Connect, request: pytest.FixtureRequest) -> tuple[Rows, Rows]:
    """Two connections of the application in transactions of the level asked for."""
    first, second = connect(autocommit=False), connect(autocommit=False)
    first.isolation_level = second.isolation_level = getattr(request, "param", IsolationLevel.SERIALIZABLE)
    return first, second


@pytest.mark.parametrize("two", IsolationLevel, indirect=True, ids=lambda level: level.name)
def test_transactions_that_only_their_triggers_could_set_at_odds_both_commit(
    app: Rows, two: tuple[Rows, Rows], drain: Drain
) -> None:
    ana, ben, client = add_tutor(app), add_tutor(app), add_client(app)
    maths, music = add_listing(app, ana), add_listing(app, ben)
    drain()
    first, second = two
    for application, listing, tutor, other in ((first, maths, ana, ben), (second, music, ben, ana)):
        booking = add_booking(application, listing, client)
        application.execute("update bookings set status = 'Cancelled' where id = %s", (booking,))
        add_review(application, client, tutor, 5)
        connect_people(application, tutor, other)
        add(application, "role_details", profile_id=tutor, role_type="TUTOR")
        add(application, "student_integration_links", profile_id=tutor, integration_type="GOOGLE_CALENDAR")
        drain()
    first.commit()
    drain()
    second.commit()
    summary = drain()
    assert summary.remaining == 0
    assert total(app, ana) == total(app, ben) == 36


def test_a_worker_is_no_party_to_the_applications_serializable_transactions(
    app: Rows, two: tuple[Rows, Rows], drain: Drain
) -> None:
    """The application reads a score and writes a review; the worker reads reviews and writes the score: a circle."""
    tutor, client = add_tutor(app), add_client(app)
    drain()
    first, second = two
    for application in two:
        assert one(application, "select total_score from caas.scores where profile_id = %s", tutor) == 32
        assert one(application, "select count(*) from caas.recalculation_queue") == 0
    add_review(first, client, tutor, 5)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    assert drain().processed == 1
    first.commit()
    assert drain().processed == 1
    connect_people(second, client, tutor)
    second.commit()
    assert drain().processed >= 1
    assert total(app, tutor) == 36


def test_a_repeatable_read_transaction_may_update_a_row_whose_score_did_not_change(
    app: Rows, two: tuple[Rows, Rows], drain: Drain
) -> None:
    tutor = add_tutor(app)
    drain()
    application, _ = two
    assert one(application, "select caas_score from profiles where id = %s", tutor) == 32
    app.execute("select caas.enqueue(%s, 'asked')", ([tutor],))
    assert drain().processed == 1
    application.execute("update profiles set bio = 'Hello' where id = %s", (tutor,))
    application.commit()
