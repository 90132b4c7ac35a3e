"""Routes that say how the service is: health for load balancers, metrics for Prometheus."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from caas_worker import __version__
from caas_worker.api.access import served
from caas_worker.api.bodies import HealthBody
from caas_worker.api.problems import reply
from caas_worker.api.service import LONGEST_LOOK_SECONDS, Service, within
from caas_worker.errors import CaasError, DatabaseBusy, DatabaseUnavailable

LONGEST_PROBE_SECONDS = 3.0

router = APIRouter(tags=["state"])


@router.get("/api/health", response_model=HealthBody, responses={503: {"model": HealthBody, "description": "Away."}})
@router.get(
    "/api/caas/health", response_model=HealthBody, responses={503: {"model": HealthBody, "description": "Away."}}
)
async def health(service: Annotated[Service, Depends(served)]) -> Response:
    """Whether the database answers, and how far behind the scores are. 503 while it does not."""
    try:
        figures = await within(LONGEST_PROBE_SECONDS, service.figures)
    except CaasError as error:
        body = HealthBody(
            status="unavailable",
            version=__version__,
            database=_trouble(error),
            queue_depth=None,
            oldest_seconds=None,
        )
        return reply(body, 503)
    body = HealthBody(
        status="ok",
        version=__version__,
        database="ok",
        queue_depth=sum(figures["depth"].values()),
        oldest_seconds=figures["oldest_seconds"],
    )
    return reply(body)


@router.head("/api/health", response_class=Response, responses={503: {"description": "Away."}})
@router.head("/api/caas/health", response_class=Response, responses={503: {"description": "Away."}})
async def probe(service: Annotated[Service, Depends(served)]) -> Response:
    """The status of the same, without a body."""
    return Response(status_code=(await health(service)).status_code)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics."}},
)
async def metrics(service: Annotated[Service, Depends(served)]) -> Response:
    """Metrics for Prometheus; while the database is away, only what this process counted."""
    collect = partial(generate_latest, service.counters)
    try:
        text = await within(LONGEST_PROBE_SECONDS, collect)
    except DatabaseUnavailable:
        text = await within(LONGEST_LOOK_SECONDS, collect)  # by now the figures say that it is away
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _trouble(error: CaasError) -> Literal["busy", "away", "error"]:
    if isinstance(error, DatabaseBusy):
        return "busy"
    return "away" if isinstance(error, DatabaseUnavailable) else "error"
