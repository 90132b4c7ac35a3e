"""The line: mark → fold → claim → cells → stats → strategy → cache → read. The only file that knows the order.

Marks are made by the triggers and rows are read by whoever may; what lies between is here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from caas_worker import appraisal, cache, cells, stats
from caas_worker.account import account
from caas_worker.bisect import bisect, failure_of
from caas_worker.claim import Claimant
from caas_worker.db import Clock, Database
from caas_worker.errors import DatabaseError
from caas_worker.fold import Folded, Folder
from caas_worker.follow import Follower
from caas_worker.model import Claim, Computed, Failure, Scored
from caas_worker.strategies import Registry
from caas_worker.telemetry import Batch, Telemetry


@dataclass(frozen=True)
class Line:
    """One worker's line over one database."""

    db: Database
    registry: Registry
    folder: Folder
    claimant: Claimant
    retries: cache.Retries
    follower: Follower
    telemetry: Telemetry
    clock: Clock = stats.database_clock
    recipient: str | None = None
    """Who gets mails of sessions and alerts."""

    def fold(self, *, whole: bool = False) -> Folded:
        """Move the next marks into the queue (`whole`: finding none means that none is left)."""
        with self.telemetry.step("fold"):
            folded = self.folder.fold(whole=whole)
        self.telemetry.folded(folded.marks)
        return folded

    def run_batch(self, size: int, *, whole: bool = False) -> Batch | None:
        """Take up to `size` profiles from claim to cache; None when nothing is ready."""
        with self.telemetry.step("claim"):
            self.wake(whole=whole)
            claim = self.claimant.claim(size, whole=whole)
        if not claim.entries:
            return None
        batch = self.publish(claim, self.score(claim))
        self.claimant.settle()
        self.telemetry.add(batch)
        if self.follower.is_on:
            with self.telemetry.step("follow"):
                self.follower.follow(claim.profile_ids)
        return batch

    def wake(self, *, whole: bool = False) -> None:
        """Make paused and lapsed entries ready again (`whole`: now, not at its own pace)."""
        woken = self.claimant.wake(now=whole)
        self.telemetry.lapsed(woken.lost, woken.dead)

    def score(self, claim: Claim) -> Scored:
        """Cells, statistics and strategies of a batch, as rows for the cache; one profile's error is its own."""
        written: list[datetime] = []
        with self.telemetry.step("cells"):
            failures = bisect(
                claim.profile_ids,
                lambda ids: written.append(
                    cells.refresh(self.db, claim.token, ids, self.clock, share=len(ids) / len(claim.profile_ids))
                ),
                "CELLS_FAILED",
            )
        computed = self.compute(
            [key for key in claim.profile_ids if key not in failures], from_cells_at=min(written, default=None)
        )
        entries = {entry.profile_id: entry for entry in claim.entries}
        failures |= computed.failures
        rows: dict[UUID, str] = {}
        for key, (score, now) in computed.scores.items():
            try:
                rows[key] = cache.row(entries[key], score, now)
            except Exception as error:
                failures[key] = failure_of(error, "STRATEGY_FAILED")
        missing = frozenset(entries.keys() - rows.keys() - failures.keys())
        return Scored(rows, missing, failures, computed.strategies, frozenset(computed.tutors))

    def compute(self, profile_ids: Sequence[UUID], *, from_cells_at: datetime | None = None) -> Computed:
        """Statistics and strategies, nothing written: from scratch, or as of when these cells were written."""
        gathered: list[stats.Gathered] = []
        with self.telemetry.step("stats"):
            failures = bisect(
                profile_ids,
                lambda ids: gathered.append(
                    stats.gather(
                        self.db,
                        ids,
                        self.registry.needs,
                        (lambda _: from_cells_at) if from_cells_at else self.clock,
                        share=len(ids) / len(profile_ids),
                        cells=from_cells_at is not None,
                    )
                ),
                "STATISTICS_FAILED",
            )
        computed = Computed(failures=failures)
        with self.telemetry.step("strategy"):
            for part in gathered:
                failures |= {key: failure_of(error, "PROFILE_UNREADABLE") for key, error in part.unreadable.items()}
                computed.tutors.update(key for key, profile in part.profiles.items() if profile.is_tutor)
                for key, profile in part.profiles.items():
                    if strategy := self.registry.route(profile):
                        computed.strategies[key] = strategy.name
                    try:
                        computed.scores[key] = self.registry.score(profile, part.statistics, part.now), part.now
                    except Exception as error:
                        failures[key] = failure_of(error, "STRATEGY_FAILED")
        return computed

    def publish(self, claim: Claim, scored: Scored) -> Batch:
        """The batch's outcome into the cache; what one row makes the cache refuse is that profile's failure."""
        endings: dict[UUID, cache.Ending] = {}
        failures = dict(scored.failures)

        def attempt(profile_ids: Sequence[UUID], part: Scored | None = None, *, again: bool = True) -> None:
            wanted = part or scored.only(profile_ids)
            try:
                endings.update(self.write(claim.token, profile_ids, wanted))
            except appraisal.Unappraised as error:
                failed = {key: failure_of(cause, "QUALITY_FAILED") for key, cause in error.failures.items()}
                failures.update(failed)
                attempt(profile_ids, wanted.without(failed), again=again)
            except DatabaseError as error:
                if not (error.is_deadlock and again):
                    raise
                # sessions moved crosswise between tutors of two batches; the other batch is through by now
                attempt(profile_ids, wanted, again=False)

        refused: dict[UUID, Failure] = bisect(claim.profile_ids, attempt, "CACHE_REFUSED")
        if refused:
            attempt(list(refused), Scored({}, frozenset(), refused))
        return account(claim, endings, failures | refused, scored.strategies)

    def write(self, token: UUID, profile_ids: Sequence[UUID], scored: Scored) -> dict[UUID, cache.Ending]:
        """Quality and credibility in one transaction; returns how each profile ended."""
        with self.db.transaction(lazily=True, cells=True) as connection:
            with self.telemetry.step("quality"):
                published = scored.rows.keys() | scored.missing
                appraisal.publish(
                    connection,
                    token,
                    profile_ids,
                    tutors=published & scored.tutors,
                    others=published - scored.tutors,
                    now=self.clock(connection),
                    rules=self.registry.quality,
                    recipient=self.recipient,
                )
            with self.telemetry.step("cache"):
                return cache.publish(
                    connection,
                    token,
                    profile_ids,
                    scored,
                    retries=self.retries,
                    follow=self.follower.is_on,
                    rules=self.registry.rules,
                )
