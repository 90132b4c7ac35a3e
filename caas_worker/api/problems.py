"""Errors as answers: one shape, a status from the error table, and what the OpenAPI document says of them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from caas_worker import sentry
from caas_worker.api.bodies import ProblemBody
from caas_worker.errors import (
    CaasError,
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    InvalidRequest,
    KeyNotSet,
    KeyRefused,
    NotComputed,
    NotInstalled,
    NotPermitted,
    RulesOutdated,
    TooLarge,
    TooManyRequests,
    http_status,
    impersonal,
)

OF_THE_DATABASE = (NotInstalled, DatabaseUnavailable, DatabaseBusy, DatabaseError, NotPermitted)
"""Errors that every route may answer with that asks the database."""

OF_THE_FRAMEWORK = {
    400: (InvalidRequest.code, str(InvalidRequest())),
    404: ("NOT_FOUND", "There is no such route. All of them stand at /docs."),
    405: ("METHOD_NOT_ALLOWED", "This route takes no such method. All routes stand at /docs."),
    413: (TooLarge.code, str(TooLarge())),
}
"""Code and message of what is refused before any route of ours is reached, by status."""

RETRY_SECONDS = 5
"""After which it is worth asking again for what could not be had in time."""

log = logging.getLogger(__name__)


def responses(*kinds: type[CaasError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the errors that a route may answer with."""
    described: dict[int | str, list[str]] = {}
    for kind in kinds:
        described.setdefault(http_status(kind()), []).append(f"`{kind.code}`: {kind()}")
    return {
        status: {"model": ProblemBody, "description": " ".join(texts)} for status, texts in sorted(described.items())
    }


def reply(body: BaseModel, status: int = 200) -> Response:
    """A body as JSON, written once."""
    return Response(body.model_dump_json(), status, media_type="application/json")


def answer(
    status: int, code: str, message: str, details: Sequence[dict[str, Any]] = (), headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error in the one shape."""
    body = {"error": {"code": code, "message": message, "details": list(details)}}
    return JSONResponse(body, status_code=status, headers=headers)


def unforeseen(error: Exception) -> JSONResponse:
    """The answer to an error that nobody foresaw, which is logged and reported."""
    log.error("an error that nobody foresaw", exc_info=error)
    sentry.report(error)
    return answer(500, "INTERNAL", "An error that nobody foresaw; the service's log says where.")


def install(app: FastAPI) -> None:
    """Have every error of the app answered in the one shape."""

    @app.exception_handler(CaasError)
    async def ours(request: Request, error: CaasError) -> JSONResponse:
        del request
        status = http_status(error)
        headers = {}
        if isinstance(error, KeyRefused):
            headers["WWW-Authenticate"] = error.challenge
        if isinstance(error, NotComputed | DatabaseUnavailable):
            headers["Retry-After"] = str(RETRY_SECONDS)
        if isinstance(error, TooManyRequests):
            headers["Retry-After"] = str(error.retry_after)
        details = []
        if isinstance(error, InvalidRequest) and error.where:
            details = [{"where": error.where, "what": str(error)}]
        if status >= 500 and not isinstance(error, KeyNotSet | NotComputed):
            log.error("request failed", extra={"code": error.code, "error": impersonal(error)})
        tells = status < 500 or isinstance(error, KeyNotSet | NotComputed | RulesOutdated)
        message = str(error if tells else type(error)())  # what the database said is for the log
        return answer(status, error.code, message, details, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        del request
        return answer(400, InvalidRequest.code, str(InvalidRequest()), [_detail(one) for one in error.errors()])

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
        del request
        code, message = OF_THE_FRAMEWORK.get(error.status_code, ("REFUSED", str(error.detail)))
        return answer(error.status_code, code, message, headers=dict(error.headers or {}))


def _detail(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Where and what, as in the list of pydantic; in our words where its own are for who wrote the schema."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "json_invalid":
        return {"where": "body", "what": "This is no JSON."}
    if problem["type"] == "model_attributes_type":
        return {"where": where, "what": "This should be a JSON object, sent with Content-Type: application/json."}
    return {"where": where, "what": problem["msg"].removeprefix("Value error, ")}
