"""The registry of strategies and the router that picks one for a profile."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import entry_points
from uuid import UUID

from caas_worker.errors import SettingsError
from caas_worker.model import Profile, Score, Stats
from caas_worker.quality.rules import QualityRules
from caas_worker.settings import Settings
from caas_worker.strategies.base import VERSION, Strategy

GROUP = "caas_worker.strategies"

UNSUPPORTED_VERSION = "unsupported-v1"
"""What the rows of profiles without a supported role say for a version."""


class Registry:
    """The strategies of this process, in the order of precedence, and its quality rules."""

    def __init__(self, strategies: Iterable[Strategy], quality: QualityRules | None = None) -> None:
        self.quality = quality or QualityRules()
        self._strategies = sorted(strategies, key=lambda strategy: (strategy.precedence, strategy.name))
        roles = [strategy.role for strategy in self._strategies]
        twice = {role for role in roles if roles.count(role) > 1}
        if twice:
            raise SettingsError(f"More than one strategy is registered for {', '.join(sorted(twice))}.")
        for strategy in self._strategies:
            if not VERSION.fullmatch(strategy.version):
                raise SettingsError(
                    f"The version {strategy.version!r} of the strategy {strategy.name} has no numbers to compare. "
                    "Example: tutor-v5.9"
                )
        self.roles = tuple(roles)
        """Those that have a strategy."""
        self.rules = {strategy.role: strategy.version for strategy in self._strategies} | self.quality.versions
        """Version by role, and by quality rule."""
        self.names = tuple(strategy.name for strategy in self._strategies)

    @classmethod
    def installed(cls, settings: Settings) -> "Registry":
        """All strategies that installed packages register, and the quality rules as they are set.

        Raises:
            SettingsError: two strategies for one role, an unknown time zone, a faulty file of phrases.
        """
        quality = QualityRules.of(settings.time_zone, settings.phrases)
        return cls((point.load()() for point in entry_points(group=GROUP)), quality)

    def needs(self, profile: Profile) -> tuple[str, ...]:
        """The statistics functions that the profile's score takes."""
        strategy = self.route(profile)
        return strategy.statistics if strategy and profile.identity_verified else ()

    def route(self, profile: Profile) -> Strategy | None:
        """The strategy of the profile's first supported role, or None."""
        return next((strategy for strategy in self._strategies if strategy.role in profile.roles), None)

    def score(self, profile: Profile, stats: Mapping[str, Mapping[UUID, Stats]], now: datetime) -> Score:
        """The profile's score under its strategy, behind the identity gate (scoring 1).

        Args:
            stats: rows by function, then profile, of at least what the profile `needs`.
        """
        strategy = self.route(profile)
        if strategy is None:
            return Score(
                role_type=None,
                version=UNSUPPORTED_VERSION,
                total=0,
                inputs={"roles": sorted(profile.roles)},
                reason="unsupported_role",
            )
        if not profile.identity_verified:
            return Score(
                role_type=strategy.role,
                version=strategy.version,
                total=0,
                inputs={"identity_verified": False},
                reason="unverified",
                gate_failed=True,
            )
        own = {function: stats[function][profile.profile_id] for function in strategy.statistics}
        return strategy.score(profile, own, now)
