"""From-scratch recomputation of the tutors' quality figures, written only from the rules (scoring 2 to 9).

`quality` works out every figure from the application's tables alone, row by row and in exact fractions, slowly on
purpose. It shares no code and no SQL with the product but the phrase lists, so that the two can only agree by both
being right.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from caas_worker.quality.phrases import Phrases

Row = Mapping[str, Any]

WINDOWS = {"7day": 7, "30day": 30, "90day": 90}
STATUSES = ("Completed", "Rescheduled", "No-show")
"""What counts as a session."""

DEFAULT_THRESHOLD = 15.0
PHRASES = Phrases()
APOSTROPHES = "\u2019\u2018\u201b\u02bc\u2032\u00b4\uff07`"
"""What people and their keyboards write for an apostrophe."""


@dataclass(frozen=True)
class World:
    """Rows of the application's tables as dicts with their column names (as psycopg's dict_row returns them)."""

    profiles: Sequence[Row] = ()
    listings: Sequence[Row] = ()
    bookings: Sequence[Row] = ()
    reschedules: Sequence[Row] = ()
    profile_reviews: Sequence[Row] = ()
    platform_events: Sequence[Row] = ()
    session_transcripts: Sequence[Row] = ()
    thresholds: Mapping[UUID, float] = field(default_factory=dict)
    """A tutor's own reschedule threshold in per cent."""


@dataclass(frozen=True)
class Quality:
    """What every figure must be; rounded numbers are floats, None is "no data"."""

    daily: dict[tuple[UUID, date], dict[str, Any]]
    """By tutor and day: sessions, sessions_completed, reschedules_tutor_initiated, no_shows, avg_lateness_min."""
    metrics: dict[tuple[UUID, str], dict[str, Any]]
    """By tutor and window, for the calculation day that is today."""
    scores: dict[tuple[UUID, str], dict[str, Any]]
    """By tutor and score type: value, level, and the components of reschedule_risk."""
    sessions: dict[tuple[UUID, str], dict[str, Any]]
    """By booking and score type: profile_id, value, level."""
    alerts: dict[tuple[UUID, str], bool | None]
    """By tutor and alert type: whether it must be active now; None, no fresh score: it may be either."""
    summaries: dict[UUID, dict[str, Any]]
    """By tutor: trend and average_sqs."""


@dataclass(frozen=True)
class Session:
    """A booking that counts: of a tutor, begun by now, and completed, rescheduled or missed."""

    row: Row
    tutor: UUID
    day: date
    rescheduled_by_tutor: bool

    @property
    def id(self) -> UUID:
        booking_id: UUID = self.row["id"]
        return booking_id

    @property
    def order(self) -> tuple[datetime, UUID]:
        """Sessions from the oldest to the newest."""
        return utc(self.row["scheduled_start"]), self.id

    @property
    def completed(self) -> bool:
        return bool(self.row["status"] == "Completed")

    @property
    def missed_by_tutor(self) -> bool:
        return bool(self.row["status"] == "No-show" and self.row["no_show_by"] == "tutor")

    @property
    def minutes_late(self) -> Fraction | None:
        """Zero when it began early; None when nobody knows when it began."""
        if self.row["actual_start"] is None:
            return None
        return max(Fraction(0), minutes(self.row["scheduled_start"], self.row["actual_start"]))


