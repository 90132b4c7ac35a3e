"""What a strategy is: statistics in, score out. Pure: no I/O and no clock; the time is an argument."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

from caas_worker.model import Profile, Score, Stats
from caas_worker.quality import model


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


@dataclass(frozen=True, slots=True)
class Change:
    """Inputs that would raise a component to its maximum, all others staying as they are."""

    words: str
    """What to do, and what it brings, in raw points."""
    profile: dict[str, Any] = field(default_factory=dict)
    """Facts of the profile that would be different, by field."""
    stats: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Statistics that would be different, by function, then column. Neither of both: only the points are known."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a bucket in words. The points of a bucket's components add up to the bucket's."""

    bucket: str
    """Its key in the breakdown."""
    name: str
    points: float
    """Raw points, not rounded."""
    maximum: float | None
    """All maxima together are the raw points that the total is a percentage of; None: a correction, as by rounding."""
    rule: str
    """The published rule of this component in a sentence, with its numbers."""
    because: str
    """The inputs as they are."""
    raises: Change | None = None
    """What would raise it; None at the maximum, and where something else has to come first."""
    note: str | None = None
    """What a reader should know besides: what time will change, why points went."""


@runtime_checkable
class Explains(Protocol):
    """What a strategy may do besides: say in words where its points come from. Asked by people, never by the line."""

    def explain(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Sequence[Component]:
        """The components of what `score` gives for the same arguments."""
        ...


VERSION = re.compile(r".+-v\d{1,9}(\.\d{1,9})*")
"""The shape of a version, whose numbers tell which of two is newer."""


def round_half_up(value: float) -> int:
    """Nearest integer, halves up, after nine decimals: 57.49999999999999 is 58 (scoring, conventions)."""
    return int(model.round_half_up(value))


def is_blank(text: str | None) -> bool:
    """A text that is NULL or blank is absent (scoring, conventions)."""
    return text is None or not text.strip()


def dbs_is_valid(profile: Profile, now: datetime) -> bool:
    """A verified DBS check that has not expired; one without an expiry date does not count (scoring 1.1)."""
    return profile.dbs_verified and profile.dbs_expiry_date is not None and profile.dbs_expiry_date > now
