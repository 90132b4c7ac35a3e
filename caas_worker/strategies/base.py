"""What a strategy is: statistics in, score out. Pure: no I/O and no clock; the time is an argument."""

import math
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
    statistics: ClassVar[tuple[str, ...]]
    """SQL functions f(profile_ids uuid[], as_of timestamptz) whose rows `score` needs."""

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        """The score of a profile that passed the identity gate; `stats` by function."""
        ...


def round_half_up(value: float) -> int:
    """Nearest integer, halves up, after nine decimals: 57.49999999999999 is 58 (scoring, conventions)."""
    return math.floor(round(value, 9) + 0.5)


def is_blank(text: str | None) -> bool:
    """A text that is NULL or blank is absent (scoring, conventions)."""
    return text is None or not text.strip()
