"""From-scratch recomputation of credibility, written only from the rules (scoring 1), row by row and slowly on purpose.

`expected` scores every profile from the application's tables alone. It shares no code and no SQL with the product, so
that the two can only agree by both being right.
"""

import math
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from statistics import mean, median
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = Mapping[str, Any]
Measured = tuple[dict[str, Any], list[datetime]]
"""Statistics, and the instants at which time alone changes them."""

VERSIONS = {"TUTOR": "tutor-v5.9", "CLIENT": "client-v1.0", "AGENT": "agent-v1.0"}
"""The rule of each role, by precedence: the first role that a profile carries decides."""

RECENT = timedelta(hours=90 * 24)


@dataclass(frozen=True)
class Tables:
    """The application's tables as lists of rows (column name to value)."""

    profiles: Sequence[Row] = ()
    role_details: Sequence[Row] = ()
    listings: Sequence[Row] = ()
    bookings: Sequence[Row] = ()
    profile_reviews: Sequence[Row] = ()
    profile_graph: Sequence[Row] = ()
    student_integration_links: Sequence[Row] = ()
    platform_events: Sequence[Row] = ()

    @classmethod
    def load(cls, connection: psycopg.Connection[Any]) -> "Tables":
        """Every row of every table, a query a table: one moment's if the caller's transaction sees only one."""
        cursor = connection.cursor(row_factory=dict_row)
        return cls(
            **{
                table.name: cursor.execute(sql.SQL("select * from {}").format(sql.Identifier(table.name))).fetchall()
                for table in fields(cls)
            }
        )


@dataclass(frozen=True)
class Expected:
    """What a profile's score must be; `statistics` are the counts and facts that its points came from."""

    role_type: str | None
    total: int
    breakdown: Mapping[str, float | bool]
    statistics: Mapping[str, Any]
    reason: str | None
    version: str
    gate_failed: bool
    next_due_at: datetime | None


def expected(tables: Tables, now: datetime) -> dict[UUID, Expected]:
    """The score of every profile at this moment. Agents come last: their score depends on their recruits' totals."""
    index = Index(tables)
    now = utc(now)
    scores: dict[UUID, Expected] = {}
    for profile in sorted(tables.profiles, key=lambda profile: role_of(profile) == "AGENT"):
        scores[profile["id"]] = score(profile, index, scores, now)
    return scores


class Index:
    """The rows by whom they are about."""

    def __init__(self, tables: Tables) -> None:
        owners = {listing["id"]: listing["profile_id"] for listing in tables.listings}
        self.profiles = {profile["id"]: profile for profile in tables.profiles}
        self.role_details = by(tables.role_details, lambda row: row["profile_id"])
        self.taught = by(tables.bookings, lambda row: owners.get(row["listing_id"]))
        self.booked = by(tables.bookings, lambda row: row["client_id"])
        self.links = by(tables.student_integration_links, lambda row: row["profile_id"])
        self.events = by(tables.platform_events, lambda row: row["profile_id"])
        reviews = [row for row in tables.profile_reviews if row["reviewer_id"] != row["reviewee_id"]]
        self.reviews = by(reviews, lambda row: row["reviewee_id"])
        active = [row for row in tables.profile_graph if row["status"] == "ACTIVE"]
        edges = [row for row in active if row["source_profile_id"] != row["target_profile_id"]]
        self.from_here = by(edges, lambda row: row["source_profile_id"])
        self.to_here = by(edges, lambda row: row["target_profile_id"])

    def ratings(self, profile_id: UUID) -> list[int]:
        """All that others gave the profile."""
        return [row["rating"] for row in self.reviews[profile_id] if row["rating"] is not None]

    def paid_sessions(self, tutor: UUID) -> list[Row]:
        """The bookings of the tutor's listings that are not free, in any status."""
        return [row for row in self.taught[tutor] if row["type"] != "free_help"]

    def visits(self, tutor: UUID) -> Counter[UUID]:
        """How many completed paid sessions each known client had with the tutor."""
        sessions = completed(self.paid_sessions(tutor))
        return Counter(row["client_id"] for row in sessions if row["client_id"] is not None)


