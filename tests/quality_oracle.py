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
    """By tutor and day with a session: what sections 2 and 3 count, and what they sum."""
    metrics: dict[tuple[UUID, str], dict[str, Any]]
    """By tutor and window, for the calculation day that is today."""
    scores: dict[tuple[UUID, str], dict[str, Any]]
    """By tutor and score type: value, level, and components: all of reschedule_risk, of the others what is named."""
    sessions: dict[tuple[UUID, str], dict[str, Any]]
    """By booking and score type: profile_id, client_id, starts_at, value, level; components of sqs."""
    alerts: dict[tuple[UUID, str], bool | None]
    """By tutor and alert type: whether it must be active now; None, no fresh score: it may be either."""
    summaries: dict[UUID, dict[str, Any]]
    """By tutor: trend and average_sqs."""
    flags: dict[tuple[UUID, str], dict[str, str]] = field(default_factory=dict)
    """By tutor and window: which metrics are green and which red."""
    events: dict[tuple[UUID, date], dict[str, Any]] = field(default_factory=dict)
    """By tutor and day with any: logins, responses and response_minutes."""
    behind: dict[tuple[UUID, str], tuple[float, UUID | None]] = field(default_factory=dict)
    """By tutor and alert type: the score that an alert tells of; of a first session, which one."""


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
            taught = [session for session in sessions if session.day == day]
            found.daily[tutor, day] = daily(taught, ratings(tutor, taught, world))
        events = events_of(tutor, world, now)
        for day in {day_of(event["occurred_at"], zone) for event in events}:
            told = day_of_events([event for event in events if day_of(event["occurred_at"], zone) == day])
            if told["logins"] or told["responses"]:
                found.events[tutor, day] = told
        for window, days in WINDOWS.items():
            taught = last_days(sessions, days, today)
            recent = [event for event in events if in_last_days(day_of(event["occurred_at"], zone), days, today)]
            figures = metrics(taught, ratings(tutor, taught, world), recent)
            found.metrics[tutor, window] = figures
            found.flags[tutor, window] = flags(figures, len(taught))

        week = last_days(sessions, 7, today)
        ths = health(week)
        tcrs = churn(sessions, today)
        threshold = float(world.thresholds.get(tutor, DEFAULT_THRESHOLD))
        found.scores[tutor, "ths"] = ths
        found.scores[tutor, "tcrs"] = tcrs
        found.scores[tutor, "reschedule_risk"] = reschedule_risk(sessions, today, threshold)

        all_sqs: list[int] = []  # newest first, as the rest
        all_fsrs: list[tuple[int, UUID]] = []
        for session in sorted(sessions, key=lambda session: session.order, reverse=True):
            whose = {
                "profile_id": tutor,
                "client_id": session.row["client_id"],
                "starts_at": session.row["scheduled_start"],
            }
            lost = session_quality(session)
            if lost is not None:
                sqs = max(0, 100 - sum(lost.values()))
                found.sessions[session.id, "sqs"] = {
                    **whose, "value": sqs, "level": sqs_level(sqs), "components": lost,
                }  # fmt: skip
                all_sqs.append(sqs)
            fsrs = None
            if is_first_of_its_client(session, sessions):
                fsrs = first_session_risk(session, transcripts.get(session.id), phrases)
            if fsrs is not None:
                level = "high_risk" if fsrs >= 50 else "stable"
                found.sessions[session.id, "fsrs"] = {**whose, "value": fsrs, "level": level}
                all_fsrs.append((fsrs, session.id))

        found.alerts[tutor, "poor_first_session"] = all_fsrs[0][0] >= 50 if all_fsrs else None
        unreliable = None if ths["value"] is None else ths["value"] < 55 or often_absent(week)
        found.alerts[tutor, "high_reliability_risk"] = unreliable
        enough = tcrs["value"] is not None and tcrs["components"]["days"] >= 7
        found.alerts[tutor, "churn_risk"] = tcrs["value"] >= 0.6 if enough else None
        if all_fsrs:
            found.behind[tutor, "poor_first_session"] = all_fsrs[0]
        for alert, of in (("high_reliability_risk", ths), ("churn_risk", tcrs)):
            if of["value"] is not None:
                found.behind[tutor, alert] = (of["value"], None)
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


def events_of(tutor: UUID, world: World, now: datetime) -> list[Row]:
    """The tutor's events, but none that is still to come."""
    found = []
    for row in world.platform_events:
        if row["profile_id"] == tutor and row["occurred_at"] is not None and utc(row["occurred_at"]) <= now:
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


