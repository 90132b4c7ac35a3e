"""Tutors over HTTP: lists, one by one, history, alerts; to callers with the API key."""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from caas_worker import tutors
from caas_worker.api.app import create
from caas_worker.db import Database
from caas_worker.errors import DatabaseUnavailable, SettingsError
from tests.people import Rows, add_tutor
from tests.service.conftest import (
    API_KEY,
    BEARER,
    KEY,
    OLD_API_KEY,
    PUBLISHED_AT,
    WITH_KEY,
    MakeService,
    insert,
    publish_metrics,
    publish_score,
    publish_tutor,
    raise_alert,
)

A_TUTOR = "/api/tutors/{profile_id}"
OF_A_TUTOR = (A_TUTOR, *(f"{A_TUTOR}/{part}" for part in ("history", "metrics", "scores", "alerts", "summary")))
ROUTES = ("/api/tutors", "/api/risk-list", *OF_A_TUTOR)
ALERT_ROUTES = ("/api/alerts/{alert_id}/acknowledge", "/api/alerts/{alert_id}/resolve")


def ask(client: TestClient, path: str, **query: Any) -> Any:
    """The body of an answer that is 200."""
    answer = client.get(path, params=query, headers=WITH_KEY)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(client: TestClient, **query: Any) -> list[UUID]:
    """Whom a list shows."""
    return [UUID(item["profile_id"]) for item in ask(client, "/api/tutors", **query)["items"]]


def post(client: TestClient, path: str, body: Any) -> httpx.Response:
    answer: httpx.Response = client.post(
        path, content=json.dumps(body), headers={**WITH_KEY, "Content-Type": "application/json"}
    )
    return answer


