"""Spans of time as people write them."""

import re
from datetime import timedelta

from caas_worker.errors import SettingsError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """A time like 90m, 24h or 7d.

    Raises:
        SettingsError: it is none.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None:
        raise SettingsError(f"{text!r} is no time. Examples: 90m, 24h, 7d.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