def quality(world: World, now: datetime, zone: str = "UTC", phrases: Phrases = PHRASES) -> Quality:
    """Every figure of every tutor at this moment; days are those of the zone."""
    found = Quality({}, {}, {}, {}, {}, {})
    now = utc(now)
    today = day_of(now, zone)
    transcripts = {row["booking_id"]: row["turns"] for row in world.session_transcripts}
    for profile in world.profiles:
        if not is_tutor(profile):
            continue
        tutor = profile["id"]
        sessions = sessions_of(tutor, world, now, zone)
        for day in {session.day for session in sessions}:
            found.daily[tutor, day] = daily([session for session in sessions if session.day == day])
        for window, days in WINDOWS.items():
            taught = last_days(sessions, days, today)
            events = events_of(tutor, world, days, now, zone)
            found.metrics[tutor, window] = metrics(taught, ratings(tutor, taught, world), events)

        week = last_days(sessions, 7, today)
        ths = health(week)
        tcrs = churn(sessions, today)
        threshold = float(world.thresholds.get(tutor, DEFAULT_THRESHOLD))
        found.scores[tutor, "ths"] = ths
        found.scores[tutor, "tcrs"] = {"value": tcrs["value"], "level": tcrs["level"]}
        found.scores[tutor, "reschedule_risk"] = reschedule_risk(sessions, today, threshold)

        all_sqs: list[int] = []  # newest first, as the rest
        all_fsrs: list[int] = []
        for session in sorted(sessions, key=lambda session: session.order, reverse=True):
            sqs = session_quality(session)
            if sqs is not None:
                found.sessions[session.id, "sqs"] = {"profile_id": tutor, "value": sqs, "level": sqs_level(sqs)}
                all_sqs.append(sqs)
            fsrs = None
            if is_first_of_its_client(session, sessions):
                fsrs = first_session_risk(session, transcripts.get(session.id), phrases)
            if fsrs is not None:
                level = "high_risk" if fsrs >= 50 else "stable"
                found.sessions[session.id, "fsrs"] = {"profile_id": tutor, "value": fsrs, "level": level}
                all_fsrs.append(fsrs)

        found.alerts[tutor, "poor_first_session"] = all_fsrs[0] >= 50 if all_fsrs else None
        unreliable = None if ths["value"] is None else ths["value"] < 55 or often_absent(week)
        found.alerts[tutor, "high_reliability_risk"] = unreliable
        enough = tcrs["value"] is not None and tcrs["days"] >= 7
        found.alerts[tutor, "churn_risk"] = tcrs["value"] >= 0.6 if enough else None
        found.summaries[tutor] = summary(all_sqs[:5])
    return found


# Whose rows they are, and on which day


def is_tutor(profile: Row) -> bool:
    return any(isinstance(role, str) and role.strip().upper() == "TUTOR" for role in profile["roles"])


def sessions_of(tutor: UUID, world: World, now: datetime, zone: str) -> list[Session]:
    listings = {listing["id"] for listing in world.listings if listing["profile_id"] == tutor}
    moved_by_tutor = {row["booking_id"] for row in world.reschedules if row["initiator"] == "tutor"}
    sessions = []
    for row in world.bookings:
        if row["listing_id"] not in listings or row["status"] not in STATUSES or utc(row["scheduled_start"]) > now:
            continue
        moved = row["status"] == "Rescheduled" and row["id"] in moved_by_tutor
        sessions.append(Session(row, tutor, day_of(row["scheduled_start"], zone), moved))
    return sessions


def events_of(tutor: UUID, world: World, days: int, now: datetime, zone: str) -> list[Row]:
    """The tutor's events of that many calendar days that end today, but none that is still to come."""
    today = day_of(now, zone)
    found = []
    for row in world.platform_events:
        if row["profile_id"] != tutor or row["occurred_at"] is None or utc(row["occurred_at"]) > now:
            continue
        if in_last_days(day_of(row["occurred_at"], zone), days, today):
            found.append(row)
    return found


def ratings(tutor: UUID, sessions: Sequence[Session], world: World) -> list[tuple[Session, int]]:
    """What others gave the tutor for these sessions."""
    by_booking = {session.id: session for session in sessions}
    found = []
    for row in world.profile_reviews:
        if row["reviewee_id"] != tutor or row["reviewer_id"] == tutor or row["rating"] is None:
            continue
        if row["booking_id"] in by_booking:
            found.append((by_booking[row["booking_id"]], row["rating"]))
    return found


def last_days(sessions: Iterable[Session], days: int, today: date) -> list[Session]:
    return [session for session in sessions if in_last_days(session.day, days, today)]


def in_last_days(day: date, days: int, today: date) -> bool:
    """Whether it is one of that many calendar days that end today."""
    reference = today + timedelta(days=1)
    return reference - timedelta(days=days) <= day < reference