def by(rows: Iterable[Row], key: Callable[[Row], Any]) -> defaultdict[Any, list[Row]]:
    """The rows of each key; none for a key that no row has."""
    found: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def score(profile: Row, index: Index, others: Mapping[UUID, Expected], now: datetime) -> Expected:
    """One profile's score; `others` holds at least the recruits' if it is an agent's."""
    role = role_of(profile)
    if role is None:
        return Expected(None, 0, {}, {}, "unsupported_role", "unsupported-v1", False, None)
    if not profile["identity_verified"]:
        return Expected(role, 0, {}, {}, "unverified", VERSIONS[role], True, None)
    if role == "TUTOR":
        statistics, changes = tutor_statistics(profile, index, now)
        breakdown = tutor_breakdown(qualification_points(profile["id"], index), statistics)
    elif role == "CLIENT":
        statistics, changes = client_statistics(profile, index, now)
        breakdown = client_breakdown(statistics)
    else:
        statistics, changes = agent_statistics(profile, index, others, now)
        breakdown = agent_breakdown(statistics)
    raw = sum(breakdown.values())
    total = tutor_total(raw) if role == "TUTOR" else round_half_up(raw)
    flags = {"provisional": True} if provisional(role, statistics) else {}
    next_due_at = min((change for change in changes if change > now), default=None)
    return Expected(role, total, {**breakdown, **flags}, statistics, None, VERSIONS[role], False, next_due_at)


def role_of(profile: Row) -> str | None:
    """The role that decides, or none that is supported."""
    carried = texts(profile["roles"])
    return next((role for role in VERSIONS if role in carried), None)


def provisional(role: str, statistics: Mapping[str, Any]) -> bool:
    """Whether points were given for behaviour that nobody has seen yet."""
    seen = {"TUTOR": "completed_sessions", "CLIENT": "settled_bookings"}
    return role in seen and statistics[seen[role]] == 0


# Tutor, tutor-v5.9 (1.1, 1.2)


def tutor_statistics(profile: Row, index: Index, now: datetime) -> Measured:
    me = profile["id"]
    outgoing, incoming = index.from_here[me], index.to_here[me]
    paid = index.paid_sessions(me)
    held = completed(paid)
    free = [row for row in completed(index.taught[me]) if row["type"] == "free_help"]
    recorded = [row for row in held if not blank(row["recording_url"])]
    visits = index.visits(me)
    unrecorded = [row for row in paid if blank(row["recording_url"])]
    logged = len(completed(unrecorded))
    to_log = len([row for row in unrecorded if row["status"] == "Pending log"])
    links = {row["integration_type"] for row in index.links[me] if row["is_active"]}
    statistics = {
        "avg_rating": float(mean(index.ratings(me) or [0])),
        "completed_sessions": len(held),
        "retention_rate": share(returning(visits), len(visits)),
        "manual_session_log_rate": share(logged, logged + to_log) if logged + to_log >= 5 else 0.0,
        "completed_free_sessions_count": len(free),
        "virtual_usage_rate": share(len(recorded), len(held)),
        "referral_count": len({row["target_profile_id"] for row in of_kind("AGENT_REFERRAL", outgoing)}),
        "connection_count": len(
            {row["target_profile_id"] for row in of_kind("SOCIAL", outgoing)}
            | {row["source_profile_id"] for row in of_kind("SOCIAL", incoming)}
        ),
        "is_agent_referred": bool(of_kind("AGENT_REFERRAL", incoming)),
        "google_calendar_synced": "GOOGLE_CALENDAR" in links,
        "google_classroom_synced": "GOOGLE_CLASSROOM" in links,
        "dbs_valid": dbs_valid(profile, now),
        "available_free_help": profile["available_free_help"],
        "bio_video": not blank(profile["bio_video_url"]),
    }
    return statistics, dbs_end(profile, now)


def tutor_breakdown(qualifications: float, statistics: Mapping[str, Any]) -> dict[str, float]:
    performance = statistics["avg_rating"] / 5 * 15 + statistics["retention_rate"] * 15
    connected = statistics["connection_count"] > 10 or statistics["is_agent_referred"]
    synced = statistics["google_calendar_synced"] or statistics["google_classroom_synced"]
    engaged = (
        statistics["virtual_usage_rate"] > 0.8 or statistics["manual_session_log_rate"] > 0.8 or statistics["bio_video"]
    )
    return {
        "performance": performance if statistics["completed_sessions"] else 30.0,
        "qualifications": qualifications,
        "network": min(statistics["referral_count"] * 4.0, 12.0) + points(8, connected),
        "safety": 5.0 + points(5, statistics["dbs_valid"]),
        "digital": points(5, synced) + points(5, engaged),
        "social_impact": points(5, statistics["available_free_help"])
        + min(5.0, statistics["completed_free_sessions_count"]),
    }


