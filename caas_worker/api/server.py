"""Runs the app in uvicorn until SIGTERM or Ctrl-C; what is at hand is finished first."""

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

import prometheus_client
import uvicorn

from caas_worker.api.app import create
from caas_worker.api.service import LAST_BATCH_SECONDS, Service
from caas_worker.errors import SettingsError

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.stop.set()  # drains begin no further batch
        super().handle_exit(sig, frame)


def serve(service: Service, host: str, port: int) -> None:
    """Serve until told to stop.

    Raises:
        SettingsError: the address can't be listened at.
    """
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    server = _Server(_config(service), service)
    for number in (signal.SIGTERM, signal.SIGINT):
        # until uvicorn sets its own, and at the end, when it raises once more what it got
        signal.signal(number, server.handle_exit)
    with listening(host, port) as listener:
        log.info("listening", extra={"host": host, "port": port})
        server.run(sockets=[listener])


@contextlib.contextmanager
def serving(service: Service, listener: socket.socket) -> Iterator[str]:
    """Serve in a thread; gives the address."""
    server = uvicorn.Server(_config(service))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        service.stop.set()
        server.should_exit = True
        thread.join()


def _config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        create(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=service.settings.forwarded_allow_ips,
        timeout_graceful_shutdown=round(service.settings.cold_read_seconds + LAST_BATCH_SECONDS),
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        SettingsError: the address can't be listened at.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol by name: asyncio sends small answers at once (TCP_NODELAY) only where it is said; else a read on a
    # connection that is kept takes 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        return listener
    except OSError as error:
        listener.close()
        raise SettingsError(f"{host}:{port} can't be listened at: {error.strerror}. Choose another --port.") from None
