"""Routes of scores: read one, ask for one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from caas_worker.api.access import caller_of, served, worker_key
from caas_worker.api.bodies import ProfileId, QueuedBody, ScoreBody
from caas_worker.api.problems import OF_THE_DATABASE, reply, responses
from caas_worker.api.service import Service
from caas_worker.errors import (
    InvalidRequest,
    KeyNotSet,
    KeyRefused,
    NotComputed,
    ProfileNotFound,
    RulesOutdated,
    TooManyRequests,
)

LONGEST_WAIT_SECONDS = 60

router = APIRouter(prefix="/api/caas", tags=["scores"])


@router.get(
    "/{profile_id}",
    response_model=ScoreBody,
    responses=responses(
        InvalidRequest,
        ProfileNotFound,
        TooManyRequests,
        NotComputed,
        RulesOutdated,
        *OF_THE_DATABASE,
    ),
)
async def read_score(profile_id: ProfileId, request: Request, service: Annotated[Service, Depends(served)]) -> Response:
    """The cached score of a profile.

    A profile whose identity is not verified has score 0. A verified one that was never computed is computed now, once
    however many ask.
    """
    key = UUID(profile_id)
    row = await service.read(key)
    if row is None:
        if not await service.is_verified(key):
            return reply(unverified(key))
        await service.compute_once(key, caller_of(request))
        row = await service.read(key)
    if row is None:
        raise ProfileNotFound(f"There is no profile {key}.")
    return reply(score_of(row))


@router.post(
    "/{profile_id}/recalculate",
    response_model=ScoreBody,
    responses={
        202: {"model": QueuedBody, "description": "It is in the queue, ahead of everything else."},
        **responses(
            InvalidRequest,
            KeyRefused,
            ProfileNotFound,
            TooManyRequests,
            KeyNotSet,
            NotComputed,
            RulesOutdated,
            *OF_THE_DATABASE,
        ),
    },
)
async def recalculate(
    profile_id: ProfileId,
    caller: Annotated[str, Depends(worker_key)],
    service: Annotated[Service, Depends(served)],
    seconds: Annotated[
        float | None,
        Query(
            alias="wait",
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            allow_inf_nan=False,
            description="Wait so many seconds for the score. Without it the answer is always 202.",
        ),
    ] = None,
) -> Response:
    """Ask for a score to be computed from what is in the database now, ahead of everything else.

    With `wait`, 200 is a score that was computed after this request came; 202 says that the time was over first, or
    why there will be none for now.
    """
    key = UUID(profile_id)
    await service.is_verified(key)
    service.admit(caller)
    # marked here and not by the desk, which may be at work: whoever asked knows the generation in any case
    mark = await service.mark(key)
    asking = service.desk.look_after(key, mark)
    answer = await service.wait(asking.answered, seconds or 0)
    if answer is not None and answer.failure is None:
        row = await service.read(key)
        if row is None:
            raise ProfileNotFound(f"There is no profile {key}.")
        return reply(score_of(row))
    body = QueuedBody(
        profile_id=key,
        generation=mark.generation,
        status="queued",
        message=answer.failure if answer else None,
    )
    return reply(body, 202)


def unverified(profile_id: UUID) -> ScoreBody:
    """What is said of a profile without a verified identity that was never computed."""
    return ScoreBody(
        profile_id=profile_id,
        role_type=None,
        total_score=0,
        held=False,
        score_breakdown={},
        score_inputs={"identity_verified": False},
        reason="unverified",
        calculation_version=None,
        gate_failed=True,
        calculated_at=None,
        source_changed_at=None,
        next_due_at=None,
        generation=None,
    )


def score_of(row: dict[str, Any]) -> ScoreBody:
    """A row of the cache as it is answered."""
    columns = dict(row)
    computed = columns.pop("computed_score")
    return ScoreBody(held=computed is not None, **columns)
