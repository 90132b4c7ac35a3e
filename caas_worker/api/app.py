"""The app: routes, errors, documentation page, and what wraps every request."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Lifespan

from caas_worker import __version__
from caas_worker.api import credibility, problems, sessions, state, tutors, work
from caas_worker.api.envelope import Envelope
from caas_worker.api.service import API_KEY_HEADER, Service

ROUTERS = (state.router, work.router, credibility.router, tutors.router, sessions.router)


def create(service: Service) -> FastAPI:
    """The app over a service; the service works while the app runs."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        with service.working():
            yield

    app = build(lifespan)
    app.state.service = service
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    service.requests.expect(route.path, method, (200, 500, 503))
    app.add_middleware(Envelope, metrics=service.requests)
    if service.origins:
        # the outermost: browsers show a page no answer without its headers, errors included
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.origins,
            allow_methods=["GET", "POST"],
            allow_headers=[API_KEY_HEADER, "Authorization", "Content-Type"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app


def build(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The app without a service behind it: enough to say what its routes are.

    The documentation page brings its scripts along: it works without the internet and tells nobody of its readers.
    """
    app = FastAPIOffline(
        redoc_url=None,
        redirect_slashes=False,
        title="caas-worker",
        version=__version__,
        summary="Credibility scores for the people of a marketplace.",
        openapi_tags=[
            {"name": "scores", "description": "Read a score, ask for a fresh one."},
            {"name": "tutors", "description": "Figures of tutors, whom to look after first, alerts."},
            {"name": "sessions", "description": "Write sessions into the application's tables."},
            {"name": "work", "description": "For schedulers and operators."},
            {"name": "state", "description": "For load balancers and Prometheus."},
        ],
        lifespan=lifespan,
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    whole = app.openapi
    app.openapi = lambda: without_422(whole())  # type: ignore[method-assign]
    return app


def without_422(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document without the framework's own answer to invalid requests, never given: ours is 400."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    for schema in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(schema, None)
    return document
