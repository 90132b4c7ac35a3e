"""Offers the metrics of `run` over HTTP: of one worker, or summed over the workers of a fleet."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from caas_worker.db import Database
from caas_worker.errors import SettingsError
from caas_worker.figures import KeptFigures
from caas_worker.metrics import DatabaseGauges

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that has workers write their counters into a folder, where this process finds them."""


@contextlib.contextmanager
def offered(registry: CollectorRegistry, db: Database, host: str, port: int) -> Iterator[None]:
    """Answer at the port with the registry's metrics and the database's figures.

    Raises:
        SettingsError: the address can't be listened at.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry.register(DatabaseGauges(KeptFigures(db)))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(f"Metrics can't be offered at {host}:{port}: {error.strerror}.") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def of_a_fleet() -> Iterator[tuple[CollectorRegistry, Path]]:
    """A registry that sums what the processes write into the folder, which goes at the end."""
    folder = Path(tempfile.mkdtemp(prefix="caas-metrics-"))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    try:
        yield registry, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
