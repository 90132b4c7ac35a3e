"""The quality tables as they are, held against the oracle that knows only the rules and the application's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tests.quality_oracle import Quality, World, quality

CELLS = ("caas_cell_states", "caas_pair_cells", "caas_pair_sums", "caas_daily_events", "tutor_thresholds")
PUBLISHED = (
    "tutor_daily_aggregates", "tutor_performance_metrics", "tutor_scores", "session_scores", "tutor_alerts",
    "tutor_performance_summaries", "email_reports",
)  # fmt: skip
WORLD = (
    "profiles", "listings", "bookings", "reschedules", "profile_reviews", "platform_events", "session_transcripts",
)  # fmt: skip

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class QualityTables:
    """Every row of the tables, and of the application's that they come from."""

    world: World
    rows: Mapping[str, Rows]
    zone: str = "UTC"

    @classmethod
    def load(cls, connection: psycopg.Connection[Any], zone: str = "UTC") -> "QualityTables":
        """One moment's, if the caller's transaction sees only one."""
        cursor = connection.cursor(row_factory=dict_row)

        def every(table: str) -> Rows:
            return cursor.execute(f"select * from {table}".encode()).fetchall()

        thresholds = {row["profile_id"]: float(row["reschedule_rate"]) for row in every("tutor_thresholds")}
        world = World(**{table: every(table) for table in WORLD}, thresholds=thresholds)
        return cls(world, {table: every(table) for table in PUBLISHED}, zone)

    def compare(self, now: datetime) -> None:
        """Assert that each table is what the oracle says. The windows of inactive tutors stand where they were."""
        wanted = quality(self.world, now, self.zone)
        for profile in self.world.profiles:
            tutor = profile["id"]
            as_of, right = now, wanted
            if (profile["status"] or "active") != "active":
                as_of = max([row["calculated_at"] for row in self._of("tutor_scores", tutor)], default=now)
                right = quality(self.world, as_of, self.zone)
            self._compare(tutor, as_of, right)
        known = {profile["id"] for profile in self.world.profiles}
        assert {row["profile_id"] for rows in self.rows.values() for row in rows} <= known

    def _of(self, table: str, tutor: UUID) -> Rows:
        return [row for row in self.rows[table] if row["profile_id"] == tutor]

    def _compare(self, tutor: UUID, now: datetime, right: Quality) -> None:
        where = f"{tutor} at {now}"
        daily = {row["day"]: _part(row, _one(right.daily)) for row in self._of("tutor_daily_aggregates", tutor)}
        assert daily == {day: _plain(cell) for (of, day), cell in right.daily.items() if of == tutor}, where
        newest = max((row["calculation_date"] for row in self._of("tutor_performance_metrics", tutor)), default=None)
        metrics = {
            row["time_window"]: _part(row, _one(right.metrics))
            for row in self._of("tutor_performance_metrics", tutor)
            if row["calculation_date"] == newest
        }
        assert metrics == {window: _plain(of) for (who, window), of in right.metrics.items() if who == tutor}, where
        scores = {
            row["score_type"]: _part(row, right.scores.get((tutor, row["score_type"]), {}))
            for row in self._of("tutor_scores", tutor)
        }
        assert scores == {name: _plain(of) for (who, name), of in right.scores.items() if who == tutor}, where
        sessions = {
            (row["booking_id"], row["score_type"]): _part(row, _one(right.sessions))
            for row in self._of("session_scores", tutor)
        }
        assert sessions == {key: _plain(of) for key, of in right.sessions.items() if of["profile_id"] == tutor}, where
        summaries = [_part(row, _one(right.summaries)) for row in self._of("tutor_performance_summaries", tutor)]
        assert summaries == [_plain(of) for who, of in right.summaries.items() if who == tutor], where
        active = {row["alert_type"] for row in self._of("tutor_alerts", tutor) if row["status"] != "resolved"}
        must = {kind: of for (who, kind), of in right.alerts.items() if who == tutor and of is not None}
        assert {kind: kind in active for kind in must} == must, where


def _one(rows: Mapping[Any, Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(iter(rows.values()), {})


def _part(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the oracle speaks of."""
    return _plain({name: row[name] for name in wanted})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to nine decimals, whatever their type."""
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain(value)
    if value is None or isinstance(value, str | bool | UUID):
        return value
    return round(float(value), 9)
