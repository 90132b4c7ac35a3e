"""The account of a batch: how many ended how, why, and how fresh the published scores are."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from caas_worker.cache import Ending
from caas_worker.errors import ProfileNotFound
from caas_worker.model import Claim, Failure
from caas_worker.telemetry import NO_STRATEGY, Batch, Failed


def account(
    claim: Claim, endings: Mapping[UUID, Ending], failures: Mapping[UUID, Failure], strategies: Mapping[UUID, str]
) -> Batch:
    """The account of a claim; profiles that `endings` does not name were lost to another worker."""
    outcomes = {
        entry.profile_id: endings[entry.profile_id].outcome if entry.profile_id in endings else "lost"
        for entry in claim.entries
    }
    counts = Counter(outcomes.values())
    errors = Counter(failure.error for profile_id, failure in failures.items() if profile_id in endings)
    if counts["not_found"]:
        errors[ProfileNotFound.code] = counts["not_found"]
    return Batch(
        token=claim.token,
        size=len(claim.entries),
        endings=counts,
        errors=errors,
        freshness_seconds=tuple(
            (endings[entry.profile_id].at - entry.first_changed_at).total_seconds()
            for entry in claim.entries
            if outcomes[entry.profile_id] == "scored"
        ),
        by_strategy=Counter(
            (strategies.get(profile_id, NO_STRATEGY), outcome) for profile_id, outcome in outcomes.items()
        ),
        failed=[
            Failed(
                failure=failures[entry.profile_id],
                strategy=strategies.get(entry.profile_id, NO_STRATEGY),
                attempt=entry.attempts + 1,
                ending=outcomes[entry.profile_id],
            )
            for entry in claim.entries
            if entry.profile_id in failures and entry.profile_id in endings
        ],
    )
