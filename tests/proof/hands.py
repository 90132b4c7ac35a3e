"""Whoever plays a part in a history: the application's connections, and workers with what they hold in their hands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from caas_worker.db import Database
from caas_worker.model import Claim, Scored
from caas_worker.pipeline import Line


@dataclass
class Bench:
    """What a history is played on; each history clears it first."""

    app: psycopg.Connection[Any]
    writer: psycopg.Connection[Any]
    """For transactions of one statement. It gives way at once, as the sessions do, where they meet."""
    sessions: list[psycopg.Connection[Any]]
    db: Database
    make_line: Callable[[], Line]


@dataclass
class Hands:
    """One worker and what it holds in its hands."""

    line: Line
    claim: Claim | None = None
    scored: Scored | None = None

    def take(self, size: int) -> None:
        """Claim a batch."""
        claim = self.line.claimant.claim(size, whole=True)
        self.claim, self.scored = (claim if claim.entries else None), None

    def publish(self) -> None:
        """Publish the computed batch, as far as it is still this worker's."""
        if self.claim and self.scored:
            self.line.publish(self.claim, self.scored)
            self.put_down()

    def put_down(self) -> None:
        """Forget the batch, without a word to the database."""
        self.line.claimant.settle()
        self.claim = self.scored = None
