"""Appraisal: the quality scores of a batch's tutors, in the transaction that publishes their credibility.

Cells, windows, tier, scores, alerts and summary of a tutor are written together: no reader sees two that disagree.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow, dict_row
from psycopg.types.numeric import FloatLoader

from caas_worker.model import stored
from caas_worker.quality.alerts import FIGURES, SCORE_BEHIND, conditions
from caas_worker.quality.fsrs import fsrs
from caas_worker.quality.model import Metrics, QualityScore, SessionQuality, TutorSums, WindowSums
from caas_worker.quality.reschedule import reschedule_risk
from caas_worker.quality.rules import QualityRules
from caas_worker.quality.summary import Summary, summarize
from caas_worker.quality.tcrs import tcrs
from caas_worker.quality.ths import ths
from caas_worker.quality.windows import metrics
from caas_worker.sql import statements

NOTHING = WindowSums(*[0.0] * 17)
TIER_WINDOW = "30day"


class Unappraised(Exception):
    """Scores of these tutors could not be computed: nothing of theirs may be published, their cells neither."""

    def __init__(self, failures: Mapping[UUID, Exception]) -> None:
        super().__init__(f"{len(failures)} could not be appraised")
        self.failures = failures


@dataclass(frozen=True, slots=True)
class Appraised:
    """All that the quality rules say of one tutor."""

    metrics: Mapping[str, Metrics]
    """By window."""
    scores: Mapping[str, QualityScore]
    """By score type."""
    alerts: Mapping[str, bool | None]
    summary: Summary
    next_due_at: datetime | None


def appraise(tutor: TutorSums, next_due_at: datetime | None) -> Appraised:
    """Apply every rule to a tutor's sums."""
    scores = {score.score_type: score for score in (ths(tutor), tcrs(tutor), reschedule_risk(tutor))}
    return Appraised(
        metrics={window: metrics(sums) for window, sums in tutor.windows.items()},
        scores=scores,
        alerts=conditions(scores["ths"], scores["tcrs"]),
        summary=summarize(tutor.newest_sqs),
        next_due_at=next_due_at,
    )


def read(
    connection: Connection[TupleRow], profile_ids: Sequence[UUID], now: datetime, rules: QualityRules
) -> list[tuple[TutorSums, datetime | None]]:
    """The sums of tutors, and when time alone will next change them: from cells where the transaction uses them."""
    cursor = connection.cursor(row_factory=dict_row)
    cursor.adapters.register_loader("numeric", FloatLoader)
    cursor.execute(
        statements("cells")["quality_sums"], {"profile_ids": list(profile_ids), "as_of": now, "zone": rules.zone}
    )
    return [(_sums(row), row["next_due_at"]) for row in cursor]


def publish(
    connection: Connection[TupleRow],
    token: UUID,
    claimed: Sequence[UUID],
    *,
    tutors: Collection[UUID],
    others: Collection[UUID],
    now: datetime,
    rules: QualityRules,
    recipient: str | None,
) -> None:
    """Write cells and quality scores of those tutors of a batch that are still the token's.

    In the caller's transaction, which must read from cells.

    Args:
        claimed: the batch, whose entries are locked.
        tutors, others: those of the batch that are published now; the tables of others are emptied.
        recipient: who gets mails of new sessions and alerts.

    Raises:
        Unappraised: the transaction is to be rolled back, and repeated without those tutors.
    """
    queries = statements("cells")
    ours = connection.execute(
        queries["refresh_days"],
        {
            "token": token,
            "claimed": list(claimed),
            "settled": [*tutors, *others],
            "tutors": list(tutors),
            "as_of": now,
            "zone": rules.zone,
            "recipient": recipient,
        },
    ).fetchall()
    if not ours:
        return
    whole = {profile_id: is_whole for profile_id, is_tutor, is_whole in ours if is_tutor}
    failures: dict[UUID, Exception] = {}
    firsts = _first_sessions(connection, [row[0] for row in ours], whole, now, rules, failures)
    rows: list[dict[str, Any]] = []
    today = None
    for sums, next_due_at in read(connection, list(whole), now, rules) if whole else ():
        today = sums.today
        try:
            rows.append(_row(sums.profile_id, appraise(sums, next_due_at)))
        except Exception as error:
            failures[sums.profile_id] = error
    if failures:
        raise Unappraised(failures)
    connection.execute(
        queries["publish_quality"],
        {
            "tutors": json.dumps(rows, default=str),
            "firsts": json.dumps(firsts, default=str),
            "others": [profile_id for profile_id, is_tutor, _ in ours if not is_tutor],
            "as_of": now,
            "today": today,
            "recipient": recipient,
        },
    )