def tutor_total(raw: float) -> int:
    """The share of the 110 points there are."""
    return round_half_up(raw / 110 * 100)


def qualification_points(tutor: UUID, index: Index) -> float:
    """From the tutor's role_details, of whatever shape the qualifications are."""
    spellings = [row for row in index.role_details[tutor] if row["role_type"].upper() == "TUTOR"]
    if not spellings:
        return 0.0
    details = min(spellings, key=lambda row: str(row["role_type"]))  # the upper-case spelling sorts first
    listed: Any = details["qualifications"]
    education: Any = None
    if isinstance(listed, dict):
        listed, education = listed.get("certifications"), listed.get("education")
    names = texts(listed) if isinstance(listed, list) else set()
    degrees = texts([education if blank(details["degree_level"]) else details["degree_level"]])
    degree = points(10, not degrees.isdisjoint({"BACHELORS", "MASTERS", "PHD"}))
    veteran = points(10, (details["teaching_experience"] or 0) >= 10)
    return degree + points(10, "QTS" in names) + veteran


# Client, client-v1.0 (1.3)


def client_statistics(profile: Row, index: Index, now: datetime) -> Measured:
    me = profile["id"]
    countable = [
        row
        for row in index.booked[me]
        if row["status"] in ("Completed", "Cancelled", "No-show")
        and row["cancelled_by"] != "tutor"
        and row["no_show_by"] != "tutor"
    ]
    settled = [row for row in countable if in_window(row["scheduled_start"], now)]
    cancelled = [row for row in settled if row["status"] == "Cancelled"]
    payable = [row for row in settled if row["type"] != "free_help"]
    answers = [
        (row["occurred_at"], minutes)
        for row in index.events[me]
        if row["event_type"] == "message_response" and row["occurred_at"] is not None
        for minutes in countable_minutes(row["metadata"])
    ]
    minutes = [minutes for moment, minutes in answers if in_window(moment, now)]
    statistics = {
        "settled_bookings": len(settled),
        "attended_bookings": len(completed(settled)),
        "cancelled_bookings": len([row for row in cancelled if row["cancelled_by"] == "client"]),
        "payable_bookings": len(payable),
        "paid_bookings": len([row for row in payable if row["payment_status"] == "Succeeded"]),
        "avg_rating": float(mean(index.ratings(me) or [0])),
        "median_response_minutes": float(median(minutes)) if minutes else None,
        "long_bio": not blank(profile["bio"]) and len(profile["bio"]) > 50,
        "avatar": not blank(profile["avatar_url"]),
    }
    moments = [row["scheduled_start"] for row in countable] + [moment for moment, _ in answers]
    return statistics, [window_change(moment, now) for moment in moments]


def client_breakdown(statistics: Mapping[str, Any]) -> dict[str, float]:
    settled, payable = statistics["settled_bookings"], statistics["payable_bookings"]
    minutes = statistics["median_response_minutes"]
    reliability = 50
    if settled:
        attendance = statistics["attended_bookings"] / settled * 25
        cancellation = (1 - statistics["cancelled_bookings"] / settled) * 15
        payment = statistics["paid_bookings"] / payable * 10 if payable else 10
        reliability = round_half_up(attendance + cancellation + payment)
    promptness = 0.0 if minutes is None else 10 * max(0.0, 1 - minutes / 60 / 24)
    return {
        "reliability": float(reliability),
        "reviews": statistics["avg_rating"] / 5 * 30,
        "engagement": points(5, statistics["long_bio"]) + points(5, statistics["avatar"]) + promptness,
    }


def countable_minutes(metadata: Any) -> list[float]:
    """The event's time to answer if it counts: a number, zero or more."""
    minutes = metadata.get("response_time_minutes") if isinstance(metadata, dict) else None
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes < 0:
        return []
    return [minutes]


