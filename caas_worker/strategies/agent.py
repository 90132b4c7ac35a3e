"""The agent rule, version 1.0 (scoring 1.4): the sum of four buckets, over the agent's recruits."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from caas_worker.model import Profile, Score, Stats
from caas_worker.strategies.base import dbs_is_valid, round_half_up

SESSIONS_FOR_ALL_POINTS_LOG10 = 3


class AgentStrategy:
    """Four buckets: team quality 35, business 30, growth 20, standards 15."""

    name: ClassVar[str] = "agent"
    role: ClassVar[str] = "AGENT"
    precedence: ClassVar[int] = 30
    version: ClassVar[str] = "agent-v1.0"
    statistics: ClassVar[tuple[str, ...]] = ("caas_agent_stats",)

    def score(self, profile: Profile, stats: Mapping[str, Stats], now: datetime) -> Score:
        """The score of a verified agent at `now`."""
        team = dict(stats["caas_agent_stats"])
        dbs_valid = dbs_is_valid(profile, now)
        ends = [team.pop("next_due_at"), profile.dbs_expiry_date if dbs_valid else None]
        breakdown: dict[str, float | bool] = {
            "team_quality": (team["team_score"] or 0) / 100 * 35,
            "business": business(team),
            "growth": min(12, 1.2 * team["recruits"]) + min(8, 2 * team["recent_recruits"]),
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
            next_due_at=min((end for end in ends if end is not None), default=None),
        )


def business(team: Stats) -> float:
    """Sessions (all points from 999 on, by their logarithm), ratings and returning clients of all recruits, 10 each."""
    sessions = min(1.0, math.log10(team["team_sessions"] + 1) / SESSIONS_FOR_ALL_POINTS_LOG10)
    return float(10 * sessions + team["team_rating"] / 5 * 10 + team["team_retention"] * 10)
