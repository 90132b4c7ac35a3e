"""The account of a batch: how many ended how, why, and how fresh the published scores are."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from caas_worker.cache import Ending
from caas_worker.errors import ProfileNotFound
from caas_worker.model import Claim, Failure
from caas_worker.telemetry import Batch


def account(claim: Claim, endings: Mapping[UUID, Ending], failures: Mapping[UUID, Failure]) -> Batch:
    """The account of a claim; profiles that `endings` does not name were lost to another worker."""
    counts = Counter(ending.outcome for ending in endings.values())
    errors = Counter(failure.error for profile_id, failure in failures.items() if profile_id in endings)
    if counts["not_found"]:
        errors[ProfileNotFound.code] = counts["not_found"]
    if len(endings) < len(claim.entries):
        counts["lost"] = len(claim.entries) - len(endings)
    return Batch(
        size=len(claim.entries),
        endings=counts,
        errors=errors,
        freshness_seconds=tuple(
            (endings[entry.profile_id].at - entry.first_changed_at).total_seconds()
            for entry in claim.entries
            if entry.profile_id in endings and endings[entry.profile_id].outcome == "scored"
        ),
    )