def daily(sessions: Sequence[Session], received: Sequence[tuple[Session, int]]) -> dict[str, Any]:
    """One day's row: counts, and sums that the metrics are made from."""
    late = lateness(sessions)
    mean_late = mean(late)
    firsts = first_ratings(received)
    recorded = engagements(sessions)
    answers = objectives(sessions)
    return {
        "sessions": len(sessions),
        "sessions_completed": completed(sessions),
        "reschedules_tutor_initiated": rescheduled(sessions),
        "no_shows": no_shows(sessions),
        "avg_lateness_min": None if mean_late is None else float(mean_late),
        "lateness_min": float(sum(late, Fraction(0))),
        "started": len(late),
        "on_time": len(on_time(late)),
        "ratings": len(received),
        "rating_sum": sum(rating for _, rating in received),
        "first_ratings": len(firsts),
        "first_ratings_good": len([rating for rating in firsts if rating >= 4]),
        "engagement_count": len(recorded),
        "engagement_sum": float(sum(recorded, Fraction(0))),
        "objectives_answered": len(answers),
        "objectives_met": answers.count(True),
    }


def day_of_events(events: Sequence[Row]) -> dict[str, Any]:
    """What the events of a day add up to."""
    times = response_times(events)
    return {
        "logins": logins(events),
        "responses": len(times),
        "response_minutes": float(sum(times, Fraction(0))),
    }


def mean_lateness(sessions: Iterable[Session]) -> Fraction | None:
    """Minutes late of the completed sessions whose start is known, on time counting 0."""
    return mean(lateness(sessions))


def lateness(sessions: Iterable[Session]) -> list[Fraction]:
    """Of each completed session whose start is known."""
    return [session.minutes_late for session in sessions if session.completed and session.minutes_late is not None]


# Window metrics (3)


def metrics(
    sessions: Sequence[Session], received: Sequence[tuple[Session, int]], events: Sequence[Row]
) -> dict[str, Any]:
    """One window's row."""
    firsts = first_ratings(received)
    good_firsts = [rating for rating in firsts if rating >= 4]
    answers = objectives(sessions)
    found: dict[str, Any] = {
        "sessions_completed": completed(sessions),
        "avg_rating": rounded(mean([Fraction(rating) for _, rating in received]), 2),
        "first_session_success_rate": rounded(percentage(len(good_firsts), len(firsts)), 2),
        "reschedule_rate": rounded(percentage(rescheduled(sessions), len(sessions)), 2),
        "no_show_count": no_shows(sessions),
        "engagement_score": rounded(engagement(sessions, events), 2),
        "learning_objectives_met_pct": rounded(percentage(answers.count(True), len(answers)), 2),
        "response_time_avg_minutes": rounded(mean(response_times(events)), 2),
    }
    found["performance_tier"] = tier(found, len(sessions)) if sessions else None
    return found


def engagement(sessions: Sequence[Session], events: Sequence[Row]) -> Fraction | None:
    if not sessions:
        return None
    login = min(Fraction(logins(events), max(len(sessions), 1)) * 100, Fraction(100))
    mean_recorded = mean(engagements(sessions))
    in_session = Fraction(50) if mean_recorded is None else mean_recorded * 100
    late = lateness(sessions)
    punctual = percentage(len(on_time(late)), len(late)) or Fraction(0)
    return Fraction(4, 10) * login + Fraction(4, 10) * in_session + Fraction(2, 10) * punctual


def first_ratings(received: Sequence[tuple[Session, int]]) -> list[int]:
    """Those of sessions numbered 1."""
    return [rating for session, rating in received if session.row["session_number"] == 1]


def objectives(sessions: Iterable[Session]) -> list[bool]:
    """The recorded answers."""
    answers = [session.row["learning_objectives_met"] for session in sessions]
    return [answer for answer in answers if answer is not None]


def engagements(sessions: Iterable[Session]) -> list[Fraction]:
    """0 to 1 each, of the sessions that recorded one."""
    scores = [session.row["engagement_score"] for session in sessions]
    return [Fraction(score) for score in scores if score is not None]


def on_time(late: Sequence[Fraction]) -> list[Fraction]:
    return [minutes_late for minutes_late in late if minutes_late <= 10]


def logins(events: Iterable[Row]) -> int:
    return len([event for event in events if event["event_type"] == "login"])


def response_times(events: Iterable[Row]) -> list[Fraction]:
    """Minutes of the answers that count."""
    times = []
    for event in events:
        if event["event_type"] == "message_response":
            times.extend(response_minutes(event["metadata"]))
    return times


def response_minutes(metadata: Any) -> list[Fraction]:
    """The event's time to answer if it counts: a number, zero or more."""
    time = metadata.get("response_time_minutes") if isinstance(metadata, dict) else None
    if isinstance(time, bool) or not isinstance(time, int | float) or time < 0:
        return []
    return [Fraction(str(time))]  # 0.1 as it was written, not as a float holds it