def day_of(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


# Daily aggregates (2)


def daily(sessions: Sequence[Session]) -> dict[str, Any]:
    """One day's row."""
    lateness = mean_lateness(sessions)
    return {
        "sessions": len(sessions),
        "sessions_completed": completed(sessions),
        "reschedules_tutor_initiated": rescheduled(sessions),
        "no_shows": no_shows(sessions),
        "avg_lateness_min": None if lateness is None else float(lateness),
    }


def mean_lateness(sessions: Iterable[Session]) -> Fraction | None:
    """Minutes late of the completed sessions whose start is known, on time counting 0."""
    late = [session.minutes_late for session in sessions if session.completed and session.minutes_late is not None]
    return mean(late)


# Window metrics (3)


def metrics(
    sessions: Sequence[Session], received: Sequence[tuple[Session, int]], events: Sequence[Row]
) -> dict[str, Any]:
    """One window's row."""
    first_ratings = [rating for session, rating in received if session.row["session_number"] == 1]
    good_first_ratings = [rating for rating in first_ratings if rating >= 4]
    answers = [
        session.row["learning_objectives_met"]
        for session in sessions
        if session.row["learning_objectives_met"] is not None
    ]
    response_times = []
    for event in events:
        if event["event_type"] == "message_response":
            response_times.extend(response_minutes(event["metadata"]))
    found: dict[str, Any] = {
        "sessions_completed": completed(sessions),
        "avg_rating": rounded(mean([Fraction(rating) for _, rating in received]), 2),
        "first_session_success_rate": rounded(percentage(len(good_first_ratings), len(first_ratings)), 2),
        "reschedule_rate": rounded(percentage(rescheduled(sessions), len(sessions)), 2),
        "no_show_count": no_shows(sessions),
        "engagement_score": rounded(engagement(sessions, events), 2),
        "learning_objectives_met_pct": rounded(percentage(answers.count(True), len(answers)), 2),
        "response_time_avg_minutes": rounded(mean(response_times), 2),
    }
    found["performance_tier"] = tier(found, len(sessions)) if sessions else None
    return found


def engagement(sessions: Sequence[Session], events: Sequence[Row]) -> Fraction | None:
    if not sessions:
        return None
    logins = len([event for event in events if event["event_type"] == "login"])
    login = min(Fraction(logins, max(len(sessions), 1)) * 100, Fraction(100))

    recorded = []
    for session in sessions:
        if session.row["engagement_score"] is not None:
            recorded.append(Fraction(session.row["engagement_score"]))
    mean_recorded = mean(recorded)
    in_session = Fraction(50) if mean_recorded is None else mean_recorded * 100

    started = [session.minutes_late for session in sessions if session.completed and session.minutes_late is not None]
    punctual = [late for late in started if late <= 10]
    on_time = percentage(len(punctual), len(started)) or Fraction(0)
    return Fraction(4, 10) * login + Fraction(4, 10) * in_session + Fraction(2, 10) * on_time


def response_minutes(metadata: Any) -> list[Fraction]:
    """The event's time to answer if it counts: a number, zero or more."""
    time = metadata.get("response_time_minutes") if isinstance(metadata, dict) else None
    if isinstance(time, bool) or not isinstance(time, int | float) or time < 0:
        return []
    return [Fraction(str(time))]  # 0.1 as it was written, not as a float holds it


def tier(figures: Mapping[str, Any], sessions: int) -> str:
    """From the flags of the rounded figures; a figure without data adds none."""
    green = 0
    red = 0
    rating = figures["avg_rating"]
    if rating is not None:
        green += rating >= 4.5
        red += rating < 3.5
    first_success = figures["first_session_success_rate"]
    if first_success is not None:
        green += first_success >= 85
        red += first_success < 70
    reschedule_rate = figures["reschedule_rate"]
    if reschedule_rate is not None:
        green += reschedule_rate <= 10
        red += reschedule_rate > 15
    missed = figures["no_show_count"]
    green += missed == 0
    red += missed > 3 or (sessions >= 20 and Fraction(missed, sessions) > Fraction(5, 100))
    engaged = figures["engagement_score"]
    if engaged is not None:
        green += engaged >= 80
        red += engaged < 60
    objectives = figures["learning_objectives_met_pct"]
    if objectives is not None:
        green += objectives >= 90
        red += objectives < 80

    if green >= 5 and red == 0:
        return "Exemplary"
    if red >= 3:
        return "At Risk"
    if red >= 1:
        return "Needs Attention"
    if green >= 3:
        return "Strong"
    return "Developing"


# Tutor health score (4)


def health(week: Sequence[Session]) -> dict[str, Any]:
    """THS of the sessions of the 7 days."""
    held = reliable_and_not(week)
    if held == 0:
        return {"value": None, "level": None}
    value = (
        Fraction(100)
        - 40 * Fraction(rescheduled(week), held)
        - 30 * Fraction(no_shows(week), held)
        - 30 * min(Fraction(1), weighted_lateness(week) / 15)
    )
    score = rounded(clamped(value, 0, 100), 2)
    assert score is not None
    if score < 55 or often_absent(week):
        level = "high_risk"
    elif score < 75:
        level = "monitor"
    else:
        level = "stable"
    return {"value": score, "level": level}


def weighted_lateness(week: Sequence[Session]) -> Fraction:
    """Minutes: 0.6 of the 3 newest days that have a mean lateness, 0.4 of the older ones; days weigh alike."""
    days = []
    for day in sorted({session.day for session in week}, reverse=True):
        lateness = mean_lateness(session for session in week if session.day == day)
        if lateness is not None:
            days.append(lateness)
    newest, older = mean(days[:3]), mean(days[3:])
    if newest is None:
        return Fraction(0)
    if older is None:
        return newest
    return Fraction(6, 10) * newest + Fraction(4, 10) * older


def reliable_and_not(sessions: Sequence[Session]) -> int:
    """The sessions of the health score: those that the tutor held, moved or missed."""
    return completed(sessions) + rescheduled(sessions) + no_shows(sessions)


def often_absent(week: Sequence[Session]) -> bool:
    """The clauses of section 8 that the penalties alone would not reach."""
    held = reliable_and_not(week)
    missed, moved = no_shows(week), rescheduled(week)
    return (missed >= 2 and 2 * missed >= held) or (moved >= 3 and 2 * moved >= held)


# Tutor churn risk score (5)


def churn(sessions: Sequence[Session], today: date) -> dict[str, Any]:
    """TCRS, with the number of days behind it and the trend."""
    if not sessions:
        return {"value": None, "level": None, "days": 0, "trend": None}
    first_day = max(today - timedelta(days=13), min(session.day for session in sessions))
    days = (today - first_day).days + 1
    counts = []  # oldest first
    for number in range(days):
        day = first_day + timedelta(days=number)
        counts.append(Fraction(completed([session for session in sessions if session.day == day])))
    average = sum(counts, Fraction(0)) / days

    expected = [average] * days
    if days == 14:
        expected = [(counts[number % 7] + counts[number % 7 + 7]) / 2 for number in range(14)]
    squares = [(count - usual) ** 2 for count, usual in zip(counts, expected, strict=True)]
    variance = sum(squares, Fraction(0)) / days
    consistency = 0.0 if average == 0 else 1 / (1 + math.sqrt(variance) / float(average))
    steady = average > 0 and variance < average**2  # consistency > 0.5, but exactly

    trend = "stable"
    if days >= 4:
        half = days // 2
        change = sum(counts[-half:], Fraction(0)) / half - sum(counts[:half], Fraction(0)) / half
        if change < Fraction(-1, 2):
            trend = "declining"
        elif change > Fraction(1, 2) and steady:
            trend = "improving"

    points = 0.5 * max(0.0, 1 - float(average) / 2)
    points += 0.45 * (1 - consistency)
    points += {"declining": 0.4, "improving": -0.2, "stable": 0.0}[trend]
    points += 0.15 * (14 - days) / 14
    value = rounded(clamped(Fraction(points), 0, 1), 3)
    assert value is not None
    if days < 7:
        level = "insufficient_data"
    elif value >= 0.6:
        level = "high_risk"
    elif value >= 0.3:
        level = "monitor"
    else:
        level = "stable"
    return {"value": value, "level": level, "days": days, "trend": trend}


# Session scores (6)


def session_quality(session: Session) -> int | None:
    """SQS."""
    row, late = session.row, session.minutes_late
    if not session.completed or late is None or row["actual_end"] is None:
        return None
    late_points = min(30, 2 * math.ceil(late))
    early = minutes(row["actual_end"], row["scheduled_end"])
    short_points = 0 if early <= 5 else min(40, math.ceil(early))
    tech_points = 10 if row["tech_issue"] else 0
    return max(0, 100 - late_points - short_points - tech_points)


def sqs_level(value: int) -> str:
    if value < 60:
        return "risk"
    return "warn" if value <= 75 else "ok"


def is_first_of_its_client(session: Session, sessions: Iterable[Session]) -> bool:
    """By its number; without one, by there being no earlier one of the two."""
    client = session.row["client_id"]
    if client is None:
        return False
    if session.row["session_number"] is not None:
        return bool(session.row["session_number"] == 1)
    return not any(other.row["client_id"] == client and other.order < session.order for other in sessions)


def first_session_risk(session: Session, turns: Any, phrases: Phrases) -> int | None:
    """FSRS."""
    spoken = usable_turns(turns)
    if not spoken:
        return None
    tutor = [text for speaker, text in spoken if speaker == "tutor"]
    student = [text for speaker, text in spoken if speaker == "student"]
    tutor_words = sum(len(words(text)) for text in tutor)
    all_words = sum(len(words(text)) for _, text in spoken)
    late = session.minutes_late or Fraction(0)
    points = 0
    if occurrences(tutor[:3], phrases.goal_setting) == 0:
        points += 25
    if occurrences(student, phrases.confusion) >= 3:
        points += 20
    if tutor_words > Fraction(75, 100) * all_words:
        points += 20
    if occurrences(tutor[-3:], phrases.wrap_up) == 0:
        points += 20
    if occurrences(tutor, phrases.encouragement) == 0:
        points += 15
    if occurrences(tutor, phrases.negative) >= 2:
        points += 10
    if session.row["tech_issue"] or late > 5:
        points += 10
    return points


def usable_turns(turns: Any) -> list[tuple[str, str]]:
    """Speaker and text of the turns that have both; a blank text is none."""
    found: list[tuple[str, str]] = []
    if not isinstance(turns, list):
        return found
    for turn in turns:
        if not isinstance(turn, dict):
            continue
        speaker, text = turn.get("speaker"), turn.get("text")
        if not isinstance(speaker, str) or not isinstance(text, str) or not text.strip():
            continue
        if speaker.strip().lower() in ("tutor", "student"):
            found.append((speaker.strip().lower(), text))
    return found


def words(text: str) -> list[str]:
    """Runs of letters, digits and apostrophes, in one spelling."""
    found = []
    word = ""
    for character in text.casefold() + " ":
        if character in APOSTROPHES:
            character = "'"
        if character.isalnum() or character == "'":
            word += character
        elif word:
            found.append(word)
            word = ""
    return found


def occurrences(texts: Iterable[str], phrases: Iterable[str]) -> int:
    """How often any of the phrases is said, from left to right, the longest first where several begin."""
    wanted = sorted((words(phrase) for phrase in phrases), key=len, reverse=True)
    wanted = [phrase for phrase in wanted if phrase]
    count = 0
    for text in texts:
        said = words(text)
        place = 0
        while place < len(said):
            here = [phrase for phrase in wanted if said[place : place + len(phrase)] == phrase]
            count += 1 if here else 0
            place += len(here[0]) if here else 1
    return count


# Reschedule risk (7)


def reschedule_risk(sessions: Sequence[Session], today: date, threshold: float) -> dict[str, Any]:
    components: dict[str, Any] = {}
    judging = []
    for days in WINDOWS.values():
        window = last_days(sessions, days, today)
        rate = rounded(percentage(rescheduled(window), len(window)) or Fraction(0), 2)
        assert rate is not None
        components[f"reschedule_rate_{days}d"] = rate
        components[f"sessions_{days}d"] = len(window)
        components[f"tutor_reschedules_{days}d"] = rescheduled(window)
        if len(window) >= 3:
            judging.append(rate)
    highest = max(judging, default=0.0)
    components["is_high_risk"] = any(rate > threshold for rate in judging)
    components["threshold"] = threshold
    components["low_sample"] = components["sessions_30d"] < 5
    if highest >= 20:
        level = "high"
    elif highest >= 10:
        level = "medium"
    else:
        level = "low"
    return {"value": highest, "level": level, "components": components}


# Performance summary (9)


def summary(newest_sqs: Sequence[int]) -> dict[str, Any]:
    """Of the (at most) 5 newest SQS, newest first."""
    values = [Fraction(value) for value in newest_sqs]
    trend = "insufficient_data"
    if len(values) >= 3:
        half = len(values) // 2
        newer, older = mean(values[:half]), mean(values[half:])
        assert newer is not None
        assert older is not None
        if newer - older > 5:
            trend = "improving"
        elif newer - older < -5:
            trend = "declining"
        else:
            trend = "stable"
    return {"trend": trend, "average_sqs": rounded(mean(values), 1)}


# What several rules share


def completed(sessions: Iterable[Session]) -> int:
    return len([session for session in sessions if session.completed])


def rescheduled(sessions: Iterable[Session]) -> int:
    return len([session for session in sessions if session.rescheduled_by_tutor])


def no_shows(sessions: Iterable[Session]) -> int:
    return len([session for session in sessions if session.missed_by_tutor])


def mean(numbers: Sequence[Fraction]) -> Fraction | None:
    return sum(numbers, Fraction(0)) / len(numbers) if numbers else None


def percentage(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) * 100 if whole else None


def clamped(number: Fraction, lowest: int, highest: int) -> Fraction:
    return max(Fraction(lowest), min(Fraction(highest), number))


def rounded(number: Fraction | None, decimals: int) -> float | None:
    """Half up, once what lies behind the 9th decimal is taken for noise."""
    if number is None:
        return None
    scale = 10**decimals
    return float(Fraction(math.floor(round(number, 9) * scale + Fraction(1, 2)), scale))


def minutes(start: datetime, end: datetime) -> Fraction:
    """From one to the other, exactly; negative when the end comes first."""
    return Fraction((utc(end) - utc(start)) // timedelta(microseconds=1), 60_000_000)


def utc(moment: datetime) -> datetime:
    """Two times of one zone with summer time would be compared by the clock on the wall, an hour off."""
    return moment.astimezone(UTC)
