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
    expanded: int | None
    """Marks that a mark of everyone was turned into; None: there was no such mark, or it had to wait."""

    is_full: bool
    """There may be more."""

    @property
    def found_any(self) -> bool:
        """Something was there: marks, or a mark of everyone."""
        return self.marks > 0 or self.expanded is not None


class Folder:
    """Folds marks, in pieces of `size`, remembering where the live ones begin (see floor.py)."""

    def __init__(self, db: Database, size: int, *, debounce_seconds: float = 0) -> None:
        """Make a folder.

        Args:
            debounce_seconds: how long an entry waits from its first change, so that what follows is computed with it.
        """
        self._db = db
        self._debounce_seconds = debounce_seconds
        self._size = size
        self._floor = Floor()
        self._whole = Pace()
        self._expansion = Pace()
        self._sql = statements("fold")

    def fold(self, *, whole: bool = False) -> Folded:
        """Move up to `size` marks into the queue, and expand a mark of everyone by its next profiles.

        Expanding waits while folds are full, but not for long: live changes may never cease.

        Args:
            whole: search from the very beginning, so that an empty result means that no mark is left.
        """
        whole = whole or self._whole.due()
        begun = time.monotonic()
        with self._db.transaction(lazily=True) as connection:
            row = connection.execute(
                self._sql["fold"],
                {
                    "max_marks": self._size,
                    "from_id": 0 if whole else self._floor.value,
                    "debounce_seconds": self._debounce_seconds,
                },
            ).fetchone()
            assert row is not None
            marks, entries, last_id = row
        expanded: int | None = None
        if marks < self._size or self._expansion.due():
            with self._db.transaction(lazily=True) as connection:
                row = connection.execute(self._sql["expand"], {"max_profiles": self._size}).fetchone()
                assert row is not None
                expanded = row[0]
            self._expansion.spent(0)
        if whole:
            self._whole.spent(time.monotonic() - begun)
        if whole and marks == self._size:
            self._floor.restart(last_id)
        else:
            self._floor.reach(last_id)
        return Folded(marks, entries, expanded, is_full=marks == self._size or expanded == self._size)
