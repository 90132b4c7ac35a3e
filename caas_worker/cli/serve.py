"""caas-worker serve: the HTTP service."""

import logging
from typing import Annotated

import typer

from caas_worker import rules
from caas_worker.cli.target import database
from caas_worker.errors import CaasError, impersonal

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this host's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen at.")] = 8000,
) -> None:
    """Serve scores, calculations on request, health and metrics over HTTP, until told to stop.

    SIGTERM and Ctrl-C finish the requests at hand. Routes whose key is not set stay closed.
    """
    # only here: the framework takes half a second that no other command needs
    from caas_worker.api.server import serve as serve_until_told
    from caas_worker.api.service import Service

    with database() as (settings, db):
        service = Service(settings, db)
        try:
            rules.publish(db, service.strategies)
        except CaasError as error:
            log.error("calculations will be refused: %s", impersonal(error))
        if not service.worker_keys.are_set:
            log.warning("CAAS_WORKER_API_KEY is not set: the routes that calculate are closed")
        if not service.api_keys.are_set:
            log.warning("CAAS_API_KEY is not set: the routes for tutors and sessions are closed")
        serve_until_told(service, host, port)
