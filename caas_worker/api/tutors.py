"""Routes of tutors: lists, one by one, and their alerts."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from caas_worker import tutors
from caas_worker.api.access import api_key, served
from caas_worker.api.bodies import AlertId, ProfileId
from caas_worker.api.problems import OF_THE_DATABASE, reply, responses
from caas_worker.api.service import Service
from caas_worker.api.tutor_bodies import (
    ActorRequest,
    AlertBody,
    AlertsBody,
    HistoryBody,
    Limit,
    MetricsBody,
    Offset,
    RiskListBody,
    ScoresBody,
    SummaryBody,
    TutorDetailBody,
    TutorsBody,
    TutorsQuery,
    Window,
)
from caas_worker.errors import (
    AlertNotFound,
    AlertResolved,
    InvalidRequest,
    KeyNotSet,
    KeyRefused,
    TooLarge,
    TutorNotFound,
)

OF_LISTS = (InvalidRequest, KeyRefused, KeyNotSet, *OF_THE_DATABASE)
OF_A_TUTOR = (*OF_LISTS, TutorNotFound)
OF_AN_ALERT = (*OF_LISTS, AlertNotFound, TooLarge)

HIGH_RISK = {"all": None, "high_risk": True, "low_risk": False}

router = APIRouter(prefix="/api", tags=["tutors"], dependencies=[Depends(api_key)])

Served = Annotated[Service, Depends(served)]


@router.get("/tutors", response_model=TutorsBody, responses=responses(*OF_LISTS))
async def list_tutors(query: Annotated[TutorsQuery, Query()], service: Served) -> Response:
    """Tutors and their figures, page by page. A tutor is whoever has a reschedule risk: it is computed of everyone."""
    listing = tutors.Listing(
        high_risk=HIGH_RISK[query.risk_status],
        search=query.search,
        sort_by=query.sort_by,
        descending=query.sort_order == "desc",
        limit=query.limit,
        offset=query.offset,
    )
    page = await service.look_patiently(tutors.listed, listing)
    return reply(
        TutorsBody.model_validate(
            {"items": page.items, "total": page.total} | {"limit": query.limit, "offset": query.offset}
        )
    )


@router.get("/risk-list", response_model=RiskListBody, responses=responses(*OF_LISTS))
async def risk_list(
    service: Served,
    limit: Annotated[Limit, Query(description="At most so many items.")] = 100,
    offset: Annotated[Offset, Query(description="How many to leave out first.")] = 0,
) -> Response:
    """Whom to look after first: tutors by risk, the highest first, then by profile id."""
    page = await service.look_patiently(tutors.ranked, limit, offset)
    return reply(
        RiskListBody.model_validate({"items": page.items, "total": page.total, "limit": limit, "offset": offset})
    )


@router.get("/tutors/{profile_id}", response_model=TutorDetailBody, responses=responses(*OF_A_TUTOR))
async def read_tutor(profile_id: ProfileId, service: Served) -> Response:
    """All that is published of a tutor."""
    found = await service.look(tutors.detail, UUID(profile_id))
    return reply(TutorDetailBody.model_validate(found))


@router.get("/tutors/{profile_id}/history", response_model=HistoryBody, responses=responses(*OF_A_TUTOR))
async def read_history(
    profile_id: ProfileId,
    service: Served,
    days: Annotated[int, Query(ge=1, le=365, description="How far to look back.")] = 90,
    limit: Annotated[Limit, Query(description="At most so many weeks, the newest.")] = 1000,
) -> Response:
    """Weeks, Monday to Sunday, and days of a tutor, the oldest first.

    Weeks are closed: the running one is not listed, those are that ended at most `days` days ago. They begin with the
    first that has a session; later ones without any are listed with zeros. `daily` has the days with sessions among
    the last `days`, today included. CAAS_TIME_ZONE says when a day begins.
    """
    key = UUID(profile_id)
    weeks, daily = await service.look(tutors.history, key, days, limit, service.settings.time_zone)
    return reply(HistoryBody.model_validate({"profile_id": key, "days": days, "weeks": weeks, "daily": daily}))


@router.get("/tutors/{profile_id}/metrics", response_model=MetricsBody, responses=responses(*OF_A_TUTOR))
async def read_metrics(
    profile_id: ProfileId,
    service: Served,
    window: Annotated[Window | None, Query(description="Only this one; without it all three.")] = None,
) -> Response:
    """Metrics of the last 7, 30 and 90 days, each of its newest calculation day."""
    key = UUID(profile_id)
    found = await service.look(tutors.metrics, key, (window,) if window else tutors.WINDOWS)
    return reply(MetricsBody.model_validate({"profile_id": key, "metrics": found}))


@router.get("/tutors/{profile_id}/scores", response_model=ScoresBody, responses=responses(*OF_A_TUTOR))
async def read_scores(profile_id: ProfileId, service: Served) -> Response:
    """Health, churn risk and reschedule risk, and what each was made from."""
    key = UUID(profile_id)
    found = await service.look(tutors.scores, key)
    return reply(ScoresBody.model_validate({"profile_id": key, "scores": found}))


@router.get("/tutors/{profile_id}/alerts", response_model=AlertsBody, responses=responses(*OF_A_TUTOR))
async def read_alerts(
    profile_id: ProfileId,
    service: Served,
    status: Annotated[Literal["active", "all"], Query(description="active: open or acknowledged.")] = "active",
    limit: Annotated[Limit, Query(description="At most so many alerts, the newest.")] = 100,
) -> Response:
    """Alerts of a tutor, the newest first."""
    key = UUID(profile_id)
    found = await service.look(tutors.alerts, key, status == "all", limit)
    return reply(AlertsBody.model_validate({"profile_id": key, "alerts": found}))


@router.get("/tutors/{profile_id}/summary", response_model=SummaryBody, responses=responses(*OF_A_TUTOR))
async def read_summary(profile_id: ProfileId, service: Served) -> Response:
    """The tutor's newest sessions in words; `insufficient_data` without texts while nothing is written yet."""
    key = UUID(profile_id)
    found = await service.look(tutors.summary, key)
    return reply(SummaryBody.model_validate(found or _unwritten(key)))


@router.post(
    "/alerts/{alert_id}/acknowledge", response_model=AlertBody, responses=responses(*OF_AN_ALERT, AlertResolved)
)
async def acknowledge(alert_id: AlertId, request: ActorRequest, service: Served) -> Response:
    """Take notice of an alert. One that somebody took notice of before stays as it is."""
    alert = await service.look_patiently(tutors.acknowledge, UUID(alert_id), request.actor)
    return reply(AlertBody.model_validate(alert))


@router.post("/alerts/{alert_id}/resolve", response_model=AlertBody, responses=responses(*OF_AN_ALERT))
async def resolve(alert_id: AlertId, request: ActorRequest, service: Served) -> Response:
    """End an alert by hand. One that has ended stays as it is; a new one is raised when the score is another."""
    alert = await service.look_patiently(tutors.resolve, UUID(alert_id), request.actor)
    return reply(AlertBody.model_validate(alert))


def _unwritten(profile_id: UUID) -> dict[str, object]:
    words = ("average_sqs", "summary", "what_went_well", "improvement_suggestion", "calculated_at")
    return {"profile_id": profile_id, "trend": "insufficient_data"} | dict.fromkeys(words)
