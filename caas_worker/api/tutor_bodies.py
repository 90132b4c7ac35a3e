"""What the routes of tutors take and answer."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from caas_worker.api.bodies import Body
from caas_worker.api.values import Name

Number = Annotated[float, Field(strict=False)]
"""A numeric of PostgreSQL's, too."""
Window = Literal["7day", "30day", "90day"]
Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=1_000_000_000)]
SortBy = Literal[
    "profile_id",
    "is_high_risk",
    "risk_level",
    "reschedule_rate_7d",
    "reschedule_rate_30d",
    "reschedule_rate_90d",
    "threshold",
    "performance_tier",
    "ths",
    "tcrs",
    "active_alerts",
    "sessions_completed_30d",
    "avg_rating_30d",
    "total_score",
    "calculated_at",
]


class TutorsQuery(BaseModel):
    """Which tutors, and in which order."""

    model_config = ConfigDict(frozen=True)

    risk_status: Literal["all", "high_risk", "low_risk"] = Field(
        default="all", description="high_risk: a reschedule rate is above the tutor's threshold."
    )
    search: str = Field(
        default="", max_length=100, description="What the profile id begins with, with or without hyphens."
    )
    sort_by: SortBy = Field(
        default="reschedule_rate_30d",
        description="A field of the items. Levels and tiers stand from good to bad; tutors without it come last, those "
        "with the same by profile id.",
    )
    sort_order: Literal["asc", "desc"] = Field(default="desc", description="Ascending or descending.")
    limit: Limit = Field(default=100, description="At most so many items.")
    offset: Offset = Field(default=0, description="How many to leave out first.")


class TutorBody(Body):
    """A tutor at a glance."""

    profile_id: UUID
    is_high_risk: bool = Field(description="A reschedule rate is above the threshold.")
    risk_level: str | None = Field(description="Reschedule risk: low, medium or high.")
    reschedule_rate_7d: Number | None = Field(description="Sessions that the tutor rescheduled in 7 days, per cent.")
    reschedule_rate_30d: Number | None = Field(description="The same in 30 days.")
    reschedule_rate_90d: Number | None = Field(description="The same in 90 days.")
    threshold: Number | None = Field(description="The rate above which the risk is high, per cent.")
    performance_tier: str | None = Field(
        description="Of 30 days: Exemplary, Strong, Developing, Needs Attention, At Risk; null without sessions."
    )
    ths: Number | None = Field(description="Health, 0 to 100, higher is better; null: too little is known.")
    tcrs: Number | None = Field(description="Churn risk, 0 to 1, higher is worse; null: too little is known.")
    active_alerts: int = Field(description="Alerts that nobody resolved.")
    sessions_completed_30d: int | None = Field(description="Sessions completed in 30 days.")
    avg_rating_30d: Number | None = Field(description="Mean rating of the sessions of 30 days; null: none.")
    total_score: int | None = Field(description="Credibility, 0 to 100; null: not computed yet.")
    calculated_at: datetime = Field(description="The time that the reschedule risk holds for.")


class TutorsBody(Body):
    """A page of tutors."""

    items: list[TutorBody]
    total: int = Field(description="How many tutors match, on all pages.")
    limit: int
    offset: int


class TutorScoreBody(Body):
    """A score of a tutor."""

    score_type: Literal["ths", "tcrs", "reschedule_risk"]
    value: Number | None = Field(description="The score; null: too little is known for one.")
    level: str | None = Field(description="What the value means.")
    components: dict[str, Any] = Field(description="What it was made from.")
    version: str = Field(description="Version of the rule.")
    calculated_at: datetime = Field(description="The time that the score holds for.")


