"""Who may call what, by the worker key or the API key, and whom a calculation is counted against."""

import hashlib
import ipaddress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from caas_worker.api.service import API_KEY_HEADER, Service

_bearer = HTTPBearer(auto_error=False, scheme_name="worker key", description="One of CAAS_WORKER_API_KEY.")
_header = APIKeyHeader(name=API_KEY_HEADER, auto_error=False, scheme_name="API key", description="One of CAAS_API_KEY.")


async def served(request: Request) -> Service:
    """The service that the app holds. Not a plain function: those are called in a thread, at a cost to every read."""
    service: Service = request.app.state.service
    return service


async def worker_key(
    request: Request, offered: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """Let callers with a worker key pass; returns whom their calculations are counted against."""
    (await served(request)).worker_keys.check(offered.credentials if offered else None)
    assert offered is not None
    return f"key {hashlib.sha256(offered.credentials.encode()).hexdigest()}"


async def api_key(request: Request, offered: Annotated[str | None, Depends(_header)]) -> None:
    """Let callers with an API key pass."""
    (await served(request)).api_keys.check(offered)


def caller_of(request: Request) -> str:
    """Whom the calculations of a caller without a key are counted against: the address."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"address {host}"
    # a caller with IPv6 has a whole network of addresses to choose from
    return f"address {ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address}"
