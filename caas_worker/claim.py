"""Claim: a batch of entries is leased to one worker, under a random token."""

import time
from dataclasses import dataclass
from uuid import uuid4

from caas_worker.db import Database
from caas_worker.floor import Floor, Pace
from caas_worker.model import Claim, Entry
from caas_worker.sql import statements

PRIORITIES = (0, 10, 50, 90)
"""Manual, live, time, backfill. The order of caas.claim's floors."""


SUSPECT_LOSSES = 2
"""Leases that an entry may lose before it is claimed alone, as in the predicates of the queue's indexes."""


@dataclass(frozen=True, slots=True)
class Woken:
    """Entries that a claimant made ready again, and those it set aside."""

    promoted: int = 0
    lost: int = 0
    dead: int = 0


class Claimant:
    """Claims batches in the order of priority and age, remembering where the ready ones begin (see floor.py)."""

    def __init__(self, db: Database, *, lease_seconds: float, max_attempts: int) -> None:
        self._db = db
        self._lease_seconds = lease_seconds
        self._max_attempts = max_attempts
        self._floors = {priority: Floor() for priority in PRIORITIES}
        self._whole = Pace()
        self._wake = Pace()
        self._held: Claim | None = None
        self._suspects = False
        self._sql = statements("claim")

    def claim(self, size: int, *, whole: bool = False) -> Claim:
        """Lease up to `size` ready entries; an empty claim when there are none.

        Suspects, which are claimed alone, take turns with ordinary batches, so that many of them hold nobody up.

        Args:
            whole: search from the very beginning, so that an empty result means that none is ready.
        """
        self.release()
        whole = whole or self._whole.due()
        begun = time.monotonic()
        self._suspects = not self._suspects
        claim = self._claim(size, whole=whole, suspects=self._suspects)
        if not claim.entries and not self._suspects:
            claim = self._claim(size, whole=whole, suspects=True)
        self._follow(claim, went_back=whole and len(claim.entries) == size)
        if whole:
            self._whole.spent(time.monotonic() - begun)
        self._held = claim if claim.entries else None
        return claim

    def _follow(self, claim: Claim, *, went_back: bool) -> None:
        """Move the floors to where the claim came; those that a full claim from the beginning did not come to, to 0."""
        reached: dict[int, int] = {}
        for entry in claim.entries:
            if entry.losses < SUSPECT_LOSSES:
                reached[entry.priority] = max(entry.place, reached.get(entry.priority, 0))
        for priority, floor in self._floors.items():
            if not went_back:
                floor.reach(reached.get(priority))
            elif priority >= max(reached, default=max(PRIORITIES) + 1):
                floor.restart(reached.get(priority, 0))

    def _claim(self, size: int, *, whole: bool, suspects: bool) -> Claim:
        token = uuid4()
        with self._db.transaction(lazily=True) as connection:
            rows = connection.execute(
                self._sql["claim"],
                {
                    "batch_size": size,
                    "token": token,
                    "lease_seconds": self._lease_seconds,
                    "floors": [0 if whole else self._floors[priority].value for priority in PRIORITIES],
                    "suspects": suspects,
                },
            ).fetchall()
        return Claim(token, tuple(Entry(*row) for row in rows))

    def wake(self, *, now: bool = False) -> Woken:
        """Make entries ready whose pause is over or whose lease lapsed: at most once a second, unless `now`."""
        if not (now or self._wake.due()):
            return Woken()
        begun = time.monotonic()
        with self._db.transaction(lazily=True) as connection:
            row = connection.execute(
                self._sql["wake"], {"max_entries": 1_000, "max_attempts": self._max_attempts}
            ).fetchone()
        assert row is not None
        self._wake.spent(time.monotonic() - begun)
        return Woken(*row)

    def settle(self) -> None:
        """The last batch was published: nothing is held."""
        self._held = None

    def release(self) -> None:
        """Give back what an error kept from being published; no attempt is counted. Also done by the next claim."""
        if self._held:
            with self._db.transaction(lazily=True) as connection:
                connection.execute(
                    self._sql["release"], {"token": self._held.token, "profile_ids": self._held.profile_ids}
                )
            self._held = None
