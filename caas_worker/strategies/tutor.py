"""The tutor rule, version 5.9 (scoring 1.1): raw points out of 110, the total in percent of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from caas_worker.model import Profile, RoleDetails, Score, Stats
from caas_worker.strategies.base import Component, dbs_is_valid, is_blank, round_half_up

RAW_MAXIMUM = 110
DEGREES = frozenset({"BACHELORS", "MASTERS", "PHD"})
VETERAN_YEARS = 10
FREQUENT = 0.8


class TutorStrategy:
    """Six buckets: performance 30, qualifications 30, network 20, safety 10, digital 10, social impact 10."""

    name: ClassVar[str] = "tutor"
    role: ClassVar[str] = "TUTOR"
    precedence: ClassVar[int] = 10
    version: ClassVar[str] = "tutor-v5.9"
    statistics: ClassVar[tuple[str, ...]] = ("performance_stats", "network_stats", "link_stats")

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        """The score of a verified tutor at `now`."""
        taught = stats["performance_stats"]
        known = stats["network_stats"]
        tools = stats["link_stats"]
        details = profile.role_details.get(self.role, RoleDetails())
        names, degree, unforeseen = qualifications(details)
        provisional = taught["completed_sessions"] == 0
        dbs_valid = dbs_is_valid(profile, now)
        breakdown: dict[str, float | bool] = {
            "performance": performance(taught),
            "qualifications": qualification_points(names, degree, details.teaching_experience),
            "network": network(known),
            "safety": 5 + 5 * dbs_valid,
            "digital": digital(tools, taught, profile),
            "social_impact": social_impact(profile, taught),
        }
        total = round_half_up(sum(breakdown.values()) / RAW_MAXIMUM * 100)
        if provisional:
            breakdown["provisional"] = True
        inputs: dict[str, Any] = {
            **taught,
            **known,
            **tools,
            "degree": degree,
            "qualifications": sorted(names),
            "teaching_experience": details.teaching_experience,
            "identity_verified": True,
            "dbs_valid": dbs_valid,
            "dbs_expiry_date": profile.dbs_expiry_date.isoformat() if profile.dbs_expiry_date else None,
            "available_free_help": profile.available_free_help,
            "bio_video": not is_blank(profile.bio_video_url),
        }
        if unforeseen:
            inputs["unforeseen"] = unforeseen
        return Score(
            role_type=self.role,
            version=self.version,
            total=total,
            breakdown=breakdown,
            inputs=inputs,
            next_due_at=profile.dbs_expiry_date if dbs_valid else None,
        )

    def explain(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Sequence[Component]:
        """What the points of a verified tutor come from, in words."""
        from caas_worker.strategies import tutor_words

        return tutor_words.components(self, profile, stats, now)


def performance(taught: Stats) -> float:
    """Rating and retention; exactly 30 while there is no completed paid session, never from the first one on."""
    if taught["completed_sessions"] == 0:
        return 30
    return rating(taught) + retention(taught)


def rating(taught: Stats) -> float:
    """The reviews' part of the performance."""
    return float(taught["avg_rating"] / 5 * 15)


def retention(taught: Stats) -> float:
    """The returning clients' part of the performance."""
    return float(taught["retention_rate"] * 15)


def qualification_points(names: frozenset[str], degree: str | None, years: int | None) -> int:
    """Degree, QTS and ten years of teaching, 10 each. PGCE alone adds nothing."""
    return 10 * (degree in DEGREES) + 10 * ("QTS" in names) + 10 * ((years or 0) >= VETERAN_YEARS)


def network(known: Stats) -> int:
    """Referrals, and one bonus for many connections or for having come by an agent."""
    return referrals(known) + (8 if is_connected(known) else 0)


def referrals(known: Stats) -> int:
    """4 each, 12 at most."""
    return min(int(known["referral_count"]) * 4, 12)


def is_connected(known: Stats) -> bool:
    """Whether the bonus is due: more than ten connections, or referred by an agent."""
    return bool(known["connection_count"] > 10 or known["is_agent_referred"])


def digital(tools: Stats, taught: Stats, profile: Profile) -> int:
    """Connected tools, and engagement: sessions online, sessions logged, or a video."""
    return (5 if has_tools(tools) else 0) + (5 if is_engaged(taught, profile) else 0)


def has_tools(tools: Stats) -> bool:
    """Whether a calendar or a classroom is connected."""
    return bool(tools["google_calendar_synced"] or tools["google_classroom_synced"])


def is_engaged(taught: Stats, profile: Profile) -> bool:
    """Whether most sessions are online, or most are logged, or there is a video."""
    return bool(
        taught["virtual_usage_rate"] > FREQUENT
        or taught["manual_session_log_rate"] > FREQUENT
        or not is_blank(profile.bio_video_url)
    )


def social_impact(profile: Profile, taught: Stats) -> int:
    """Free help offered and free sessions given, the latter also while none is offered."""
    return 5 * profile.available_free_help + delivery(taught)


def delivery(taught: Stats) -> int:
    """One for each free session, 5 at most."""
    return min(5, int(taught["completed_free_sessions_count"]))


def qualifications(details: RoleDetails) -> tuple[frozenset[str], str | None, list[str]]:
    """Qualification names, degree, and the fields whose shape no rule foresees, which give no points.

    Both shapes are accepted: a list of names, or an object with `certifications` (list) and `education` (text).
    degree_level, when not blank, wins over `education`. All upper case.
    """
    stored = details.qualifications
    unforeseen: list[str] = []
    education: Any = None
    if isinstance(stored, dict):
        education = stored.get("education")
        listed, field = stored.get("certifications"), "qualifications.certifications"
    else:
        listed, field = stored, "qualifications"
    if education is not None and not isinstance(education, str):
        unforeseen.append("qualifications.education")
        education = None
    if listed is None:
        listed = []
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        unforeseen.append(field)
        listed = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    names = frozenset(name.strip().upper() for name in listed if name.strip())
    text = education if is_blank(details.degree_level) else details.degree_level
    degree = None if is_blank(text) else str(text).strip().upper()
    return names, degree, unforeseen
