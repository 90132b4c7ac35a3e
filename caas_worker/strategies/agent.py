"""The agent rule, version 1.0 (scoring 1.4): the sum of four buckets, over the agent's recruits."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from caas_worker.model import Profile, Score, Stats
from caas_worker.strategies.base import Component, dbs_is_valid, round_half_up

SESSIONS_FOR_ALL_POINTS_LOG10 = 3


class AgentStrategy:
    """Four buckets: team quality 35, business 30, growth 20, standards 15."""

    name: ClassVar[str] = "agent"
    role: ClassVar[str] = "AGENT"
    precedence: ClassVar[int] = 30
    version: ClassVar[str] = "agent-v1.0"
    statistics: ClassVar[tuple[str, ...]] = ("agent_stats",)

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        """The score of a verified agent at `now`."""
        team = dict(stats["agent_stats"])
        dbs_valid = dbs_is_valid(profile, now)
        ends = [end for end in (team.pop("next_due_at"), profile.dbs_expiry_date if dbs_valid else None) if end]
        sessions, rating, retention = parts_of_business(team)
        size, recent = parts_of_growth(team)
        breakdown: dict[str, float | bool] = {
            "team_quality": team_quality(team),
            "business": sessions + rating + retention,
            "growth": size + recent,
            "standards": 5 + 5 * dbs_valid + 5 * profile.business_verified,
        }
        inputs: dict[str, Any] = {
            **team,
            "identity_verified": True,
            "dbs_valid": dbs_valid,
            "dbs_expiry_date": profile.dbs_expiry_date.isoformat() if profile.dbs_expiry_date else None,
            "business_verified": profile.business_verified,
        }
        return Score(
            role_type=self.role,
            version=self.version,
            total=round_half_up(sum(breakdown.values())),
            breakdown=breakdown,
            inputs=inputs,
            next_due_at=min(ends, default=None),
        )

    def explain(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Sequence[Component]:
        """What the points of a verified agent come from, in words."""
        from caas_worker.strategies import agent_words

        return agent_words.components(profile, stats["agent_stats"], now)


def team_quality(team: Stats) -> float:
    """The recruits' mean score; 0 while none has one."""
    mean: float = team["team_score"] or 0
    return mean / 100 * 35


def parts_of_business(team: Stats) -> tuple[float, float, float]:
    """Sessions (all points from 999 on, by their logarithm), ratings and returning clients of all recruits, 10 each."""
    sessions = min(1.0, math.log10(team["team_sessions"] + 1) / SESSIONS_FOR_ALL_POINTS_LOG10)
    return 10 * sessions, team["team_rating"] / 5 * 10, team["team_retention"] * 10


def parts_of_growth(team: Stats) -> tuple[float, float]:
    """All recruits, and the recent ones among them."""
    return min(12, 1.2 * team["recruits"]), min(8, 2 * team["recent_recruits"])