def flags(figures: Mapping[str, Any], sessions: int) -> dict[str, str]:
    """Green or red by metric, from the rounded figures; a figure without data has no flag."""
    missed = figures["no_show_count"]
    too_many = missed > 3 or (sessions >= 20 and Fraction(missed, sessions) > Fraction(5, 100))
    bounds = {
        "avg_rating": (lambda rating: rating >= 4.5, lambda rating: rating < 3.5),
        "first_session_success_rate": (lambda rate: rate >= 85, lambda rate: rate < 70),
        "reschedule_rate": (lambda rate: rate <= 10, lambda rate: rate > 15),
        "no_show_count": (lambda missed: missed == 0, lambda _: too_many),
        "engagement_score": (lambda engaged: engaged >= 80, lambda engaged: engaged < 60),
        "learning_objectives_met_pct": (lambda met: met >= 90, lambda met: met < 80),
    }
    found = {}
    for name, (is_green, is_red) in bounds.items():
        if figures[name] is None:
            continue
        if is_green(figures[name]):
            found[name] = "green"
        elif is_red(figures[name]):
            found[name] = "red"
    return found


def tier(figures: Mapping[str, Any], sessions: int) -> str:
    """The first that the flags match."""
    colours = list(flags(figures, sessions).values())
    green, red = colours.count("green"), colours.count("red")
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
    components: dict[str, Any] = {
        "sessions": held,
        "sessions_completed": completed(week),
        "reschedules_tutor_initiated": rescheduled(week),
        "no_shows": no_shows(week),
        "weighted_lateness_minutes": float(weighted_lateness(week)),
    }
    if held == 0:
        return {"value": None, "level": None, "components": components}
    moved_points = 40 * Fraction(rescheduled(week), held)
    missed_points = 30 * Fraction(no_shows(week), held)
    late_points = 30 * min(Fraction(1), weighted_lateness(week) / 15)
    components |= {
        "reschedule_penalty": float(moved_points),
        "no_show_penalty": float(missed_points),
        "lateness_penalty": float(late_points),
    }
    value = 100 - moved_points - missed_points - late_points
    score = rounded(clamped(value, 0, 100), 2)
    assert score is not None
    if score < 55 or often_absent(week):
        level = "high_risk"
    elif score < 75:
        level = "monitor"
    else:
        level = "stable"
    return {"value": score, "level": level, "components": components}


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
    """TCRS, with the number of days behind it, the trend and the points of each signal."""
    if not sessions:
        return {"value": None, "level": None, "components": {"days": 0}}
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

    trend = None
    if days >= 4:
        half = days // 2
        change = sum(counts[-half:], Fraction(0)) / half - sum(counts[:half], Fraction(0)) / half
        trend = "stable"
        if change < Fraction(-1, 2):
            trend = "declining"
        elif change > Fraction(1, 2):
            trend = "improving"

    signals = {
        "activity_points": 0.5 * max(0.0, 1 - float(average) / 2),
        "inconsistency_points": 0.45 * (1 - consistency),
        "trend_points": 0.0,
        "little_data_points": 0.15 * (14 - days) / 14,
    }
    if trend == "declining":
        signals["trend_points"] = 0.4
    elif trend == "improving" and steady:
        signals["trend_points"] = -0.2
    points = sum(signals.values())
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
    components = {"days": days, "average": float(average), "consistency": consistency, "trend": trend, **signals}
    return {"value": value, "level": level, "components": components}


# Session scores (6)


def session_quality(session: Session) -> dict[str, int] | None:
    """What SQS takes off for being late, short and in technical trouble; None: it has none."""
    row, late = session.row, session.minutes_late
    if not session.completed or late is None or row["actual_end"] is None:
        return None
    early = minutes(row["actual_end"], row["scheduled_end"])
    return {
        "late": min(30, 2 * math.ceil(late)),
        "short": 0 if early <= 5 else min(40, math.ceil(early)),
        "tech": 10 if row["tech_issue"] else 0,
    }


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
    """Runs of letters, digits and the apostrophes between two of them, in one spelling.

    At the edge of a word an apostrophe is a quotation mark, and part of none.
    """
    spelled = ["'" if character in APOSTROPHES else character for character in text.casefold()]
    found = []
    word = ""
    for before, character, after in with_neighbours(spelled):
        if character.isalnum() or (character == "'" and before.isalnum() and after.isalnum()):
            word += character
        elif word:
            found.append(word)
            word = ""
    return [*found, word] if word else found


def with_neighbours(characters: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    """Each with what stands before and after it."""
    return zip([" ", *characters], characters, [*characters[1:], " "], strict=False)


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
