"""Routes for schedulers and operators: a bounded drain, and the figures of the queue."""

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from caas_worker.api.access import served, worker_key
from caas_worker.api.bodies import DrainBody, DrainRequest, QueueBody
from caas_worker.api.problems import OF_THE_DATABASE, reply, responses
from caas_worker.api.service import LONGEST_LOOK_SECONDS, Service, within
from caas_worker.errors import (
    InvalidRequest,
    KeyNotSet,
    KeyRefused,
    RulesOutdated,
    TooLarge,
    TooManyRequests,
)

router = APIRouter(prefix="/api/caas/worker", tags=["work"])


@router.post(
    "/process-queue",
    response_model=DrainBody,
    responses=responses(
        InvalidRequest,
        KeyRefused,
        TooLarge,
        TooManyRequests,
        KeyNotSet,
        RulesOutdated,
        *OF_THE_DATABASE,
    ),
)
async def process_queue(
    caller: Annotated[str, Depends(worker_key)],
    service: Annotated[Service, Depends(served)],
    limits: DrainRequest | None = None,
) -> Response:
    """Mark what fell due by time, then work until nothing is due or the time is over.

    The answer comes within the service's CAAS_DRAIN_SECONDS and two seconds more, whatever happens: the caller's own
    time-out should be longer than that. Two calls at once share the work.
    """
    service.admit(caller)
    limits = limits or DrainRequest()
    longest = service.settings.drain_seconds
    summary, complete = await service.drain(
        batch_size=limits.batch_size or service.settings.batch_size,
        max_batches=limits.max_batches,
        seconds=min(limits.max_seconds or longest, longest),
    )
    return reply(DrainBody(**dataclasses.asdict(summary), complete=complete))


@router.get(
    "/status",
    response_model=QueueBody,
    responses=responses(
        KeyRefused,
        KeyNotSet,
        *OF_THE_DATABASE,
    ),
    dependencies=[Depends(worker_key)],
)
async def status(service: Annotated[Service, Depends(served)]) -> Response:
    """The queue at a glance, at most a second old."""
    return reply(QueueBody.model_validate(await within(LONGEST_LOOK_SECONDS, service.figures)))
