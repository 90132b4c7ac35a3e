"""Sessions over HTTP: bookings written for the application, under the role caas_sessions."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.rows import dict_row

from caas_worker.api.app import create
from caas_worker.api.service import Service
from caas_worker.db import Database
from caas_worker.sql import statements
from tests.people import Rows, add_booking, add_client, add_listing, add_tutor, forget_marks, marks
from tests.security.conftest import Login, login
from tests.service.conftest import WITH_KEY, MakeService, Together

__all__ = ["login"]

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
RESCHEDULED = {
    "initiator": "tutor",
    "original_time": "2026-03-02T10:00:00Z",
    "new_time": "2026-03-09T10:00:00Z",
    "reason": "ill",
    "reason_code": "ILLNESS",
    "cancelled_at": "2026-03-01T22:00:00+01:00",
}


class Town:
    """A tutor with a listing, and a student."""

    def __init__(self, app: Rows) -> None:
        self.tutor, self.student = add_tutor(app), add_client(app)
        self.listing = add_listing(app, self.tutor)

    def session(self, **changes: Any) -> dict[str, Any]:
        """A valid body; a value of ... leaves the field out."""
        body = {
            "session_id": str(uuid4()),
            "tutor_id": str(self.tutor),
            "student_id": str(self.student),
            "scheduled_start": "2026-03-02T10:00:00Z",
            "scheduled_end": "2026-03-02T11:00:00Z",
            "status": "completed",
        }
        return {name: value for name, value in (body | changes).items() if value is not ...}


@pytest.fixture
def town(app: Rows) -> Town:
    return Town(app)


def send(client: TestClient, body: Any, path: str = "/api/sessions") -> httpx.Response:
    """Post as JSON that may hold what JSON should not."""
    headers = {**WITH_KEY, "Content-Type": "application/json"}
    answer: httpx.Response = client.post(path, content=json.dumps(body), headers=headers)
    return answer


def complete(client: TestClient, session_id: Any, **body: Any) -> httpx.Response:
    return send(client, {"actual_start": "2026-03-02T10:00:00Z"} | body, f"/api/sessions/{session_id}/complete")


def refused(answer: httpx.Response, where: str | None = None, code: str = "INVALID_REQUEST") -> bool:
    """Whether it is a 400 with this code, about this part."""
    error = answer.json()["error"]
    places = [detail["where"] for detail in error["details"]]
    return (answer.status_code, error["code"]) == (400, code) and (where is None or where in places)


def booking(app: Rows, session_id: Any) -> dict[str, Any]:
    row = app.cursor(row_factory=dict_row).execute("select * from bookings where id = %s", (session_id,)).fetchone()
    assert row is not None
    return row


def count(app: Rows) -> tuple[Any, ...]:
    row = app.execute("select (select count(*) from bookings), (select count(*) from reschedules)").fetchone()
    assert row is not None
    return row


# New sessions


def test_a_session_becomes_a_booking(client: TestClient, app: Rows, town: Town) -> None:
    body = town.session(
        listing_id=str(town.listing), type="free_help", actual_start="2026-03-02T11:04:00+01:00",
        actual_end="2026-03-02T10:58:30.5Z", session_number=1, tech_issue=True, engagement_score=0.85,
        learning_objectives_met=False, recording_url="https://example.org/recording",
    )  # fmt: skip
    answer = send(client, body)
    assert answer.status_code == 202
    assert answer.json() == {"session_id": body["session_id"], "status": "accepted"}
    row = booking(app, body["session_id"])
    assert (row["listing_id"], row["client_id"], row["type"], row["status"]) == (
        town.listing, town.student, "free_help", "Completed",
    )  # fmt: skip
    assert (row["scheduled_start"], row["scheduled_end"]) == (START, START + timedelta(hours=1))
    assert row["actual_start"] == START + timedelta(minutes=4)
    assert row["actual_end"] == START + timedelta(minutes=58, seconds=30.5)
    assert (row["session_number"], row["tech_issue"], float(row["engagement_score"])) == (1, True, 0.85)
    assert (row["learning_objectives_met"], row["recording_url"]) == (False, "https://example.org/recording")
    assert (row["no_show_by"], row["cancelled_by"]) == (None, None)
    assert count(app) == (1, 0)


def test_what_is_not_said_is_not_known(client: TestClient, app: Rows, town: Town) -> None:
    body = town.session()
    assert send(client, body).status_code == 202
    row = booking(app, body["session_id"])
    assert row["tech_issue"] is False
    for name in ("type", "actual_start", "actual_end", "session_number", "engagement_score", "learning_objectives_met",
                 "recording_url", "no_show_by"):  # fmt: skip
        assert row[name] is None, name


def test_a_null_is_as_good_as_nothing(client: TestClient, town: Town) -> None:
    nulls = ("listing_id", "type", "actual_start", "actual_end", "no_show_by", "session_number", "engagement_score",
             "learning_objectives_met", "recording_url", "reschedule_info")  # fmt: skip
    assert send(client, town.session(**dict.fromkeys(nulls))).status_code == 202


@pytest.mark.parametrize(
    ("status", "stored"),
    [("completed", "Completed"), ("COMPLETED", "Completed"), ("No_Show", "No-show"), ("confirmed", "Confirmed"),
     ("Rescheduled", "Rescheduled")],
)  # fmt: skip
def test_states_in_any_letter_case(client: TestClient, app: Rows, town: Town, status: str, stored: str) -> None:
    body = town.session(status=status, reschedule_info=RESCHEDULED if stored == "Rescheduled" else ...)
    assert send(client, body).status_code == 202
    assert booking(app, body["session_id"])["status"] == stored


@pytest.mark.parametrize(("party", "stored"), [("tutor", "tutor"), ("student", "client"), (None, None)])
def test_who_stayed_away(client: TestClient, app: Rows, town: Town, party: str | None, stored: str | None) -> None:
    body = town.session(status="no_show", no_show_by=party)
    assert send(client, body).status_code == 202
    assert booking(app, body["session_id"])["no_show_by"] == stored


def test_a_rescheduled_session_says_how(client: TestClient, app: Rows, town: Town) -> None:
    body = town.session(status="rescheduled", reschedule_info=RESCHEDULED)
    assert send(client, body).status_code == 202
    rows = app.execute(
        "select booking_id, initiator, original_time, new_time, reason, reason_code, cancelled_at from reschedules"
    ).fetchall()
    cancelled_at = datetime(2026, 3, 1, 21, tzinfo=UTC)
    assert rows == [
        (UUID(body["session_id"]), "tutor", START, START + timedelta(days=7), "ill", "ILLNESS", cancelled_at)
    ]


def test_little_need_be_known_of_a_reschedule(client: TestClient, app: Rows, town: Town) -> None:
    info = {"initiator": "student", "original_time": "2026-03-02T10:00:00Z"}
    assert send(client, town.session(status="rescheduled", reschedule_info=info)).status_code == 202
    assert app.execute("select initiator, new_time, reason, cancelled_at from reschedules").fetchall() == [
        ("student", None, None, None)
    ]


def test_scores_follow(client: TestClient, app: Rows, town: Town) -> None:
    forget_marks(app)
    assert send(client, town.session(status="rescheduled", reschedule_info=RESCHEDULED)).status_code == 202
    assert town.listing in {mark[2] for mark in marks(app)}


def test_a_tutors_figures_follow(client: TestClient, town: Town, drain: Any) -> None:
    begun = datetime.now(UTC) - timedelta(days=8)
    for number in range(4):
        start = begun + timedelta(hours=2 * number)
        times = {"scheduled_start": start.isoformat(), "scheduled_end": (start + timedelta(hours=1)).isoformat()}
        is_moved = number == 0
        body = town.session(
            **times,
            status="rescheduled" if is_moved else "completed",
            reschedule_info={"initiator": "tutor", "original_time": start.isoformat()} if is_moved else ...,
        )
        assert send(client, body).status_code == 202
    drain()
    detail = client.get(f"/api/tutors/{town.tutor}", headers=WITH_KEY).json()
    assert (detail["reschedule_rate_7d"], detail["reschedule_rate_30d"], detail["is_high_risk"]) == (0.0, 25.0, True)
    assert (detail["sessions_completed_30d"], detail["ths"]) == (3, None)
    assert [one["time_window"] for one in detail["metrics"]] == ["7day", "30day", "90day"]
    history = client.get(f"/api/tutors/{town.tutor}/history", headers=WITH_KEY).json()
    assert sum(day["sessions"] for day in history["daily"]) == 4
    [first] = client.get("/api/risk-list", headers=WITH_KEY).json()["items"]
    assert first["profile_id"] == str(town.tutor)


def test_the_listing_with_the_smallest_id_is_the_default(client: TestClient, app: Rows, town: Town) -> None:
    add_listing(app, add_tutor(app))
    listings = sorted([town.listing, *(add_listing(app, town.tutor) for _ in range(4))])
    body = town.session()
    send(client, body)
    assert booking(app, body["session_id"])["listing_id"] == listings[0]
    body = town.session(listing_id=str(listings[3]).upper())
    send(client, body)
    assert booking(app, body["session_id"])["listing_id"] == listings[3]


def test_an_id_is_taken_once(client: TestClient, app: Rows, town: Town) -> None:
    body = town.session(status="rescheduled", reschedule_info=RESCHEDULED)
    assert send(client, body).status_code == 202
    before = booking(app, body["session_id"])
    assert refused(send(client, body), "body.session_id", "DUPLICATE_SESSION")
    again = town.session(session_id=body["session_id"].upper())
    assert refused(send(client, again), "body.session_id", "DUPLICATE_SESSION")
    assert booking(app, body["session_id"]) == before
    assert count(app) == (1, 1)


def test_of_many_with_one_id_at_once_one_is_taken(
    make_service: MakeService, together: Together, app: Rows, town: Town
) -> None:
    body = town.session(status="rescheduled", reschedule_info=RESCHEDULED)
    answers = together(
        make_service(),
        lambda caller: [caller.post("/api/sessions", json=body, headers=WITH_KEY) for _ in range(20)],
    )
    assert sorted(answer.status_code for answer in answers) == [202] + [400] * 19
    assert count(app) == (1, 1)


def test_who_or_what_is_unknown_is_400(client: TestClient, app: Rows, town: Town) -> None:
    foreign, no_tutor = add_listing(app, add_tutor(app)), add_client(app)
    for field, value in (
        ("tutor_id", uuid4()), ("tutor_id", no_tutor), ("student_id", uuid4()), ("listing_id", uuid4()),
        ("listing_id", foreign),
    ):  # fmt: skip
        assert refused(send(client, town.session(**{field: str(value)})), f"body.{field}"), field
    assert count(app) == (0, 0)


FIELD = "body.{}"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        *(
            ({name: ...}, name)
            for name in ("session_id", "tutor_id", "student_id", "scheduled_start", "scheduled_end", "status")
        ),
        *(({name: value}, name) for name in ("session_id", "tutor_id", "student_id", "listing_id")
          for value in ("1", "", uuid4().hex, f"{uuid4()}\0", 7)),
        *(({name: value}, name) for name in ("scheduled_start", "scheduled_end", "actual_start", "actual_end")
          for value in ("", "soon", "2026-03-02", "2026-03-02T10:00:00", 1772445600, "1772445600", True,
                        "2026-02-30T10:00:00Z", "2026-03-02T25:00:00Z", "0000-03-02T10:00:00Z",
                        "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "3000-01-01T00:00:00Z",
                        "9999-12-31T23:59:59-12:00", "99999-01-01T00:00:00Z", "-0044-03-15T00:00:00Z", "infinity")),
        *(({"status": value}, "status") for value in ("", "cancelled", "pending", "no-show", None, 1, "completed\0")),
        *(({"type": value}, "type") for value in ("", "free", "PAID", 1)),
        *(({"no_show_by": value, "status": "no_show"}, "no_show_by") for value in ("client", "", "Tutor")),
        *(({"session_number": value}, "session_number") for value in (0, -1, 1.5, "1", True, 2**31)),
        *(({"tech_issue": value}, "tech_issue") for value in ("true", 1, None)),
        *(({"engagement_score": value}, "engagement_score") for value in (-0.01, 1.01, "1", True, float("nan"))),
        *(({"learning_objectives_met": value}, "learning_objectives_met") for value in ("yes", 0)),
        *(({"recording_url": value}, "recording_url") for value in ("", "a\0b", "\ud800", "x" * 2001, 1)),
        ({"cancelled_by": "tutor"}, "cancelled_by"),
    ],
)  # fmt: skip
def test_what_is_not_as_documented_is_400(
    client: TestClient, app: Rows, town: Town, changes: dict[str, Any], where: str
) -> None:
    assert refused(send(client, town.session(**changes)), FIELD.format(where))
    assert count(app) == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"scheduled_end": "2026-03-02T10:00:00Z"},
        {"scheduled_end": "2026-03-02T11:00:00+02:00"},
        {"actual_start": "2026-03-02T10:00:00Z", "actual_end": "2026-03-02T10:00:00Z"},
        {"status": "rescheduled"},
        {"status": "rescheduled", "reschedule_info": None},
        {"reschedule_info": RESCHEDULED},
        {"status": "confirmed", "reschedule_info": RESCHEDULED},
        {"no_show_by": "tutor"},
        {"\ud800": 1},
        {"status": "rescheduled", "reschedule_info": {}},
        *(
            {"status": "rescheduled", "reschedule_info": RESCHEDULED | changes}
            for changes in (
                {"initiator": "client"}, {"initiator": None}, {"original_time": None}, {"original_time": "soon"},
                {"new_time": 5}, {"cancelled_at": "2026-03-02"}, {"reason": "a\0"}, {"reason": "a" * 2001},
                {"reason_code": ""}, {"reason_code": "a" * 101}, {"reason_code": "\udfff"}, {"by": "tutor"},
            )
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_400(client: TestClient, app: Rows, town: Town, changes: dict[str, Any]) -> None:
    assert refused(send(client, town.session(**changes)))
    assert count(app) == (0, 0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 60_000, b'{"a": NaN}'])
def test_what_is_no_body_is_400(client: TestClient, content: bytes) -> None:
    headers = {**WITH_KEY, "Content-Type": "application/json"}
    assert refused(client.post("/api/sessions", content=content, headers=headers))


def test_both_sides_of_the_limits(client: TestClient, town: Town) -> None:
    for changes in (
        {"session_number": 1}, {"session_number": 2**31 - 1}, {"session_number": 2.0}, {"engagement_score": 0},
        {"engagement_score": 1}, {"recording_url": "ü" * 2000}, {"scheduled_start": "1970-01-01T00:00:00Z"},
        {"scheduled_end": "2999-12-31T23:59:59-12:00"}, {"scheduled_end": "2026-03-02T10:00:00.000001Z"},
    ):  # fmt: skip
        assert send(client, town.session(**changes)).status_code == 202, changes


def test_what_is_sql_is_only_text(client: TestClient, app: Rows, town: Town) -> None:
    text = "'); drop table bookings; -- %s %(x)s \\ $1"
    body = town.session(
        status="rescheduled", reschedule_info=RESCHEDULED | {"reason": text}, recording_url=text
    )  # fmt: skip
    assert send(client, body).status_code == 202
    assert booking(app, body["session_id"])["recording_url"] == text
    assert app.execute("select reason from reschedules").fetchall() == [(text,)]


def test_what_the_applications_tables_refuse_is_400(client: TestClient, app: Rows, town: Town) -> None:
    app.execute("alter table bookings add constraint short check (length(recording_url) < 100)")
    assert refused(send(client, town.session(recording_url="x" * 200)))
    app.execute("alter table reschedules add constraint reasoned check (reason <> '')")
    body = town.session(status="rescheduled", reschedule_info=RESCHEDULED | {"reason": ""})
    assert refused(send(client, body))
    assert count(app) == (0, 0)


# Completed sessions


@pytest.mark.parametrize("status", ["Pending", "Confirmed", "Pending log"])
def test_a_session_is_completed(client: TestClient, app: Rows, town: Town, status: str) -> None:
    session = add_booking(app, town.listing, town.student, status, scheduled_start=START, recording_url="old")
    answer = complete(
        client, session, actual_end="2026-03-02T10:55:00Z", engagement_score=0.1, learning_objectives_met=True,
        tech_issue=True,
    )  # fmt: skip
    assert answer.status_code == 202
    assert answer.json() == {"session_id": str(session), "status": "accepted"}
    row = booking(app, session)
    assert (row["status"], row["actual_start"], row["actual_end"]) == (
        "Completed", START, START + timedelta(minutes=55),
    )  # fmt: skip
    assert (float(row["engagement_score"]), row["learning_objectives_met"], row["tech_issue"]) == (0.1, True, True)
    assert row["recording_url"] == "old"
    assert row["updated_at"] > row["created_at"]


def test_completing_again_is_the_same(client: TestClient, app: Rows, town: Town) -> None:
    session = add_booking(app, town.listing, town.student, "Confirmed", scheduled_start=START)
    told: dict[str, Any] = {
        "actual_end": "2026-03-02T11:00:00Z", "engagement_score": 0.7, "learning_objectives_met": False,
        "tech_issue": True, "recording_url": "https://example.org/r",
    }  # fmt: skip
    assert complete(client, session, **told).status_code == 202
    before = booking(app, session)
    forget_marks(app)
    assert complete(client, session, **told).status_code == 202
    assert complete(client, session).status_code == 202
    assert complete(client, session, actual_start="2026-03-02T12:00:00+02:00").status_code == 202
    assert booking(app, session) == before
    assert marks(app) == []


def test_what_was_not_known_is_added_and_what_was_stays(client: TestClient, app: Rows, town: Town) -> None:
    session = add_booking(app, town.listing, town.student, "Completed", scheduled_start=START)
    assert complete(client, session).status_code == 202
    assert complete(client, session, engagement_score=0.5).status_code == 202
    assert complete(client, session, tech_issue=True, actual_end="2026-03-02T11:00:00Z").status_code == 202
    before = booking(app, session)
    for change in (
        {"engagement_score": 0.6}, {"actual_start": "2026-03-02T10:01:00Z"}, {"tech_issue": False},
        {"actual_end": "2026-03-02T11:01:00Z", "recording_url": "https://example.org/r"},
    ):  # fmt: skip
        assert refused(complete(client, session, **change), code="SESSION_COMPLETED"), change
    assert booking(app, session) == before


@pytest.mark.parametrize("status", ["Cancelled", "Rescheduled", "No-show"])
def test_a_session_that_ended_otherwise_is_not_completed(
    client: TestClient, app: Rows, town: Town, status: str
) -> None:
    session = add_booking(app, town.listing, town.student, status)
    before = booking(app, session)
    assert refused(complete(client, session), code="SESSION_ENDED")
    assert booking(app, session) == before


def test_an_unknown_session_is_404(client: TestClient) -> None:
    answer = complete(client, uuid4())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SESSION_NOT_FOUND")


def test_a_session_ends_after_it_began(client: TestClient, app: Rows, town: Town) -> None:
    session = add_booking(app, town.listing, town.student, "Confirmed", actual_end=START)
    assert refused(complete(client, session), "body.actual_end")
    assert refused(complete(client, session, actual_end="2026-03-02T10:00:00Z"))
    assert booking(app, session)["status"] == "Confirmed"
    assert complete(client, session, actual_end="2026-03-02T10:00:01Z").status_code == 202


@pytest.mark.parametrize(
    "body",
    [{"actual_start": None}, {"actual_start": "2026-03-02T10:00:00"}, {"engagement_score": 1.1}, {"tech_issue": 1},
     {"recording_url": ""}, {"recording_url": "\0"}, {"learning_objectives_met": "yes"}, {"status": "Completed"}],
)  # fmt: skip
def test_a_completion_that_is_none_is_400(client: TestClient, app: Rows, town: Town, body: dict[str, Any]) -> None:
    session = add_booking(app, town.listing, town.student, "Confirmed")
    assert refused(complete(client, session, **body), FIELD.format(*body))
    assert booking(app, session)["status"] == "Confirmed"


@pytest.mark.parametrize("written", ["1", uuid4().hex, f"{uuid4()}'", "%00"])
def test_what_is_no_uuid_is_400(client: TestClient, written: str) -> None:
    assert refused(complete(client, written), "path.session_id")


# Keys, roles, and a database that is away


def test_sessions_need_the_key(client: TestClient, app: Rows, town: Town) -> None:
    for headers in ({}, {"X-API-Key": "another-key-that-is-long"}):
        for path in ("/api/sessions", f"/api/sessions/{uuid4()}/complete"):
            answer = client.post(path, json=town.session(), headers=headers)
            assert answer.status_code == 401
    assert count(app) == (0, 0)


def test_without_a_key_sessions_are_closed(make_service: MakeService, app: Rows, town: Town) -> None:
    with TestClient(create(make_service(api_key=None))) as client:
        for answer in (send(client, town.session()), complete(client, uuid4())):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "KEY_NOT_SET")
    assert count(app) == (0, 0)


def closed(client: TestClient, body: Any) -> None:
    """Both routes say what is to be done."""
    for answer in (send(client, body), complete(client, uuid4())):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "SESSIONS_NOT_GRANTED")
        assert "migrate up" in error["message"]
        assert "grant caas_sessions" in error["message"]


def test_a_login_that_is_no_member_is_told_what_to_grant(
    make_service: MakeService, app: Rows, login: Login, town: Town, logged: Any
) -> None:
    conninfo = login()
    user = psycopg.conninfo.conninfo_to_dict(conninfo)["user"]
    service = make_service()
    with Database(conninfo) as db, TestClient(create(Service(service.settings, db, service.strategies))) as client:
        closed(client, town.session())
        assert f'grant caas_sessions to \\"{user}\\"' in logged()
        app.execute(f'grant caas_sessions to "{user}"')
        assert send(client, town.session()).status_code == 202
    assert count(app) == (1, 0)


def test_a_missing_role_is_told(client: TestClient, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = statements("sessions")
    monkeypatch.setitem(queries, "write_for_the_application", b"set local role caas_there_is_no_such_role")
    closed(client, town.session())


def test_missing_grants_are_told(client: TestClient, app: Rows, town: Town) -> None:
    app.execute("revoke all on bookings from caas_sessions")
    app.execute("revoke all (id, status, actual_start) on bookings from caas_sessions")
    closed(client, town.session())
    assert count(app) == (0, 0)


def test_the_next_transaction_is_the_workers_own_again(
    make_service: MakeService, together: Together, app: Rows, town: Town, db: Database
) -> None:
    service = make_service()
    bodies = [town.session() for _ in range(8)]
    together(service, lambda caller: [caller.post("/api/sessions", json=body, headers=WITH_KEY) for body in bodies])
    assert db.look(b"select current_user = session_user as own", {}) == [{"own": True}]
    assert count(app) == (8, 0)


def test_a_table_that_the_application_holds_is_503_and_writes_nothing(
    make_service: MakeService, app: Rows, connect: Any, town: Town, url: str
) -> None:
    service = make_service()
    holder = connect(autocommit=False)
    holder.execute("lock table bookings in access exclusive mode")
    with (
        Database(url, statement_timeout=1) as db,
        TestClient(create(Service(service.settings, db, service.strategies))) as client,
    ):
        for answer in (send(client, town.session()), complete(client, uuid4())):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DATABASE_ERROR")
    holder.rollback()
    assert count(app) == (0, 0)