def _first_sessions(
    connection: Connection[TupleRow],
    settled: Sequence[UUID],
    whole: Mapping[UUID, bool],
    now: datetime,
    rules: QualityRules,
    failures: dict[UUID, Exception],
) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(
        statements("cells")["first_sessions"],
        {
            "settled": list(settled),
            "tutors": list(whole),
            "whole": [profile_id for profile_id, is_whole in whole.items() if is_whole],
            "as_of": now,
        },
    )
    judged = []
    for row in cursor:
        text, tech_issue, minutes_late = (row.pop(name) for name in ("turns", "tech_issue", "minutes_late"))
        try:
            score = fsrs(
                stored(text or "null"), tech_issue=tech_issue, minutes_late=minutes_late, phrases=rules.phrases
            )
        except Exception as error:
            failures[row["profile_id"]] = error
            continue
        if score:
            judged.append(row | _score(score))
    return judged


def _sums(row: Mapping[str, Any]) -> TutorSums:
    completed, lateness = row["completed_by_age"] or {}, row["lateness_by_age"] or {}
    today, age = row["today"], row["first_age"]
    return TutorSums(
        profile_id=row["profile_id"],
        today=today,
        # how long ago does not matter beyond the longest window
        first_day=None if age is None else today - timedelta(days=min(age, 90)),
        windows={f"{days}day": WindowSums(*sums) if (sums := row[f"sums_{days}"]) else NOTHING for days in (7, 30, 90)},
        completed_by_day=[completed.get(str(age), 0) for age in range(14)],
        lateness_by_day=[lateness.get(str(age)) for age in range(7)],
        threshold=row["threshold"],
        newest_sqs=[SessionQuality(**quality) for quality in row["newest_sqs"] or ()],
    )


def _row(profile_id: UUID, appraised: Appraised) -> dict[str, Any]:
    tier = appraised.metrics[TIER_WINDOW].performance_tier
    return {
        "profile_id": profile_id,
        "metrics": [{"time_window": window, **_fields(of)} for window, of in appraised.metrics.items()],
        "scores": [_score(score) for score in appraised.scores.values()],
        "alerts": [
            {"alert_type": alert, "is_active": is_active, **_behind(alert, appraised)}
            for alert, is_active in appraised.alerts.items()
        ],
        "summary": _fields(appraised.summary),
        "next_due_at": appraised.next_due_at,
        "performance_tier": tier,
    }


def _fields(value: Metrics | Summary) -> dict[str, Any]:
    """Without the deep copy of dataclasses.asdict, which took a third of an appraisal."""
    return {name: getattr(value, name) for name in value.__slots__}


def _behind(alert: str, appraised: Appraised) -> dict[str, Any]:
    score = appraised.scores[SCORE_BEHIND[alert]]
    return {"value": score.value, "figures": {name: score.components.get(name) for name in FIGURES[alert]}}


def _score(score: QualityScore) -> dict[str, Any]:
    return {
        "score_type": score.score_type,
        "value": score.value,
        "level": score.level,
        "components": dict(score.components),
        "version": score.version,
    }
