"""The statistics functions, column by column, as their definitions read (scoring 1.2)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.conftest import Databases
from tests.interleaving import plain_role
from tests.people import Rows, add, add_booking, add_client, add_listing, add_review, add_tutor, connect_people

EMPTY: dict[str, dict[str, Any]] = {
    "performance": {
        "avg_rating": 0,
        "completed_sessions": 0,
        "retention_rate": 0,
        "manual_session_log_rate": 0,
        "completed_free_sessions_count": 0,
    },
    "network": {"referral_count": 0, "connection_count": 0, "is_agent_referred": False},
    "digital": {"google_calendar_synced": False, "google_classroom_synced": False, "virtual_usage_rate": 0},
}
"""The row of a profile of which nothing is known, and so the columns of each function."""

URL = {"recording_url": "https://recordings.test/1"}
FREE = {"type": "free_help"}
everyone = pytest.mark.parametrize("kind", EMPTY)


@pytest.fixture(scope="module")
def url(databases: Databases, template: str) -> Iterator[str]:
    """One marketplace for all of them: each writes people of its own."""
    conninfo = databases.create(template)
    yield conninfo
    databases.drop(conninfo)


def stats(app: Rows, kind: str, profile_ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """The rows of caas_<kind>_stats by profile, without the id and columns that the definition does not know."""
    cursor = app.cursor(row_factory=dict_row)
    rows = cursor.execute(f"select * from caas.{kind}_stats(%s)", (profile_ids,)).fetchall()
    found = {row["profile_id"]: {name: row[name] for name in EMPTY[kind]} for row in rows}
    assert len(found) == len(rows)
    return found


def of(app: Rows, kind: str, profile_id: UUID) -> dict[str, Any]:
    """The statistics of one profile that differ from the empty row."""
    row = stats(app, kind, [profile_id])[profile_id]
    return {name: value for name, value in row.items() if value != EMPTY[kind][name]}


@everyone
def test_an_id_that_nobody_has_gives_the_empty_row(app: Rows, kind: str) -> None:
    add_tutor(app)
    nobody, nobody_else = uuid4(), uuid4()
    assert stats(app, kind, [nobody, nobody_else]) == {nobody: EMPTY[kind], nobody_else: EMPTY[kind]}


@everyone
def test_no_ids_give_no_rows(app: Rows, kind: str) -> None:
    add_tutor(app)
    assert stats(app, kind, []) == {}


@everyone
def test_an_id_given_twice_gives_one_row(app: Rows, kind: str) -> None:
    tutor, other = add_tutor(app), add_tutor(app)
    assert set(stats(app, kind, [tutor, other, tutor, tutor])) == {tutor, other}


@everyone
def test_the_function_of_one_id_takes_a_quoted_literal(app: Rows, kind: str) -> None:
    tutor = add_tutor(app)
    add_booking(app, add_listing(app, tutor), add_client(app), **URL)
    add_review(app, add_client(app), tutor, 4)
    connect_people(app, tutor, add_client(app))
    cursor = app.cursor(row_factory=dict_row)
    row = cursor.execute(f"select * from caas.get_{kind}_stats('{tutor}')").fetchall()
    assert row == [stats(app, kind, [tutor])[tutor]]
    assert row != [EMPTY[kind]]
    assert cursor.execute(f"select * from caas.get_{kind}_stats('{uuid4()}')").fetchall() == [EMPTY[kind]]


@everyone
def test_first_column_of_the_set_returning_function_is_the_id(app: Rows, kind: str) -> None:
    columns = app.execute(f"select * from caas.{kind}_stats('{{}}')").description
    assert columns is not None
    assert (columns[0].name, columns[0].type_display) == ("profile_id", "uuid")


@everyone
def test_columns_have_the_defined_types(app: Rows, kind: str) -> None:
    cursor = app.execute(f"select * from caas.get_{kind}_stats('{uuid4()}')")
    assert cursor.description is not None
    types = {column.name: column.type_display for column in cursor.description}
    numeric = {"avg_rating", "retention_rate", "manual_session_log_rate", "virtual_usage_rate"}
    expected = {
        name: "numeric" if name in numeric else "bool" if isinstance(value, bool) else "int4"
        for name, value in EMPTY[kind].items()
    }
    assert types == expected


def test_avg_rating_is_the_mean_of_what_others_gave(app: Rows) -> None:
    tutor, client = add_tutor(app), add_client(app)
    assert of(app, "performance", tutor) == {}
    for rating in (5, 4, 4):
        add_review(app, client, tutor, rating)
    add_review(app, tutor, tutor, 1)
    add_review(app, tutor, client, 1)
    add(app, "profile_reviews", reviewer_id=client, reviewee_id=tutor, rating=None)
    add(app, "profile_reviews", reviewer_id=None, reviewee_id=tutor, rating=3)
    assert of(app, "performance", tutor) == {"avg_rating": 4}


def test_completed_sessions_are_the_paid_ones_of_all_the_profiles_listings(app: Rows) -> None:
    tutor = add_tutor(app)
    for columns in ({}, {"type": "paid"}, FREE, {"status": "Cancelled"}, {"status": "Pending log"}):
        add_booking(app, add_listing(app, tutor), add_client(app), **columns)
    add_booking(app, add_listing(app, add_tutor(app)), tutor)
    assert of(app, "performance", tutor) == {"completed_sessions": 2, "completed_free_sessions_count": 1}


def test_retention_is_the_share_of_clients_with_more_than_one_completed_paid_session(app: Rows) -> None:
    tutor, listing, other_listing = teacher(app)
    again, once, free_again, cancelled_again = (add_client(app) for _ in range(4))
    add_booking(app, listing, again)
    add_booking(app, other_listing, again)
    for client in (once, free_again, cancelled_again):
        add_booking(app, listing, client)
    add_booking(app, listing, free_again, **FREE)
    add_booking(app, listing, cancelled_again, status="Cancelled")
    add_booking(app, listing, add_client(app), **FREE)
    assert of(app, "performance", tutor)["retention_rate"] == Decimal("0.25")


def test_sessions_of_a_client_who_is_gone_count_without_a_client(app: Rows) -> None:
    tutor, listing, _ = teacher(app)
    for _ in range(3):
        add_booking(app, listing, None)  # type: ignore[arg-type]
    add_booking(app, listing, add_client(app))
    assert of(app, "performance", tutor) == {"completed_sessions": 4}


@pytest.mark.parametrize(
    ("logged", "forgotten", "rate"),
    [(4, 0, "0"), (5, 0, "1"), (4, 1, "0.8"), (9, 1, "0.9"), (0, 5, "0"), (0, 4, "0"), (1, 4, "0.2")],
)
def test_log_rate_is_the_share_of_unrecorded_paid_sessions_that_were_logged(
    app: Rows, logged: int, forgotten: int, rate: str
) -> None:
    tutor, listing, other_listing = teacher(app)
    client = add_client(app)
    for number in range(logged):
        add_booking(app, listing, client, recording_url=[None, "", "  "][number % 3])
    for _ in range(forgotten):
        add_booking(app, other_listing, add_client(app), status="Pending log")
    for columns in (URL, FREE, {**FREE, "status": "Pending log"}, {**URL, "status": "Pending log"}):
        for _ in range(5):
            add_booking(app, listing, client, **columns)
    assert stats(app, "performance", [tutor])[tutor]["manual_session_log_rate"] == Decimal(rate)


def test_referrals_are_the_distinct_others_to_whom_active_referrals_lead(app: Rows) -> None:
    tutor, one, other = add_tutor(app), add_client(app), add_client(app)
    for target, status in ((one, "ACTIVE"), (one, "ACTIVE"), (other, "ACTIVE"), (tutor, "ACTIVE")):
        connect_people(app, tutor, target, "AGENT_REFERRAL", status)
    for status in ("PENDING", "BLOCKED"):
        connect_people(app, tutor, add_client(app), "AGENT_REFERRAL", status)
    assert of(app, "network", tutor) == {"referral_count": 2}
    assert of(app, "network", one) == {"is_agent_referred": True}


def test_connections_are_the_distinct_others_in_either_direction(app: Rows) -> None:
    tutor, one, other, third = add_tutor(app), add_client(app), add_client(app), add_client(app)
    for source, target in ((tutor, one), (one, tutor), (tutor, one), (other, tutor), (tutor, tutor)):
        connect_people(app, source, target)
    connect_people(app, tutor, third, status="PENDING")
    connect_people(app, third, tutor, status="BLOCKED")
    connect_people(app, one, other)
    assert of(app, "network", tutor) == {"connection_count": 2}
    assert of(app, "network", third) == {}


@pytest.mark.parametrize("status", ["PENDING", "BLOCKED"])
def test_a_referral_counts_for_the_referred_only_while_it_is_active(app: Rows, status: str) -> None:
    agent, tutor = add_client(app), add_tutor(app)
    edge = connect_people(app, agent, tutor, "AGENT_REFERRAL", status)
    assert of(app, "network", tutor) == {}
    app.execute("update profile_graph set status = 'ACTIVE' where id = %s", (edge,))
    assert of(app, "network", tutor) == {"is_agent_referred": True}


def test_referring_oneself_is_no_referral(app: Rows) -> None:
    tutor = add_tutor(app)
    connect_people(app, tutor, tutor, "AGENT_REFERRAL")
    assert of(app, "network", tutor) == {}


@pytest.mark.parametrize("tool", ["google_calendar", "google_classroom"])
def test_a_tool_is_synced_while_one_of_its_links_is_active(app: Rows, tool: str) -> None:
    tutor = add_tutor(app)
    add(app, "student_integration_links", profile_id=add_client(app), integration_type=tool.upper())
    add(app, "student_integration_links", profile_id=tutor, integration_type=tool.upper(), is_active=False)
    assert of(app, "digital", tutor) == {}
    add(app, "student_integration_links", profile_id=tutor, integration_type=tool.upper())
    assert of(app, "digital", tutor) == {f"{tool}_synced": True}


def test_virtual_usage_is_the_share_of_completed_paid_sessions_with_a_recording(app: Rows) -> None:
    tutor, listing, other_listing = teacher(app)
    client = add_client(app)
    for columns in (URL, {}, {"recording_url": " "}, {"recording_url": "\t\n"}):
        add_booking(app, listing, client, **columns)
    add_booking(app, other_listing, client, **URL)
    for columns in (FREE, FREE | URL, URL | {"status": "Pending log"}, URL | {"status": "Cancelled"}):
        add_booking(app, listing, client, **columns)
    assert of(app, "digital", tutor) == {"virtual_usage_rate": Decimal("0.4")}


def test_profiles_of_one_batch_do_not_reach_into_each_other(app: Rows) -> None:
    client = add_client(app)
    tutors = [add_tutor(app) for _ in range(5)]
    for number, tutor in enumerate(tutors):
        listing = add_listing(app, tutor)
        for _ in range(number):
            add_booking(app, listing, client)
            add_review(app, client, tutor, number)
            connect_people(app, tutor, add_client(app))
    found = stats(app, "performance", tutors)
    assert [found[tutor]["completed_sessions"] for tutor in tutors] == [0, 1, 2, 3, 4]
    assert [found[tutor]["avg_rating"] for tutor in tutors] == [0, 1, 2, 3, 4]
    connections = stats(app, "network", tutors)
    assert [connections[tutor]["connection_count"] for tutor in tutors] == [0, 1, 2, 3, 4]


def teacher(app: Rows) -> tuple[UUID, UUID, UUID]:
    """A tutor with two listings."""
    tutor = add_tutor(app)
    return tutor, add_listing(app, tutor), add_listing(app, tutor)


READS = {
    "caas.performance_stats(array[gen_random_uuid()])": ["bookings", "listings", "profile_reviews"],
    "caas.network_stats(array[gen_random_uuid()])": ["profile_graph"],
    "caas.digital_stats(array[gen_random_uuid()])": ["bookings", "listings", "student_integration_links"],
    "caas.profile_facts(array[gen_random_uuid()])": ["profiles", "role_details"],
    "caas.get_performance_stats(gen_random_uuid())": ["bookings", "listings", "profile_reviews"],
    "caas.get_network_stats(gen_random_uuid())": ["profile_graph"],
    "caas.get_digital_stats(gen_random_uuid())": ["bookings", "listings", "student_integration_links"],
}


@pytest.mark.parametrize("call", READS)
def test_rows_that_row_level_security_would_hide_are_an_error_and_never_zeros(app: Rows, call: str) -> None:
    with plain_role(app) as role:
        app.execute(f"grant usage, create on schema caas to {role}")
        for table in READS[call]:
            app.execute(f"alter view caas.source_{table} owner to {role}")
            app.execute(f"select * from {call}")
            app.execute(f"alter table {table} enable row level security")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f'security policy for table "{table}"'):
                app.execute(f"select * from {call}")
            app.execute(f"alter table {table} disable row level security")
            app.execute(f"alter view caas.source_{table} owner to current_user")