# Keys


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("key", [None, "", "another-key-that-is-long", API_KEY[:-1], KEY, f"{OLD_API_KEY},{API_KEY}"])
def test_a_wrong_key_is_401(client: TestClient, app: Rows, path: str, key: str | None) -> None:
    headers = {} if key is None else {"X-API-Key": key}
    answer = client.get(path.format(profile_id=publish_tutor(app)), headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"
    assert answer.headers["WWW-Authenticate"] == 'ApiKey header="X-API-Key"'


def test_the_worker_key_is_another(client: TestClient) -> None:
    assert client.get("/api/tutors", headers=BEARER).status_code == 401
    assert client.get("/api/caas/worker/status", headers=WITH_KEY).status_code == 401
    assert client.get("/api/caas/worker/status").headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("key", [API_KEY, OLD_API_KEY])
def test_every_key_of_several_opens(client: TestClient, app: Rows, key: str) -> None:
    tutor = publish_tutor(app)
    for path in ROUTES:
        assert client.get(path.format(profile_id=tutor), headers={"X-API-Key": key}).status_code == 200


@pytest.mark.parametrize("unset", [None, SecretStr(""), SecretStr(" , ")])
def test_without_a_key_the_routes_are_closed(make_service: MakeService, unset: SecretStr | None) -> None:
    with TestClient(create(make_service(api_key=unset))) as client:
        for path in ROUTES:
            answer = client.get(path.format(profile_id=uuid4()), headers=WITH_KEY)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "KEY_NOT_SET")
            assert "CAAS_API_KEY" in answer.json()["error"]["message"]
        for path in ALERT_ROUTES:
            answer = post(client, path.format(alert_id=uuid4()), {"actor": "Ann"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "KEY_NOT_SET")


def test_a_short_key_is_refused(make_service: MakeService) -> None:
    with pytest.raises(SettingsError, match="CAAS_API_KEY"):
        make_service(api_key=SecretStr("short"))


# Lists


def test_an_empty_database_lists_nobody(client: TestClient) -> None:
    assert ask(client, "/api/tutors") == {"items": [], "total": 0, "limit": 100, "offset": 0}
    assert ask(client, "/api/risk-list") == {"items": [], "total": 0, "limit": 100, "offset": 0}


def test_an_item_has_the_newest_of_everything(client: TestClient, app: Rows, drain: Any) -> None:
    tutor = add_tutor(app)
    drain()
    app.execute("delete from caas.tutor_scores; delete from caas.tutor_performance_metrics")
    publish_tutor(app, tutor, rate=21.43, ths=54.99, tcrs=0.601)
    publish_metrics(app, tutor, "30day", "2026-03-01", sessions_completed=9, avg_rating=3, performance_tier="At Risk")
    publish_metrics(app, tutor, "30day", "2026-03-02", sessions_completed=8, avg_rating=4.25, performance_tier="Strong")
    publish_metrics(app, tutor, "7day", "2026-03-03", sessions_completed=1)
    raise_alert(app, tutor)
    raise_alert(app, tutor, "poor_first_session", status="acknowledged")
    raise_alert(app, tutor, "high_reliability_risk", status="resolved", resolved_at=PUBLISHED_AT)
    [item] = ask(client, "/api/tutors")["items"]
    assert item == {
        "profile_id": str(tutor), "is_high_risk": True, "risk_level": "high", "reschedule_rate_7d": 21.43,
        "reschedule_rate_30d": 21.43, "reschedule_rate_90d": 21.43, "threshold": 15.0, "performance_tier": "Strong",
        "ths": 54.99, "tcrs": 0.601, "active_alerts": 2, "sessions_completed_30d": 8, "avg_rating_30d": 4.25,
        "total_score": 32, "calculated_at": item["calculated_at"],
    }  # fmt: skip
    assert datetime.fromisoformat(item["calculated_at"]) == PUBLISHED_AT


def test_a_zero_is_a_zero_and_nothing_is_null(client: TestClient, app: Rows) -> None:
    publish_tutor(app, rate=0.0, tcrs=0.0)
    answer = client.get("/api/tutors", headers=WITH_KEY)
    [item] = answer.json()["items"]
    assert (item["reschedule_rate_30d"], item["tcrs"], item["active_alerts"]) == (0.0, 0.0, 0)
    assert '"reschedule_rate_30d":0.0,' in answer.text
    assert '"tcrs":0.0,' in answer.text
    for absent in ("ths", "performance_tier", "sessions_completed_30d", "avg_rating_30d", "total_score"):
        assert item[absent] is None, absent


def test_names_and_addresses_are_nobodys(client: TestClient, app: Rows) -> None:
    tutor = publish_tutor(app, add_tutor(app, display_name="Ann Example", email="ann@example.org"))
    for path in ROUTES:
        text = client.get(path.format(profile_id=tutor), headers=WITH_KEY).text
        assert "Ann" not in text
        assert "example.org" not in text
    assert ids(client, search="Ann") == []


def test_risk_status_filters(client: TestClient, app: Rows) -> None:
    at_15, above = publish_tutor(app, rate=15.0), publish_tutor(app, rate=15.01)
    unsaid = uuid4()
    publish_score(app, unsaid, "reschedule_risk", 0)
    assert set(ids(client)) == set(ids(client, risk_status="all")) == {at_15, above, unsaid}
    assert ids(client, risk_status="high_risk") == [above]
    assert set(ids(client, risk_status="low_risk")) == {at_15, unsaid}
    assert ask(client, "/api/tutors", risk_status="high_risk")["total"] == 1


def test_search_is_by_the_beginning_of_the_id(client: TestClient, app: Rows) -> None:
    one = publish_tutor(app, UUID("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"))
    other = publish_tutor(app, UUID("0a1b2c3d-4e5f-ffff-ffff-ffffffffffff"))
    last = publish_tutor(app, UUID("ffffffff-ffff-ffff-ffff-ffffffffffff"))
    assert ids(client, search="0a1b", sort_by="profile_id", sort_order="asc") == [one, other]
    assert ids(client, search=" 0A1B2C3D-4e5f-f ") == [other]
    assert ids(client, search="0a1b2c3d4e5f6") == [one]
    assert ids(client, search=str(one)) == [one]
    assert ids(client, search="f") == [last]
    assert len(ids(client, search="")) == 3
    assert ask(client, "/api/tutors", search="0a1b")["total"] == 2
    for nobody in ("1", f"{one}0", "0a1b%", "_", "ü", "0a1b\0", "\u0660"):
        assert ask(client, "/api/tutors", search=nobody)["total"] == 0, nobody


INJECTIONS = (
    "' or true --",
    "'; drop table caas.tutor_scores; --",
    "0' or '1'='1",
    "%(first)s",
    "%s",
    "\\",
    "$$",
    "0a%27",
)


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_is_sql_is_only_text(client: TestClient, app: Rows, text: str) -> None:
    publish_tutor(app)
    assert ask(client, "/api/tutors", search=text)["total"] == 0
    for parameter in ("sort_by", "sort_order", "risk_status", "limit", "offset"):
        answer = client.get("/api/tutors", params={parameter: text}, headers=WITH_KEY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
        assert answer.json()["error"]["details"][0]["where"] == f"query.{parameter}"
    assert len(ids(client)) == 1


SORTED: dict[str, tuple[Any, ...]] = {
    "is_high_risk": (False, True),
    "risk_level": ("low", "medium", "high"),
    "reschedule_rate_7d": (0.0, 9.99, 10.0, 100.0),
    "reschedule_rate_30d": (0.0, 9.99, 10.0, 100.0),
    "reschedule_rate_90d": (0.0, 9.99, 10.0, 100.0),
    "threshold": (5.0, 15.0, None),
    "performance_tier": ("Exemplary", "Strong", "Developing", "Needs Attention", "At Risk", None),
    "ths": (0.0, 9.0, 10.0, 100.0, None),
    "tcrs": (0.0, 0.09, 0.1, 1.0, None),
    "active_alerts": (0, 1, 3),
    "sessions_completed_30d": (0, 9, 10, None),
    "avg_rating_30d": (1.0, 4.25, 4.5, None),
    "total_score": (0, 9, 10, 100, None),
}
"""Values of each field in ascending order, the missing one last."""


@pytest.mark.parametrize("field", SORTED)
@pytest.mark.parametrize("newest_day_is_everyones", [True, False])
def test_lists_are_sorted_by_every_field(
    client: TestClient, app: Rows, field: str, newest_day_is_everyones: bool
) -> None:
    values = SORTED[field]
    shuffled = [*values, *values]
    random.Random(field).shuffle(shuffled)
    for number, value in enumerate(shuffled):
        tutor = uuid4()
        level = value if field == "risk_level" else "low"
        components = {field: value} if field.startswith(("resch", "thresh", "is_")) and value is not None else {}
        publish_score(app, tutor, "reschedule_risk", 0, level=level, components=components)
        if field in ("ths", "tcrs"):
            publish_score(app, tutor, field, value)
        if field == "active_alerts":
            for kind in ("poor_first_session", "high_reliability_risk", "churn_risk")[:value]:
                raise_alert(app, tutor, kind)
        if field == "total_score" and value is not None:
            insert(
                app, "scores", profile_id=tutor, role_type="TUTOR", total_score=value, score_breakdown={},
                score_inputs={}, calculation_version="v", gate_failed=False, calculated_at=PUBLISHED_AT,
                source_changed_at=PUBLISHED_AT, generation=1,
            )  # fmt: skip
        if field in ("performance_tier", "sessions_completed_30d", "avg_rating_30d") and value is not None:
            day = "2026-03-02" if newest_day_is_everyones or number % 2 else "2026-02-27"
            publish_metrics(app, tutor, "30day", "2026-02-01", sessions_completed=5, performance_tier="Developing")
            publish_metrics(app, tutor, "30day", day, **{field.removesuffix("_30d"): value})
    ascending = [value for value in values if value is not None for _ in range(2)]
    missing = [None] * (len(shuffled) - len(ascending))

    def shown(order: str) -> list[Any]:
        items = ask(client, "/api/tutors", sort_by=field, sort_order=order)["items"]
        pairs = [(item[field], item["profile_id"]) for item in items]
        for one, other in itertools.pairwise(pairs):
            assert one[0] != other[0] or one[1] < other[1]  # the same value: by id
        return [value for value, _ in pairs]

    assert shown("asc") == ascending + missing
    assert shown("desc") == ascending[::-1] + missing


def test_lists_are_sorted_by_id_and_time(client: TestClient, app: Rows) -> None:
    made = [uuid4() for _ in range(5)]
    for number, tutor in enumerate(made):
        publish_score(app, tutor, "reschedule_risk", 0, calculated_at=PUBLISHED_AT + timedelta(microseconds=number))
    assert ids(client, sort_by="profile_id", sort_order="asc") == sorted(made)
    assert ids(client, sort_by="profile_id", sort_order="desc") == sorted(made, reverse=True)
    assert ids(client, sort_by="calculated_at", sort_order="asc") == made
    assert ids(client, sort_by="calculated_at") == made[::-1]


def test_the_highest_rate_of_30_days_comes_first(client: TestClient, app: Rows) -> None:
    rates = [3.0, 50.0, 0.0]
    made = [publish_tutor(app, rate=rate) for rate in rates]
    assert ids(client) == [made[1], made[0], made[2]]


def test_every_sort_is_documented(client: TestClient) -> None:
    parameters = client.get("/openapi.json").json()["paths"]["/api/tutors"]["get"]["parameters"]
    [sort_by] = [one["schema"] for one in parameters if one["name"] == "sort_by"]
    assert sort_by["enum"] == ["profile_id", *SORTED, "calculated_at"]
    assert sort_by["default"] == "reschedule_rate_30d"


def test_pages_are_parts_of_one_list(client: TestClient, app: Rows) -> None:
    for _ in range(7):
        publish_tutor(app, rate=random.choice([0.0, 10.0, 20.0]))
    for path in ("/api/tutors", "/api/risk-list"):
        whole = ask(client, path)["items"]
        parts = [ask(client, path, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        assert [item for part in parts for item in part["items"]] == whole
        assert {part["total"] for part in parts} == {7}
        assert (parts[1]["limit"], parts[1]["offset"]) == (3, 3)


@pytest.mark.parametrize("path", ["/api/tutors", "/api/risk-list"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 1}, 200),
        ({"limit": 1000}, 200),
        ({"offset": 0}, 200),
        ({"offset": 1_000_000_000}, 200),
        ({"limit": 1000, "offset": 1_000_000_000}, 200),
        ({"limit": 0}, 400),
        ({"limit": 1001}, 400),
        ({"limit": -1}, 400),
        ({"limit": "many"}, 400),
        ({"limit": "1.5"}, 400),
        ({"limit": ""}, 400),
        ({"offset": -1}, 400),
        ({"offset": 1_000_000_001}, 400),
        ({"offset": 10**30}, 400),
    ],
)
def test_both_sides_of_the_limits(client: TestClient, app: Rows, path: str, query: dict[str, Any], status: int) -> None:
    publish_tutor(app)
    answer = client.get(path, params=query, headers=WITH_KEY)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize("query", [{"search": "a" * 101}, {"sort_by": "display_name"}, {"sort_order": "up"},
                                   {"risk_status": "HIGH"}, {"sort_by": ""}])  # fmt: skip
def test_a_list_that_is_none_is_400(client: TestClient, query: dict[str, str]) -> None:
    assert client.get("/api/tutors", params=query, headers=WITH_KEY).status_code == 400


# The risk list


def first_session(app: Rows, tutor: UUID, value: float, starts_at: datetime = PUBLISHED_AT, **columns: Any) -> None:
    row = {"booking_id": uuid4(), "score_type": "fsrs", "level": "stable", "components": {}, "version": "v"} | columns
    insert(app, "session_scores", profile_id=tutor, value=value, starts_at=starts_at, calculated_at=PUBLISHED_AT, **row)


def test_the_risk_list_adds_its_parts(client: TestClient, app: Rows) -> None:
    nothing = publish_tutor(app)
    steady = publish_tutor(app, ths=100.0, tcrs=0.0)
    first_session(app, steady, 0)
    worst = publish_tutor(app, ths=0.0, tcrs=1.0)
    first_session(app, worst, 120)
    raise_alert(app, worst)
    raise_alert(app, worst, "poor_first_session", status="acknowledged")
    raise_alert(app, worst, "high_reliability_risk", status="resolved", resolved_at=PUBLISHED_AT)
    some = publish_tutor(app, ths=70.5, tcrs=0.123)
    first_session(app, some, 45)
    body = ask(client, "/api/risk-list")
    assert body["items"] == [
        {"profile_id": str(worst), "fsrs": 120.0, "ths": 0.0, "tcrs": 1.0, "active_alerts": 2, "risk": 360.0},
        {"profile_id": str(nothing), "fsrs": None, "ths": None, "tcrs": None, "active_alerts": 0, "risk": 105.0},
        {"profile_id": str(some), "fsrs": 45.0, "ths": 70.5, "tcrs": 0.123, "active_alerts": 0, "risk": 86.8},
        {"profile_id": str(steady), "fsrs": 0.0, "ths": 100.0, "tcrs": 0.0, "active_alerts": 0, "risk": 0.0},
    ]
    assert body["total"] == 4


def test_the_newest_first_session_counts(client: TestClient, app: Rows) -> None:
    tutor = publish_tutor(app)
    first, last = sorted([uuid4(), uuid4()])
    first_session(app, tutor, 10, PUBLISHED_AT - timedelta(days=1))
    first_session(app, tutor, 20, PUBLISHED_AT, booking_id=first)
    first_session(app, tutor, 25, PUBLISHED_AT, booking_id=last)
    first_session(app, tutor, 99, PUBLISHED_AT + timedelta(days=1), score_type="sqs")
    first_session(app, uuid4(), 120, PUBLISHED_AT + timedelta(days=1))
    [item] = ask(client, "/api/risk-list")["items"]
    assert item["fsrs"] == 25.0


def test_the_risk_list_has_every_place_right(client: TestClient, app: Rows) -> None:
    """First sessions are looked for among few only: nobody may be missing for that."""
    chance = random.Random(10)
    expected = []
    for _ in range(150):
        ths, tcrs = (chance.choice([None, 0.0, 50.0, 95.0, 100.0]), chance.choice([None, 0.0, 0.3, 1.0]))
        fsrs, alerts = chance.choice([None, 0, 30, 75, 120]), chance.choice([0, 0, 0, 1, 3])
        tutor = publish_tutor(app, ths=ths, tcrs=tcrs)
        if fsrs is not None:
            first_session(app, tutor, fsrs)
        for kind in ("poor_first_session", "high_reliability_risk", "churn_risk")[:alerts]:
            raise_alert(app, tutor, kind)
        health = 100 - (65 if ths is None else ths)
        risk = (30 if fsrs is None else fsrs) + health + 100 * (0.4 if tcrs is None else tcrs) + 20 * alerts
        expected.append((-risk, str(tutor)))
    expected.sort()
    for limit, offset in ((1, 0), (10, 0), (10, 5), (25, 100), (150, 0), (1000, 0), (10, 145)):
        items = ask(client, "/api/risk-list", limit=limit, offset=offset)["items"]
        assert [(-item["risk"], item["profile_id"]) for item in items] == expected[offset : offset + limit]


# One tutor


@pytest.mark.parametrize("path", OF_A_TUTOR)
@pytest.mark.parametrize("written", ["1", uuid4().hex, f"{uuid4()}0", "%00", "ü", f"{uuid4()}'"])
def test_what_is_no_uuid_is_400(client: TestClient, path: str, written: str) -> None:
    answer = client.get(path.format(profile_id=written), headers=WITH_KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert answer.json()["error"]["details"][0]["where"] == "path.profile_id"


@pytest.mark.parametrize("path", OF_A_TUTOR)
def test_an_unknown_tutor_is_404(client: TestClient, app: Rows, path: str) -> None:
    publish_tutor(app)
    for unknown in (uuid4(), add_tutor(app)):  # of the second nothing is computed yet
        answer = client.get(path.format(profile_id=unknown), headers=WITH_KEY)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "TUTOR_NOT_FOUND"
        assert str(unknown) in answer.json()["error"]["message"]


def test_a_tutor_of_whom_little_is_known(client: TestClient, app: Rows) -> None:
    tutor = publish_tutor(app)
    detail = ask(client, f"/api/tutors/{tutor}")
    assert detail == {
        **ask(client, "/api/tutors")["items"][0],
        "scores": ask(client, f"/api/tutors/{tutor}/scores")["scores"],
        "metrics": [],
        "alerts": [],
        "summary": None,
    }
    assert [score["score_type"] for score in detail["scores"]] == ["ths", "tcrs", "reschedule_risk"]
    assert ask(client, f"/api/tutors/{tutor}/metrics") == {"profile_id": str(tutor), "metrics": []}
    assert ask(client, f"/api/tutors/{tutor}/alerts") == {"profile_id": str(tutor), "alerts": []}
    assert ask(client, f"/api/tutors/{tutor}/summary") == {
        "profile_id": str(tutor), "trend": "insufficient_data", "average_sqs": None, "summary": None,
        "what_went_well": None, "improvement_suggestion": None, "calculated_at": None,
    }  # fmt: skip
    assert ask(client, f"/api/tutors/{tutor}/history") == {
        "profile_id": str(tutor), "days": 90, "weeks": [], "daily": [],
    }  # fmt: skip


def test_the_detail_has_all_that_the_other_routes_say(client: TestClient, app: Rows) -> None:
    tutor, other = publish_tutor(app, rate=12.5, ths=80.0, tcrs=0.25), publish_tutor(app)
    for one in (tutor, other):
        for window in tutors.WINDOWS:
            publish_metrics(app, one, window, "2026-03-02", flags={"red": ["no_show_count"]}, avg_rating=4)
        raise_alert(app, one)
        insert(
            app, "tutor_performance_summaries", profile_id=one, trend="improving", average_sqs=91.5, summary="Calm.",
            what_went_well="Sessions begin on time.", improvement_suggestion="Ask more.", calculated_at=PUBLISHED_AT,
        )  # fmt: skip
    detail = ask(client, f"/api/tutors/{str(tutor).upper()}")
    for part in ("scores", "metrics", "alerts"):
        assert detail[part] == ask(client, f"/api/tutors/{tutor}/{part}")[part] != []
    assert detail["summary"] == ask(client, f"/api/tutors/{tutor}/summary")
    assert detail["summary"]["average_sqs"] == 91.5
    assert detail["metrics"][0]["flags"] == {"red": ["no_show_count"]}
    assert detail["scores"][2]["components"]["reschedule_rate_7d"] == 12.5
    assert {alert["profile_id"] for alert in detail["alerts"]} == {str(tutor)}


def test_metrics_are_of_the_newest_day_of_each_window(client: TestClient, app: Rows) -> None:
    tutor = publish_tutor(app)
    publish_metrics(app, tutor, "7day", "2026-03-01", sessions_completed=1)
    publish_metrics(app, tutor, "7day", "2026-03-02", sessions_completed=2, reschedule_rate=0)
    publish_metrics(app, tutor, "90day", "2026-02-28", sessions_completed=3)
    metrics = ask(client, f"/api/tutors/{tutor}/metrics")["metrics"]
    assert [(one["time_window"], one["calculation_date"], one["sessions_completed"]) for one in metrics] == [
        ("7day", "2026-03-02", 2),
        ("90day", "2026-02-28", 3),
    ]
    assert metrics[0]["reschedule_rate"] == 0.0
    assert metrics[1]["reschedule_rate"] is None
    assert ask(client, f"/api/tutors/{tutor}/metrics", window="90day")["metrics"] == metrics[1:]
    assert ask(client, f"/api/tutors/{tutor}/metrics", window="30day")["metrics"] == []
    assert client.get(f"/api/tutors/{tutor}/metrics?window=60day", headers=WITH_KEY).status_code == 400


def test_alerts_are_active_ones_or_all_the_newest_first(client: TestClient, app: Rows) -> None:
    tutor = publish_tutor(app)
    old = raise_alert(
        app,
        tutor,
        status="resolved",
        resolved_at=PUBLISHED_AT,
        auto_resolved=True,
        raised_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    newest = raise_alert(app, tutor, raised_at=PUBLISHED_AT + timedelta(hours=1))
    noticed = raise_alert(app, tutor, "poor_first_session", status="acknowledged", booking_id=uuid4())

    def shown(**query: Any) -> list[UUID]:
        return [UUID(alert["id"]) for alert in ask(client, f"/api/tutors/{tutor}/alerts", **query)["alerts"]]

    assert shown() == shown(status="active") == [newest, noticed]
    assert shown(status="all") == [newest, noticed, old]
    assert shown(status="all", limit=1) == [newest]
    for query in ({"status": "open"}, {"limit": 0}, {"limit": 1001}):
        assert client.get(f"/api/tutors/{tutor}/alerts", params=query, headers=WITH_KEY).status_code == 400


# History


def taught(app: Rows, tutor: UUID, day: date, sessions: int = 1, rescheduled: int = 0, no_shows: int = 0) -> None:
    zeros = ("started", "on_time", "lateness_min", "ratings", "rating_sum", "first_ratings", "first_ratings_good",
             "engagement_count", "engagement_sum", "objectives_answered", "objectives_met")  # fmt: skip
    insert(
        app, "tutor_daily_aggregates", profile_id=tutor, day=day, sessions=sessions, no_shows=no_shows,
        sessions_completed=sessions - rescheduled - no_shows, reschedules_tutor_initiated=rescheduled,
        **dict.fromkeys(zeros, 0),
    )  # fmt: skip


@pytest.fixture
def history(db: Database) -> Callable[..., tuple[Sequence[Any], Sequence[Any]]]:
    """The weeks and days that are shown at a time: `history(tutor, "2026-03-02T12:00Z", days=7)`."""

    def ask(
        tutor: UUID, as_of: str, days: int = 90, limit: int = 1000, zone: str = "UTC"
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        return tutors.history(db, tutor, days, limit, zone, datetime.fromisoformat(as_of))

    return ask


MONDAY = date(2026, 3, 2)


def test_weeks_are_closed_whole_and_without_gaps(app: Rows, history: Any) -> None:
    tutor = publish_tutor(app)
    taught(app, tutor, MONDAY - timedelta(days=22), 5, 5)  # a Sunday, four weeks ago
    taught(app, tutor, MONDAY - timedelta(days=7), 3, 1)
    taught(app, tutor, MONDAY - timedelta(days=1), 4, 0, 2)
    taught(app, tutor, MONDAY, 2, 2)  # the running week
    weeks, daily = history(tutor, "2026-03-04T12:00:00+00:00")
    assert [
        (str(week["week_start"]), str(week["week_end"]), week["sessions"], week["sessions_completed"],
         week["tutor_reschedules"], week["no_shows"], float(week["reschedule_rate"]))
        for week in weeks
    ] == [
        ("2026-02-02", "2026-02-08", 5, 0, 5, 0, 100.0),
        ("2026-02-09", "2026-02-15", 0, 0, 0, 0, 0.0),
        ("2026-02-16", "2026-02-22", 0, 0, 0, 0, 0.0),
        ("2026-02-23", "2026-03-01", 7, 4, 1, 2, 14.29),
    ]  # fmt: skip
    assert [day["day"] for day in daily] == [
        date(2026, 2, 8), date(2026, 2, 23), date(2026, 3, 1), MONDAY,
    ]  # fmt: skip
    assert daily[-1]["tutor_reschedules"] == 2


def test_a_week_closes_when_its_sunday_is_over(app: Rows, history: Any) -> None:
    tutor = publish_tutor(app)
    taught(app, tutor, MONDAY)
    assert history(tutor, "2026-03-08T23:59:59+00:00")[0] == []
    assert len(history(tutor, "2026-03-09T00:00:00+00:00")[0]) == 1


def test_the_time_zone_says_what_today_is(app: Rows, history: Any) -> None:
    tutor = publish_tutor(app)
    taught(app, tutor, MONDAY)
    assert len(history(tutor, "2026-03-08T11:00:00+00:00", zone="Pacific/Auckland")[0]) == 1
    assert history(tutor, "2026-03-09T03:59:59+00:00", zone="America/New_York")[0] == []
    assert len(history(tutor, "2026-03-09T04:00:00+00:00", zone="America/New_York")[0]) == 1


@pytest.mark.parametrize(
    ("days", "as_of", "weeks"),
    [
        (1, "2026-03-09T10:00:00+00:00", 1),  # a Monday: a week ended yesterday
        (1, "2026-03-10T10:00:00+00:00", 0),
        (2, "2026-03-10T10:00:00+00:00", 1),
        (7, "2026-03-11T10:00:00+00:00", 1),
        (7, "2026-03-15T10:00:00+00:00", 1),
        (13, "2026-03-14T10:00:00+00:00", 2),
        (12, "2026-03-14T10:00:00+00:00", 1),
        (365, "2026-03-11T10:00:00+00:00", 52),
    ],
)
def test_weeks_are_those_that_ended_within_the_days(app: Rows, history: Any, days: int, as_of: str, weeks: int) -> None:
    tutor = publish_tutor(app)
    taught(app, tutor, date(2024, 1, 1))
    found, _ = history(tutor, as_of, days)
    assert len(found) == weeks
    assert found == sorted(found, key=lambda week: week["week_start"])


def test_the_limit_keeps_the_newest_weeks_the_oldest_first(app: Rows, history: Any) -> None:
    tutor = publish_tutor(app)
    taught(app, tutor, date(2024, 1, 1))
    weeks, daily = history(tutor, "2026-03-04T10:00:00+00:00", 365, 2)
    assert [week["week_start"] for week in weeks] == [date(2026, 2, 16), date(2026, 2, 23)]
    assert daily == []


def test_rates_round_half_up(app: Rows, history: Any) -> None:
    tutor = publish_tutor(app)
    taught(app, tutor, MONDAY, 800, 1)  # 0.125
    taught(app, tutor, MONDAY + timedelta(days=7), 3, 2)
    weeks, _ = history(tutor, "2026-03-17T00:00:00+00:00")
    assert [str(week["reschedule_rate"]) for week in weeks] == ["0.13", "66.67"]


def test_history_over_http(client: TestClient, app: Rows) -> None:
    tutor = publish_tutor(app)
    today = datetime.now(UTC).date()
    taught(app, tutor, today - timedelta(days=14), 2)
    taught(app, tutor, today - timedelta(days=1), 2, 1)
    answer = client.get(f"/api/tutors/{tutor}/history", params={"days": 30}, headers=WITH_KEY)
    body = answer.json()
    assert body["days"] == 30
    assert [day["day"] for day in body["daily"]] == [str(today - timedelta(days=14)), str(today - timedelta(days=1))]
    assert body["daily"][0]["avg_lateness_min"] is None
    assert len(body["weeks"]) == 2
    assert body["weeks"][0]["sessions"] == 2
    assert '"reschedule_rate":0.0' in answer.text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"days": 1}, 200),
        ({"days": 365}, 200),
        ({"limit": 1}, 200),
        ({"limit": 1000}, 200),
        ({"days": 0}, 400),
        ({"days": 366}, 400),
        ({"days": "x"}, 400),
        ({"limit": 0}, 400),
        ({"limit": 1001}, 400),
    ],
)
def test_both_sides_of_the_limits_of_a_history(
    client: TestClient, app: Rows, query: dict[str, Any], status: int
) -> None:
    tutor = publish_tutor(app)
    assert client.get(f"/api/tutors/{tutor}/history", params=query, headers=WITH_KEY).status_code == status


# Alerts


def test_an_alert_is_acknowledged_once(client: TestClient, app: Rows) -> None:
    alert = raise_alert(app, publish_tutor(app))
    first = post(client, f"/api/alerts/{alert}/acknowledge", {"actor": "Ann"})
    again = post(client, f"/api/alerts/{alert}/acknowledge", {"actor": "Bob"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    body = first.json()
    assert (body["id"], body["status"], body["acknowledged_by"]) == (str(alert), "acknowledged", "Ann")
    assert body["acknowledged_at"] is not None
    assert (body["resolved_at"], body["auto_resolved"]) == (None, False)


@pytest.mark.parametrize("noticed", [True, False])
def test_an_alert_is_resolved_once(client: TestClient, app: Rows, noticed: bool) -> None:
    alert = raise_alert(app, publish_tutor(app))
    if noticed:
        post(client, f"/api/alerts/{alert}/acknowledge", {"actor": "Ann"})
    first = post(client, f"/api/alerts/{alert}/resolve", {"actor": "Bob"})
    again = post(client, f"/api/alerts/{alert}/resolve", {"actor": "Cem"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    body = first.json()
    assert (body["status"], body["resolved_by"], body["auto_resolved"]) == ("resolved", "Bob", False)
    assert body["acknowledged_by"] == ("Ann" if noticed else None)


def test_a_resolved_alert_is_not_acknowledged(client: TestClient, app: Rows) -> None:
    alert = raise_alert(app, publish_tutor(app), status="resolved", resolved_at=PUBLISHED_AT, auto_resolved=True)
    answer = post(client, f"/api/alerts/{alert}/acknowledge", {"actor": "Ann"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ALERT_RESOLVED")
    kept = post(client, f"/api/alerts/{alert}/resolve", {"actor": "Ann"}).json()
    assert (kept["resolved_by"], kept["auto_resolved"]) == (None, True)


@pytest.mark.parametrize("path", ALERT_ROUTES)
def test_an_unknown_alert_is_404(client: TestClient, path: str) -> None:
    answer = post(client, path.format(alert_id=uuid4()), {"actor": "Ann"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ALERT_NOT_FOUND")


@pytest.mark.parametrize("path", ALERT_ROUTES)
@pytest.mark.parametrize(
    "body",
    [{}, {"actor": ""}, {"actor": "  "}, {"actor": "a" * 101}, {"actor": "a\0"}, {"actor": "\ud800"}, {"actor": None},
     {"actor": 1}, {"actor": "Ann", "status": "resolved"}, {"\ud800": 1}, [], "Ann", None],
)  # fmt: skip
def test_a_body_that_names_nobody_is_400(client: TestClient, app: Rows, path: str, body: Any) -> None:
    alert = raise_alert(app, publish_tutor(app))
    answer = post(client, path.format(alert_id=alert), body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert app.execute("select status from caas.tutor_alerts").fetchall() == [("open",)]


@pytest.mark.parametrize("path", ALERT_ROUTES)
def test_names_have_1_to_100_characters(client: TestClient, app: Rows, path: str) -> None:
    for actor in ("a", "ü" * 100, "'; drop table caas.tutor_alerts; --", "%s %(actor)s"):
        alert = raise_alert(app, uuid4())
        body = post(client, path.format(alert_id=alert), {"actor": actor}).json()
        assert actor in (body["acknowledged_by"], body["resolved_by"])


@pytest.mark.parametrize("path", ALERT_ROUTES)
def test_alert_routes_need_the_key_and_a_uuid(client: TestClient, app: Rows, path: str) -> None:
    alert = raise_alert(app, publish_tutor(app))
    assert client.post(path.format(alert_id=alert), json={"actor": "Ann"}).status_code == 401
    assert app.execute("select status from caas.tutor_alerts").fetchall() == [("open",)]
    assert post(client, path.format(alert_id="1"), {"actor": "Ann"}).status_code == 400
    assert client.post(path.format(alert_id=alert), content=b" " * 70_000, headers=WITH_KEY).status_code == 413


# Without a database


def test_routes_say_soon_that_the_database_is_away(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float | None] = []

    def away(*_: object, patience: float | None = None, **__: object) -> Any:
        tried.append(patience)
        raise DatabaseUnavailable

    with TestClient(create(make_service())) as client:
        monkeypatch.setattr(Database, "look", away)
        monkeypatch.setattr(Database, "transaction", away)
        for path in ROUTES:
            answer = client.get(path.format(profile_id=uuid4()), headers=WITH_KEY)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DATABASE_UNAVAILABLE")
        for path in ALERT_ROUTES:
            assert post(client, path.format(alert_id=uuid4()), {"actor": "Ann"}).status_code == 503
    assert tried == [2.0]  # the first found out, the others were told