class WindowBody(Body):
    """Metrics of one window of days."""

    time_window: Window
    calculation_date: date = Field(description="The last day of the window.")
    sessions_completed: int
    avg_rating: Number | None
    first_session_success_rate: Number | None = Field(
        description="Good ratings among those of first sessions, per cent."
    )
    reschedule_rate: Number | None = Field(description="Sessions that the tutor rescheduled, per cent.")
    no_show_count: int = Field(description="Sessions that the tutor missed.")
    engagement_score: Number | None = Field(description="0 to 100.")
    learning_objectives_met_pct: Number | None = Field(description="Per cent of the recorded answers.")
    response_time_avg_minutes: Number | None
    performance_tier: str | None
    flags: dict[str, Any] = Field(description="Which metrics are green and which red: why the tier is what it is.")
    calculated_at: datetime


class AlertBody(Body):
    """An alert."""

    id: UUID
    profile_id: UUID
    alert_type: Literal["poor_first_session", "high_reliability_risk", "churn_risk"]
    severity: str
    status: Literal["open", "acknowledged", "resolved"]
    score_value: Number = Field(description="The score that it is about, at the last check.")
    booking_id: UUID | None = Field(description="The session that it is about, for poor_first_session.")
    raised_at: datetime
    last_checked_at: datetime = Field(description="When its figures were last refreshed.")
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None = Field(description="Who ended it; null: a fresh score did.")
    auto_resolved: bool = Field(description="A fresh score ended it.")
    email_status: str = Field(description="none (nobody to write to), pending, sent or failed.")


class SummaryBody(Body):
    """A tutor's newest sessions in words."""

    profile_id: UUID
    trend: Literal["improving", "stable", "declining", "insufficient_data"]
    average_sqs: Number | None = Field(description="Mean quality of the five newest sessions that have one.")
    summary: str | None = Field(description="Null, as the further texts: nothing is written yet.")
    what_went_well: str | None
    improvement_suggestion: str | None
    calculated_at: datetime | None


class TutorDetailBody(TutorBody):
    """All that is published of a tutor."""

    scores: list[TutorScoreBody]
    metrics: list[WindowBody] = Field(description="Of the newest calculation day of each window.")
    alerts: list[AlertBody] = Field(description="Active ones, the newest first.")
    summary: SummaryBody | None = Field(description="Null: nothing is written yet.")


class ScoresBody(Body):
    """Scores of a tutor."""

    profile_id: UUID
    scores: list[TutorScoreBody]


class MetricsBody(Body):
    """Window metrics of a tutor."""

    profile_id: UUID
    metrics: list[WindowBody]


class AlertsBody(Body):
    """Alerts of a tutor."""

    profile_id: UUID
    alerts: list[AlertBody]


class WeekBody(Body):
    """A closed week."""

    week_start: date = Field(description="Its Monday.")
    week_end: date = Field(description="Its Sunday.")
    sessions: int = Field(description="Completed, rescheduled and missed by anybody.")
    sessions_completed: int
    tutor_reschedules: int = Field(description="Sessions that the tutor rescheduled.")
    no_shows: int = Field(description="Sessions that the tutor missed.")
    reschedule_rate: Number = Field(description="Rescheduled by the tutor, per cent of all; 0.0 without sessions.")


class DayBody(Body):
    """A day with sessions."""

    day: date
    sessions: int
    sessions_completed: int
    tutor_reschedules: int
    no_shows: int
    avg_lateness_min: Number | None = Field(description="Mean minutes late; null: no start time is known.")


class HistoryBody(Body):
    """Weeks and days of a tutor, the oldest first."""

    profile_id: UUID
    days: int
    weeks: list[WeekBody]
    daily: list[DayBody]


class RiskBody(Body):
    """A place in the risk list, with what it is made of."""

    profile_id: UUID
    fsrs: Number | None = Field(description="Risk of the newest first session that has one; null counts as 30.")
    ths: Number | None = Field(description="Health; null counts as 65.")
    tcrs: Number | None = Field(description="Churn risk; null counts as 0.4.")
    active_alerts: int
    risk: Number = Field(description="fsrs + (100 - ths) + 100 * tcrs + 20 * active_alerts.")


class RiskListBody(Body):
    """A page of the risk list."""

    items: list[RiskBody]
    total: int = Field(description="How many tutors there are.")
    limit: int
    offset: int


class ActorRequest(Body):
    """Who does it."""

    actor: Name = Field(description="A name.")
