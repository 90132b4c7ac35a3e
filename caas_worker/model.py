"""What travels along the line: frozen values, no behaviour beyond their own shape."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

Stats = Mapping[str, Any]
"""One profile's row of one statistics function: column name to value, the id left out; numerics as float."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In the place of a stored value that can't be read, or is too long to be."""


def stored(text: str) -> Any:
    """JSON as the application stored it, or Unreadable.

    jsonb keeps numbers of any length, which no rule reads: they become floats. Python's parser gives up on brackets
    within brackets, a thousand deep.
    """
    try:
        return json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return Unreadable()


@dataclass(frozen=True, slots=True)
class RoleDetails:
    """The application's role_details of one role. `qualifications` has whatever shape was stored, or is Unreadable."""

    degree_level: str | None = None
    qualifications: Any = None
    teaching_experience: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """The facts of a profile that rules read (marketplace tables profiles and role_details)."""

    profile_id: UUID
    roles: frozenset[str] = frozenset()
    """Upper case."""
    identity_verified: bool = False
    dbs_verified: bool = False
    dbs_expiry_date: datetime | None = None
    available_free_help: bool = False
    bio: str | None = None
    bio_video_url: str | None = None
    avatar_url: str | None = None
    business_verified: bool = False
    role_details: Mapping[str, RoleDetails] = field(default_factory=dict)
    """By upper-case role type."""

    @property
    def is_tutor(self) -> bool:
        """Whether it gets quality scores (scoring 2 to 11)."""
        return "TUTOR" in self.roles


@dataclass(frozen=True, slots=True)
class Entry:
    """A claimed entry of the queue."""

    profile_id: UUID
    generation: int
    priority: int
    place: int
    reasons: Sequence[str]
    first_changed_at: datetime
    last_changed_at: datetime
    deleted: bool
    attempts: int
    losses: int = 0
    """From SUSPECT_LOSSES on it was claimed alone, out of the order of places."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch and the token that it is held under."""

    token: UUID
    entries: tuple[Entry, ...]

    @property
    def profile_ids(self) -> list[UUID]:
        return [entry.profile_id for entry in self.entries]


@dataclass(frozen=True, slots=True)
class Score:
    """A computed score: what a strategy returns and `caas.scores` keeps."""

    role_type: str | None
    version: str
    total: int
    """0 to 100."""
    breakdown: Mapping[str, float | bool] = field(default_factory=dict)
    """Points per bucket, not rounded, and flags."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """The statistics and facts that the points came from."""
    reason: str | None = None
    gate_failed: bool = False
    next_due_at: datetime | None = None
    """When time alone will next change the score; None: never."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one profile could not be scored."""

    error: str
    message: str
    detail: str | None = None
    cause: Exception | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Computed:
    """Scores of profiles, nothing of them written yet; a profile that stands nowhere does not exist."""

    scores: dict[UUID, tuple[Score, datetime]] = field(default_factory=dict)
    """With the time that each holds for."""
    failures: dict[UUID, Failure] = field(default_factory=dict)
    strategies: dict[UUID, str] = field(default_factory=dict)
    """Name of the strategy of each profile whose facts could be read."""
    tutors: set[UUID] = field(default_factory=set)
    """Those that carry the role TUTOR."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The outcome of stats and strategy for a batch: each profile stands in exactly one of the three."""

    rows: Mapping[UUID, str]
    """Rows for the cache, as JSON."""
    missing: frozenset[UUID]
    failures: Mapping[UUID, Failure]
    strategies: Mapping[UUID, str] = field(default_factory=dict)
    """Name of the strategy of each profile whose facts could be read; a profile without one is missing here."""
    tutors: frozenset[UUID] = frozenset()
    """Those that carry the role TUTOR, and get quality scores."""

    def only(self, profile_ids: Collection[UUID]) -> "Scored":
        """The part that concerns these profiles."""
        wanted = frozenset(profile_ids)
        return Scored(
            rows={key: row for key, row in self.rows.items() if key in wanted},
            missing=self.missing & wanted,
            failures={key: failure for key, failure in self.failures.items() if key in wanted},
            strategies=self.strategies,
            tutors=self.tutors & wanted,
        )

    def without(self, refused: Mapping[UUID, Failure]) -> "Scored":
        """The same, with these profiles' scores replaced by their failures."""
        rows = {key: row for key, row in self.rows.items() if key not in refused}
        return replace(self, rows=rows, failures={**self.failures, **refused})
