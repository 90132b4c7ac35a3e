"""Around every request: an id that the caller, the answer and the log lines share, a log line, a metric, a size limit.

The log says which route and not which path: a path names a profile.
"""

import logging
import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caas_worker.api.problems import unforeseen
from caas_worker.errors import TooLarge
from caas_worker.metrics import RequestMetrics

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
LARGEST_BODY_BYTES = 65_536
QUIET_ROUTES = ("/api/caas/health", "/api/health", "/metrics")
"""Asked for every few seconds by machines: their log lines are of importance debug."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = logging.getLogger(__name__)


class Envelope:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything that is none goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        status, has_begun = 500, False
        begun = time.perf_counter()
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST_BODY_BYTES:
                raise HTTPException(413, str(TooLarge()))
            return message

        async def stamped(message: Message) -> None:
            nonlocal status, has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, limited, stamped)
            except Exception as error:
                answer = unforeseen(error)
                if has_begun:
                    raise
                await answer(scope, receive, stamped)
            finally:
                self._account(scope, status, time.perf_counter() - begun)

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._metrics.observe(route, method, status, seconds)
        log.log(
            logging.DEBUG if route in QUIET_ROUTES else logging.INFO,
            "request",
            extra={"method": method, "route": route, "status": status, "seconds": round(seconds, 4)},
        )
