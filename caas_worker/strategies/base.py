"""What a strategy is: statistics in, score out. Pure: no I/O and no clock; the time is an argument."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Protocol

from caas_worker.model import Profile, Score, Stats


class Strategy(Protocol):
    """One role's rule. Registered under the entry point group `caas_worker.strategies`."""

    name: ClassVar[str]
    role: ClassVar[str]
    """Upper case; the role that a profile must carry."""
    precedence: ClassVar[int]
    """Of a profile's roles the one with the lowest number is scored: tutor 10, client 20, agent 30."""
    version: ClassVar[str]
    """Name and numbers, as in tutor-v5.9: a higher number is a newer rule and, once published, marks everyone."""
    statistics: ClassVar[tuple[str, ...]]
    """SQL functions f(profile_ids uuid[], as_of timestamptz) whose rows `score` needs."""

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        """The score of a profile that passed the identity gate; `stats` by function."""
        ...


VERSION = re.compile(r".+-v\d{1,9}(\.\d{1,9})*")
"""The shape of a version, whose numbers tell which of two is newer."""


def round_half_up(value: float) -> int:
    """Nearest integer, halves up, after nine decimals: 57.49999999999999 is 58 (scoring, conventions)."""
    return math.floor(round(value, 9) + 0.5)


def is_blank(text: str | None) -> bool:
    """A text that is NULL or blank is absent (scoring, conventions)."""
    return text is None or not text.strip()


def dbs_is_valid(profile: Profile, now: datetime) -> bool:
    """A verified DBS check that has not expired; one without an expiry date does not count (scoring 1.1)."""
    return profile.dbs_verified and profile.dbs_expiry_date is not None and profile.dbs_expiry_date > now
