"""Cache: a batch is published in one transaction that first locks what is still ours."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from caas_worker.model import Entry, Score, Scored
from caas_worker.sql import statements

NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""The escape of a NUL character in JSON, told from the same letters after an escaped backslash."""


LONGEST_TEXT = 200
LONGEST_LIST = 50
"""Of one input of a score, in characters and items."""
LONGEST_MESSAGE = 2_000
LONGEST_DETAIL = 20_000
"""Characters of an error that are kept with its entry: some repeat the value that caused them."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a published profile ended."""

    outcome: str
    """scored, removed (no such profile any more), not_found (never was), failed (waits for its next attempt), dead."""
    at: datetime
    """By the database's clock."""


@dataclass(frozen=True, slots=True)
class Retries:
    """When a failed profile is tried again, and how often."""

    max_attempts: int
    backoff_seconds: float


def row(entry: Entry, score: Score, now: datetime) -> str:
    """One row of caas.scores as JSON.

    Raises:
        ValueError, TypeError: the strategy returned what the cache can't keep; nothing else in the batch is harmed.
    """
    if not 0 <= score.total <= 100:
        raise ValueError(f"{score.version} returned a total of {score.total}; 0 to 100 is allowed")
    text = json.dumps(
        {
            "profile_id": str(entry.profile_id),
            "role_type": score.role_type,
            "total_score": score.total,
            "score_breakdown": dict(score.breakdown),
            "score_inputs": _recorded(score.inputs),
            "reason": score.reason,
            "calculation_version": score.version,
            "gate_failed": score.gate_failed,
            "calculated_at": now.isoformat(),
            "source_changed_at": entry.last_changed_at.isoformat(),
            "next_due_at": score.next_due_at.isoformat() if score.next_due_at else None,
            "generation": entry.generation,
        },
        allow_nan=False,
    )
    if "\\u0000" in text and NUL.search(text):  # the plain look first: the pattern is slow on text without any
        raise ValueError(f"{score.version} returned text with a NUL character, which PostgreSQL can't keep")
    return text


def _recorded(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the score came from, as it is kept and shown: long texts and lists cut, and `cut` says which."""
    recorded = {name: _cut(value) for name, value in inputs.items()}
    cut = sorted(name for name, value in inputs.items() if recorded[name] != value)
    return recorded | ({"cut": cut} if cut else {})


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, list | tuple):
        return [_cut(item) for item in value[:LONGEST_LIST]]
    return value


def publish(
    connection: Connection[TupleRow],
    token: UUID,
    profile_ids: Sequence[UUID],
    scored: Scored,
    *,
    retries: Retries,
    follow: bool,
    rules: Mapping[str, str],
) -> dict[UUID, Ending]:
    """Write the outcome of these claimed profiles, as far as they are still the token's, in the caller's transaction.

    Args:
        rules: versions by role that the scores were computed with.

    Returns:
        How each of those ended. A profile that is missing here was lost to another worker.

    Raises:
        RulesOutdated: other rules are published; nothing was written.
    """
    queries = statements("cache")
    endings = connection.execute(
        queries["cache"],
        {
            "token": token,
            "claimed": list(profile_ids),
            "scores": f"[{','.join(scored.rows.values())}]",
            "missing": list(scored.missing),
            "follow": follow,
            "rules": json.dumps(rules),
        },
    ).fetchall()
    if scored.failures:
        endings += connection.execute(
            queries["fail"],
            {
                "token": token,
                "failures": _failures(scored),
                "max_attempts": retries.max_attempts,
                "backoff_seconds": retries.backoff_seconds,
            },
        ).fetchall()
    return {profile_id: Ending(outcome, at) for profile_id, outcome, at in endings}


def _failures(scored: Scored) -> str:
    rows: list[Mapping[str, str | None]] = [
        {
            "profile_id": str(profile_id),
            "error": failure.error,
            "message": _storable(failure.message, LONGEST_MESSAGE),
            "detail": _storable(failure.detail or "", LONGEST_DETAIL) or None,
        }
        for profile_id, failure in scored.failures.items()
    ]
    return json.dumps(rows)


def _storable(text: str, longest: int) -> str:
    """Text that PostgreSQL takes, whatever value of whose row an error repeats: cut in the middle, its ends kept."""
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]} […{len(text) - longest:,} characters…] {text[-longest // 2 :]}"
