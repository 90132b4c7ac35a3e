"""Origins: whose pages may call the service from a browser."""

import re

from caas_worker.errors import SettingsError

ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
"""Browsers leave them out."""


def origins(setting: str) -> list[str]:
    """The origins of CAAS_CORS_ORIGINS, as browsers write them.

    Raises:
        SettingsError: one is no origin.
    """
    return [_origin(written.strip()) for written in setting.split(",") if written.strip()]


def _origin(written: str) -> str:
    match = ORIGIN.fullmatch(written.lower())
    if match is None:
        raise SettingsError(
            f"CAAS_CORS_ORIGINS: {written!r} is no origin. One is scheme://host or scheme://host:port, without a path, "
            "as in https://example.org; several are separated by commas. There is none that stands for all."
        )
    return match[0].removesuffix(DEFAULT_PORTS.get(match["scheme"], "\n"))
