"""The quality tables as they are, held against the oracle that knows only the rules and the application's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tests.quality_oracle import Quality, World, day_of, is_tutor, quality, words

CELLS = ("caas.cell_states", "caas.pair_cells", "caas.pair_sums", "caas.daily_events", "caas.tutor_thresholds")
PUBLISHED = (
    "caas.tutor_daily_aggregates", "caas.tutor_performance_metrics", "caas.tutor_scores", "caas.session_scores",
    "caas.tutor_alerts",
    "caas.tutor_performance_summaries", "caas.email_reports",
)  # fmt: skip
OF_TUTORS = (*PUBLISHED[:-1], "caas.daily_events")
"""Nobody else has a row there. What was mailed stays known: who becomes a tutor again is not reported twice."""
WORLD = (
    "profiles", "listings", "bookings", "reschedules", "profile_reviews", "platform_events", "session_transcripts",
)  # fmt: skip
VERSIONS = {"ths": "ths-v1", "tcrs": "tcrs-v1"}
"""Those that the rules name; every other score has one as well."""
NEVER_SAID = ("concern", "poor", "bad")

TICK, FAR = timedelta(microseconds=1), timedelta(days=1000)

Row = Mapping[str, Any]
Rows = Sequence[Row]


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

        thresholds = {row["profile_id"]: float(row["reschedule_rate"]) for row in every("caas.tutor_thresholds")}
        world = World(**{table: every(table) for table in WORLD}, thresholds=thresholds)
        ours = (*PUBLISHED, "caas.daily_events", "caas.cell_states")
        return cls(world, {table: every(table) for table in ours}, zone)

    def compare(self, now: datetime) -> None:
        """Assert that each table is what the oracle says. The windows of inactive tutors stand where they were."""
        known = {profile["id"] for profile in self.world.profiles}
        assert {row["profile_id"] for rows in self.rows.values() for row in rows} <= known
        for profile in self.world.profiles:
            rows = {table: [row for row in of if row["profile_id"] == profile["id"]] for table, of in self.rows.items()}
            if not is_tutor(profile):
                assert {table: rows[table] for table in OF_TUTORS if rows[table]} == {}, f"{profile['id']} is no tutor"
                assert [row["next_due_at"] for row in rows["caas.cell_states"] if row["next_due_at"]] == []
                continue
            active = (profile["status"] or "active") == "active"
            as_of = now if active else max([row["calculated_at"] for row in rows["caas.tutor_scores"]], default=now)
            where = f"{profile['id']} at {as_of}"
            right = self.right(profile, as_of)
            compare_cells(rows, right, where)
            compare_windows(rows, right, day_of(as_of, self.zone), where)
            compare_scores(rows, right, where)
            compare_alerts(rows["caas.tutor_alerts"], right, where)
            self._compare_due(profile, rows["caas.cell_states"], now, right, active=active)
        for row in self.rows["caas.email_reports"]:
            assert str(row["booking_id"]) in row["subject"], row
            assert (row["status"] == "sent") == (row["sent_at"] is not None), row

    def right(self, profile: Row, as_of: datetime) -> Quality:
        """What the oracle says of one profile."""
        return quality(replace(self.world, profiles=[profile]), as_of, self.zone)

    def compare_alerts_since(self, before: Mapping[UUID, str], now: datetime) -> None:
        """Assert that only a fresh score raised or resolved an alert since these states, at a time that was now."""
        profiles = {profile["id"]: profile for profile in self.world.profiles}
        for row in self.rows["caas.tutor_alerts"]:
            was, is_resolved = before.get(row["id"], "resolved"), row["status"] == "resolved"
            if (was == "resolved") != is_resolved:
                said = self.right(profiles[row["profile_id"]], now).alerts[row["profile_id"], row["alert_type"]]
                assert said is (not is_resolved), f"{row} at {now}"

    def compare_reports_since(self, before: Mapping[UUID, UUID], now: datetime) -> None:
        """Assert that since these reports (the tutor by session) only sessions that there are now were reported.

        And that none was forgotten but with its tutor: it might be sent again.
        """
        profiles = {profile["id"]: profile for profile in self.world.profiles}
        owners = {listing["id"]: listing["profile_id"] for listing in self.world.listings}
        bookings = {booking["id"]: booking for booking in self.world.bookings}
        kept = {row["booking_id"] for row in self.rows["caas.email_reports"]}
        assert {tutor for booking, tutor in before.items() if booking not in kept and tutor in profiles} == set()
        for row in self.rows["caas.email_reports"]:
            if row["booking_id"] not in before:
                booking = bookings[row["booking_id"]]
                assert owners[booking["listing_id"]] == row["profile_id"], row
                assert is_tutor(profiles[row["profile_id"]]), row
                assert booking["status"] in ("Completed", "Rescheduled", "No-show"), row
                assert booking["scheduled_start"] <= now, row

    def _compare_due(self, profile: Row, states: Rows, now: datetime, right: Quality, *, active: bool) -> None:
        """Until time is next said to change something, it changes nothing: of the inactive, but for their windows."""
        [state] = states
        due = state["next_due_at"]
        where = f"{profile['id']} at {now}, due at {due}"
        assert due is not None or not active, where
        assert due is None or due > now, where
        assert not state["swept"], where
        before = self.right(profile, now + FAR if due is None else due - TICK)
        assert (before.daily, before.events, before.sessions) == (right.daily, right.events, right.sessions), where
        assert before == right or not active, where


def compare_cells(rows: Mapping[str, Rows], right: Quality, where: str) -> None:
    """Days and events."""
    for table, wanted in (("caas.tutor_daily_aggregates", right.daily), ("caas.daily_events", right.events)):
        compare(rows[table], ("profile_id", "day"), wanted, f"{table} of {where}")


def compare_windows(rows: Mapping[str, Rows], right: Quality, today: date, where: str) -> None:
    """Of the newest calculation day, which is the day that it was."""
    metrics = rows["caas.tutor_performance_metrics"]
    newest = max((row["calculation_date"] for row in metrics), default=None)
    assert newest == today, where
    of_today = [row for row in metrics if row["calculation_date"] == newest]
    compare(of_today, ("profile_id", "time_window"), right.metrics, where)
    assert {(row["profile_id"], row["time_window"]): row["flags"] for row in of_today} == right.flags, where


def compare_scores(rows: Mapping[str, Rows], right: Quality, where: str) -> None:
    """Of tutors and sessions, and the summary."""
    compare(rows["caas.tutor_scores"], ("profile_id", "score_type"), right.scores, where)
    compare(rows["caas.session_scores"], ("booking_id", "score_type"), right.sessions, where)
    for row in (*rows["caas.tutor_scores"], *rows["caas.session_scores"]):
        assert row["version"] == VERSIONS.get(row["score_type"], row["version"] or "a version"), where
    compare(
        rows["caas.tutor_performance_summaries"], ("profile_id",), {(k,): v for k, v in right.summaries.items()}, where
    )
    for row in rows["caas.tutor_performance_summaries"]:
        for text in (row["summary"], row["what_went_well"], row["improvement_suggestion"]):
            assert words(text), where
            assert not any(word.startswith(NEVER_SAID) for word in words(text)), text


def compare_alerts(alerts: Rows, right: Quality, where: str) -> None:
    """Which are active, at most one of a type, and what they tell of."""
    active = {(row["profile_id"], row["alert_type"]): row for row in alerts if row["status"] != "resolved"}
    assert len(active) == len([row for row in alerts if row["status"] != "resolved"]), where
    must = {key: of for key, of in right.alerts.items() if of is not None}
    assert {key: key in active for key in must} == must, where
    for key, row in active.items():
        assert (row["severity"], row["resolved_at"]) == ("high", None), where
        if must.get(key):
            assert (float(row["score_value"]), row["booking_id"]) == right.behind[key], f"{key} of {where}"


def compare(rows: Rows, key: Sequence[str], wanted: Mapping[Any, Row], where: str) -> None:
    """Assert that these are the wanted rows, in the columns that are wanted of each."""
    seen = {tuple(row[name] for name in key): row for row in rows}
    found = {of: _part(row, wanted.get(of, {})) for of, row in seen.items()}
    assert found == {of: _plain(row) for of, row in wanted.items()}, where


def _part(row: Row, wanted: Row) -> dict[str, Any]:
    """What the oracle speaks of."""
    return {
        name: _part(row[name], of) if isinstance(of, Mapping) else _value(row.get(name, "missing"))
        for name, of in wanted.items()
    }


def _plain(values: Row) -> dict[str, Any]:
    """Numbers to nine decimals, whatever their type."""
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain(value)
    if value is None or isinstance(value, str | bool | UUID | datetime):
        return value
    return round(float(value), 9)
