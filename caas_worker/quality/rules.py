"""The quality rules of an installation: what can be set of them, and their versions."""

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from caas_worker.errors import SettingsError
from caas_worker.quality import reschedule, tcrs, ths
from caas_worker.quality.phrases import Phrases

METRICS_VERSION = "metrics-v1"
SUMMARY_VERSION = "summary-v1"
SQS_VERSION = "sqs-v1"
"""Computed in SQL, with the day cells: migrations/functions/taught_sessions.sql."""


@dataclass(frozen=True, slots=True)
class QualityRules:
    """What makes the quality scores what they are. Every worker of a database must have the same."""

    zone: str = "UTC"
    """Decides what a day is."""
    phrases: Phrases = field(default_factory=Phrases)

    @classmethod
    def of(cls, zone: str, phrases: Path | None) -> "QualityRules":
        """The rules with a time zone and a file of phrases.

        Raises:
            SettingsError: there is no such time zone, or the file is not as it should be.
        """
        try:
            if zone != "UTC":  # known also where no time zone data is installed
                ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise SettingsError(
                f"CAAS_TIME_ZONE: no time zone {zone!r} is known here. Example: Europe/London, with tzdata installed"
            ) from None
        return cls(zone, Phrases.load(phrases) if phrases else Phrases())

    @property
    def versions(self) -> dict[str, str]:
        """Version by rule, as published."""
        return {
            "metrics": METRICS_VERSION,
            "ths": ths.VERSION,
            "tcrs": tcrs.VERSION,
            "reschedule_risk": reschedule.VERSION,
            "sqs": SQS_VERSION,
            "fsrs": self.phrases.version,
            "summary": SUMMARY_VERSION,
            "time zone": f"{self.zone}-v1",
        }
