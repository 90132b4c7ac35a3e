"""Fold: marks become entries of the queue, one per profile."""

import time
from dataclasses import dataclass

from caas_worker.db import Database
from caas_worker.floor import Floor, Pace
from caas_worker.sql import statements


@dataclass(frozen=True, slots=True)
class Folded:
    """What one fold moved."""

    marks: int
    entries: int
    expanded: int
    """Marks that a mark of everyone was turned into."""

    @property
    def work(self) -> int:
        """Marks taken or made: 0 means that nothing was there."""
        return self.marks + self.expanded


class Folder:
    """Folds marks, in pieces of `size`, remembering where the live ones begin (see floor.py)."""

    def __init__(self, db: Database, size: int) -> None:
        self._db = db
        self._size = size
        self._floor = Floor()
        self._whole = Pace()
        self._sql = statements("fold")

    def fold(self, *, whole: bool = False) -> Folded:
        """Move up to `size` marks into the queue; expand a mark of everyone when there is nothing else.

        Args:
            whole: search from the very beginning, so that an empty result means that no mark is left.
        """
        whole = whole or self._whole.due()
        begun = time.monotonic()
        with self._db.transaction(lazily=True) as connection:
            row = connection.execute(
                self._sql["fold"], {"max_marks": self._size, "from_id": 0 if whole else self._floor.value}
            ).fetchone()
            assert row is not None
            marks, entries, last_id = row
            expanded = 0
            if not marks:
                expansion = connection.execute(self._sql["expand"], {"max_profiles": self._size}).fetchone()
                assert expansion is not None
                expanded = expansion[0]
        self._floor.reach(last_id)
        if whole:
            self._whole.spent(time.monotonic() - begun)
        return Folded(marks, entries, expanded)
