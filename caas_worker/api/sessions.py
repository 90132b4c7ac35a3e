"""Routes of sessions: the ones that write the application's tables, for it and under a role of its own."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from caas_worker import sessions
from caas_worker.api.access import api_key, served
from caas_worker.api.bodies import SessionId
from caas_worker.api.problems import OF_THE_DATABASE, reply, responses
from caas_worker.api.service import Service
from caas_worker.api.session_bodies import CompletionRequest, SessionBody, SessionRequest
from caas_worker.errors import (
    DuplicateSession,
    InvalidRequest,
    KeyNotSet,
    KeyRefused,
    SessionCompleted,
    SessionEnded,
    SessionNotFound,
    SessionsNotGranted,
    TooLarge,
)

OF_SESSIONS = (InvalidRequest, KeyRefused, TooLarge, KeyNotSet, SessionsNotGranted, *OF_THE_DATABASE)

router = APIRouter(prefix="/api/sessions", tags=["sessions"], dependencies=[Depends(api_key)])

Served = Annotated[Service, Depends(served)]


@router.post("", response_model=SessionBody, status_code=202, responses=responses(*OF_SESSIONS, DuplicateSession))
async def add_session(request: SessionRequest, service: Served) -> Response:
    """Write a session, and with status rescheduled how it was rescheduled, into the application's tables.

    Its scores follow as those of any other booking.
    """
    info = request.reschedule_info
    await service.look_patiently(sessions.add, request.as_written(), info.as_written() if info else None)
    return _accepted(request.session_id)


@router.post(
    "/{session_id}/complete",
    response_model=SessionBody,
    status_code=202,
    responses=responses(*OF_SESSIONS, SessionNotFound, SessionCompleted, SessionEnded),
)
async def complete_session(session_id: SessionId, request: CompletionRequest, service: Served) -> Response:
    """Record that a session took place. To a completed one what was not known is added; what was known stays."""
    await service.look_patiently(sessions.complete, UUID(session_id), request.as_written())
    return _accepted(session_id)


def _accepted(session_id: str) -> Response:
    return reply(SessionBody(session_id=UUID(session_id), status="accepted"), 202)