def in_window(moment: datetime, now: datetime) -> bool:
    """Whether it lies in the last six months, both ends included."""
    return utc(moment) <= now <= window_end(moment)


def window_change(moment: datetime, now: datetime) -> datetime:
    """When it enters the window, or once it has, when it has left it."""
    return utc(moment) if utc(moment) > now else window_end(moment) + timedelta.resolution


def window_end(moment: datetime) -> datetime:
    """Six calendar months later; a day that the month lacks becomes the month's last."""
    start = utc(moment)
    years, month = divmod(start.month - 1 + 6, 12)
    year, month = start.year + years, month + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))


# Agent, agent-v1.0 (1.4)


def agent_statistics(profile: Row, index: Index, others: Mapping[UUID, Expected], now: datetime) -> Measured:
    gained: dict[UUID, datetime] = {}
    for row in of_kind("AGENT_REFERRAL", index.from_here[profile["id"]]):
        recruit, moment = row["target_profile_id"], utc(row["created_at"])
        if "TUTOR" in texts(index.profiles[recruit]["roles"]):
            gained[recruit] = min(moment, gained.get(recruit, moment))
    recent = [moment for moment in gained.values() if now - moment < RECENT]
    totals = [others[recruit].total for recruit in gained if recruit in others]
    visits = [index.visits(recruit) for recruit in gained]
    ratings = [rating for recruit in gained for rating in index.ratings(recruit)]
    statistics = {
        "recruits": len(gained),
        "recent_recruits": len(recent),
        "scored_recruits": len(totals),
        "team_score": float(mean(totals)) if totals else None,
        "team_sessions": sum(len(completed(index.paid_sessions(recruit))) for recruit in gained),
        "team_rating": float(mean(ratings or [0])),
        "team_retention": share(sum(map(returning, visits)), sum(map(len, visits))),
        "dbs_valid": dbs_valid(profile, now),
        "business_verified": profile["business_verified"],
    }
    return statistics, dbs_end(profile, now) + [moment + RECENT for moment in recent]


def agent_breakdown(statistics: Mapping[str, Any]) -> dict[str, float]:
    sessions = 10 * min(1.0, math.log10(statistics["team_sessions"] + 1) / 3)
    return {
        "team_quality": (statistics["team_score"] or 0.0) / 100 * 35,
        "business": sessions + statistics["team_rating"] / 5 * 10 + statistics["team_retention"] * 10,
        "growth": min(12.0, 1.2 * statistics["recruits"]) + min(8.0, 2.0 * statistics["recent_recruits"]),
        "standards": 5.0 + points(5, statistics["dbs_valid"]) + points(5, statistics["business_verified"]),
    }


# What several rules share


def completed(bookings: Iterable[Row]) -> list[Row]:
    return [row for row in bookings if row["status"] == "Completed"]


def of_kind(relationship_type: str, edges: Iterable[Row]) -> list[Row]:
    return [row for row in edges if row["relationship_type"] == relationship_type]


def returning(visits: Counter[UUID]) -> int:
    """The clients who came more than once."""
    return len([client for client, times in visits.items() if times > 1])


def dbs_valid(profile: Row, now: datetime) -> bool:
    expiry = profile["dbs_expiry_date"]
    return bool(profile["dbs_verified"] and expiry is not None and utc(expiry) > now)


def dbs_end(profile: Row, now: datetime) -> list[datetime]:
    return [utc(profile["dbs_expiry_date"])] if dbs_valid(profile, now) else []


def points(number: int, earned: bool) -> float:
    return float(number) if earned else 0.0


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def blank(text: str | None) -> bool:
    return text is None or not text.strip()


def label(text: str) -> str:
    """Roles, degrees and qualifications as they are compared."""
    return text.strip().upper()


def texts(entries: Iterable[Any]) -> set[str]:
    """The entries that are texts, as names are compared."""
    return {label(entry) for entry in entries if isinstance(entry, str)}


def utc(moment: datetime) -> datetime:
    """Two times of one zone with summer time would be compared by the clock on the wall, an hour off."""
    return moment.astimezone(UTC)


def round_half_up(number: float) -> int:
    return math.floor(round(number, 9) + 0.5)
