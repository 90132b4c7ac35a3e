"""What requests and answers look like. Strict: nothing is coerced, nothing unknown is let through."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")]
ProfileId = Annotated[_Uuid, Field(description="Id of a profile, a uuid.")]
AlertId = Annotated[_Uuid, Field(description="Id of an alert, a uuid.")]
SessionId = Annotated[_Uuid, Field(description="Id of a session, a uuid: that of its booking.")]
ListingId = Annotated[_Uuid, Field(description="Id of a listing, a uuid.")]


def whole(value: Any) -> Any:
    """JSON has one kind of number: 100.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


BatchSize = Annotated[int, Field(ge=1, le=10_000), BeforeValidator(whole)]
Batches = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(whole)]


class Body(BaseModel):
    """What every request and answer is."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Problem(Body):
    """What went wrong."""

    code: str = Field(description="A word for programs.", examples=["PROFILE_NOT_FOUND"])
    message: str = Field(description="A sentence for people.")
    details: list[dict[str, Any]] = Field(description="For an invalid request: where it is wrong, and how.")


class ProblemBody(Body):
    """The one shape of every error."""

    error: Problem


class ScoreBody(Body):
    """A row of the score cache."""

    profile_id: UUID
    role_type: str | None = Field(description="The role that was scored; null without a supported role.")
    total_score: int = Field(description="0 to 100, higher is better.", ge=0, le=100)
    held: bool = Field(description="Whether total_score is pinned by hand.")
    score_breakdown: dict[str, Any] = Field(description="Points per bucket, not rounded, and flags.")
    score_inputs: dict[str, Any] = Field(description="The statistics and facts that the points came from.")
    reason: Literal["unverified", "unsupported_role"] | None = Field(description="Why the rule gives 0; else null.")
    calculation_version: str | None = Field(description="Version of the rule; null: nothing needed to be computed.")
    gate_failed: bool = Field(description="The identity is not verified.")
    calculated_at: datetime | None = Field(description="The time that the score holds for.")
    source_changed_at: datetime | None = Field(description="The newest change that the score covers.")
    next_due_at: datetime | None = Field(description="When time alone will next change the score; null: never.")
    generation: int | None = Field(description="Generation of the queue entry that it was computed for.")


class QueuedBody(Body):
    """A calculation that was asked for and is not done."""

    profile_id: UUID
    generation: int = Field(description="The cached row has this generation when it is done, or a later calculated_at.")
    status: Literal["queued"]
    message: str | None = Field(description="Why it is not done yet, where that is known.")


class DrainRequest(Body):
    """Limits of a drain; the service's own limits stay above them."""

    batch_size: BatchSize | None = Field(default=None, description="Profiles in a batch.")
    max_batches: Batches | None = Field(default=None, description="Stop after so many batches.")
    max_seconds: float | None = Field(default=None, gt=0, le=300, description="Begin no batch after so many seconds.")


class DrainBody(Body):
    """What a drain did: the summary of `caas-worker drain`."""

    processed: int
    failed: int
    removed: int
    dead: int
    lost: int
    error_types: dict[str, int]
    remaining: int | None = Field(description="Entries and marks that are left; null: there was no time to count.")
    batches: int
    marks_folded: int
    duration_ms: int
    complete: bool = Field(
        description="False: the time was over within a batch, which goes on uncounted, or before there was a turn."
    )


class DepthBody(Body):
    """Entries by priority."""

    manual: int
    live: int
    time: int
    backfill: int


class QueueBody(Body):
    """The queue at a glance: the figures of `caas-worker queue status`."""

    marks: int
    ready: int
    waiting: int
    in_flight: int
    dead: int
    due: int
    scores: int
    workers: int
    holds: int
    depth: DepthBody
    oldest_seconds: float = Field(description="Age of the oldest change, manual or live, that is not in the cache.")
    stalest_seconds: float = Field(description="Age of the oldest change of any kind that is not in the cache.")
    tiers: dict[str, int] = Field(description="Tutors by performance tier of the last 30 days; none: without sessions.")


class HealthBody(Body):
    """Whether the service can do its work."""

    status: Literal["ok", "unavailable"]
    version: str
    database: Literal["ok", "away", "busy", "error"] = Field(
        description="away: it does not answer. busy: all connections are at work. error: it answers, and refuses what "
        "is asked, such as before a migration."
    )
    queue_depth: int | None = Field(description="Entries of the queue.")
    oldest_seconds: float | None = Field(description="Age of the oldest change that is not in the cache.")
