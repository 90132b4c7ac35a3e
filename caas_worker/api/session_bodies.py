"""What the routes of sessions take and answer."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from caas_worker.api.bodies import Body, ListingId, ProfileId, SessionId, whole
from caas_worker.api.values import Moment, Name, Text, Url
from caas_worker.sessions import Completion, Reschedule, Session

STATUSES = {"completed": "Completed", "rescheduled": "Rescheduled", "no_show": "No-show", "confirmed": "Confirmed"}
"""Labels of the application's."""
PARTIES = {"tutor": "tutor", "student": "client"}


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
SessionNumber = Annotated[int, Field(ge=1, le=2_147_483_647), BeforeValidator(whole)]
Party = Literal["tutor", "student"]


class RescheduleInfo(Body):
    """How a session was rescheduled."""

    initiator: Party
    original_time: Moment = Field(description="When it was to begin.")
    new_time: Moment | None = Field(default=None, description="When it is to begin now; null: nobody knows.")
    reason: Text | None = Field(default=None, description="Why, in words.")
    reason_code: Name | None = Field(default=None, description="Why, for programs.")
    cancelled_at: Moment | None = Field(default=None, description="When it was called off.")

    def as_written(self) -> Reschedule:
        """As the application writes it."""
        return Reschedule(**dict(self))


class SessionRequest(Body):
    """A session: a booking of the application's."""

    session_id: SessionId
    tutor_id: ProfileId
    listing_id: ListingId | None = Field(default=None, description="Null: the tutor's listing with the smallest id.")
    student_id: ProfileId
    scheduled_start: Moment
    scheduled_end: Moment = Field(description="After scheduled_start.")
    status: Annotated[Literal["completed", "rescheduled", "no_show", "confirmed"], BeforeValidator(_lower)] = Field(
        description="In any letter case."
    )
    type: Literal["paid", "free_help"] | None = None
    actual_start: Moment | None = None
    actual_end: Moment | None = Field(default=None, description="After actual_start.")
    no_show_by: Party | None = Field(default=None, description="Who stayed away; with status no_show only.")
    session_number: SessionNumber | None = Field(
        default=None, description="1: the first of this student with this tutor."
    )
    tech_issue: bool = False
    engagement_score: Fraction | None = None
    learning_objectives_met: bool | None = None
    recording_url: Url | None = None
    reschedule_info: RescheduleInfo | None = Field(default=None, description="With status rescheduled, and only then.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tutor_id == self.student_id:
            raise ValueError("nobody is their own student")
        if self.scheduled_end <= self.scheduled_start:
            raise ValueError("scheduled_end has to be after scheduled_start")
        if self.actual_start and self.actual_end and self.actual_end <= self.actual_start:
            raise ValueError("actual_end has to be after actual_start")
        if self.status == "rescheduled" and self.reschedule_info is None:
            raise ValueError("a rescheduled session needs reschedule_info")
        if self.status != "rescheduled" and self.reschedule_info is not None:
            raise ValueError("only a rescheduled session has reschedule_info")
        if self.status != "no_show" and self.no_show_by is not None:
            raise ValueError("only a session with status no_show has no_show_by")
        return self

    def as_written(self) -> Session:
        """As the application writes it."""
        values = {name: value for name, value in self if name != "reschedule_info"}
        ids = {name: UUID(value) for name, value in values.items() if name.endswith("_id") and value}
        no_show_by = PARTIES[self.no_show_by] if self.no_show_by else None
        return Session(**values | ids | {"status": STATUSES[self.status], "no_show_by": no_show_by})


class CompletionRequest(Body):
    """What is known of a session that took place."""

    actual_start: Moment
    actual_end: Moment | None = Field(default=None, description="After actual_start.")
    engagement_score: Fraction | None = None
    learning_objectives_met: bool | None = None
    tech_issue: bool | None = None
    recording_url: Url | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.actual_end and self.actual_end <= self.actual_start:
            raise ValueError("actual_end has to be after actual_start")
        return self

    def as_written(self) -> Completion:
        """As the application writes it."""
        return Completion(**dict(self))


class SessionBody(Body):
    """A session that was taken over."""

    session_id: UUID
    status: Literal["accepted"]
