"""The desk: whoever wants a score computed now asks here, and all who ask are worked for together.

Callers come one by one; the line works in batches. The desk marks what was asked for since its last turn in one
transaction (a recalculation over HTTP has marked already), works the queue while any of it is ready there, and looks
where all of it stands with one query: round trips do not grow with the number of callers. Other workers may take the
entries first; the desk then waits for them.

A caller who wants a fresh score gets one computed after the asking: the published generation is the one that the
asking got, or the computation began after it. A caller who only wants a score that was never computed joins whoever
asked before. (Held by tests/service/test_desk.py.)
"""

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from caas_worker import queue, rules, sentry
from caas_worker.db import Database
from caas_worker.errors import CaasError, DatabaseUnavailable, NotComputed, RulesOutdated, impersonal
from caas_worker.pipeline import Line
from caas_worker.telemetry import LEASE_LOST

SHORTEST_LOOK_SECONDS = 0.01
LONGEST_LOOK_SECONDS = 0.25

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an asking."""

    generation: int
    failure: str | None = None
    """Why there is no fresh score for now; the queue goes on trying."""


@dataclass(eq=False, slots=True)
class Asking:
    """A profile that somebody wants computed."""

    profile_id: UUID
    fresh: bool
    marked: "Future[int]" = field(default_factory=Future)
    """The generation; 0 where somebody else's computation was joined."""
    answered: "Future[Answer]" = field(default_factory=Future)
    """As soon as the score is published, or will not be for now."""


@dataclass(eq=False, slots=True)
class _Case:
    asking: Asking
    generation: int
    marked_at: datetime
    end: float
    attempts: int | None = None


_Looked = tuple[_Case, queue.Standing]


class Desk:
    """Works for callers: in a thread of its own between `open` and `close`, or turn by turn."""

    def __init__(self, db: Database, line: Line, *, patience_seconds: float = 120) -> None:
        """Make a desk over one database.

        Args:
            patience_seconds: after which an asking is looked after no longer; its entry stays in the queue.
        """
        self._db = db
        self._line = line
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._closing = threading.Event()
        self._new: dict[UUID, Asking] = {}
        self._marking: dict[UUID, Asking] = {}
        self._cases: dict[UUID, list[_Case]] = {}
        self._has_published = False
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def ask(self, profile_id: UUID, *, fresh: bool = True) -> Asking:
        """Want a profile computed. Not `fresh`: whichever computation of it is under way will do."""
        with self._lock:
            if not fresh and (under_way := self._under_way(profile_id)):
                return under_way
            asking = self._new.setdefault(profile_id, Asking(profile_id, fresh))
            asking.fresh |= fresh
        self._asked.set()
        return asking

    def look_after(self, profile_id: UUID, mark: queue.Mark) -> Asking:
        """Have a profile computed that is marked already."""
        asking = Asking(profile_id, fresh=True)
        asking.marked.set_result(mark.generation)
        case = _Case(asking, mark.generation, mark.at, time.monotonic() + self._patience_seconds)
        with self._lock:
            self._cases.setdefault(profile_id, []).append(case)
        self._asked.set()
        return asking

    def is_asked(self, profile_id: UUID) -> bool:
        """Whether a computation of the profile is under way here."""
        with self._lock:
            return profile_id in self._new or self._under_way(profile_id) is not None

    def _under_way(self, profile_id: UUID) -> Asking | None:
        if profile_id in self._marking:
            return self._marking[profile_id]
        return self._cases[profile_id][-1].asking if profile_id in self._cases else None

    def turn(self) -> bool:
        """Mark what was asked for, work what is ready, look where all stands; returns whether it got any further.

        Raises:
            CaasError: whoever was waiting has been told, unless the database is away: then they wait on.
        """
        new = self._take()
        try:
            moved = self._mark(new) if new else False
            looked = self._look()
            if not looked:
                return moved
            self._begin_counting(looked)
            ready = len({case.asking.profile_id for case, now in looked if now.ready})
            if not ready:
                self._line.wake()
            self._mark_joined(looked)
            if ready and self._line.run_batch(ready) is not None:
                moved = True
                looked = self._look()
            return self._settle(looked) or moved
        except Exception as error:
            self._give_up(error)
            raise

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything."""
        with self._lock:
            return not self._cases and not self._new

    def open(self) -> None:
        """Begin to work in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Finish the turn at hand, tell whoever still waits, and end the thread."""
        self._closing.set()
        self._asked.set()
        self._thread.join()
        self._take()
        self._give_up(NotComputed("The service is closing. The profile stays in the queue."))

    def _run(self) -> None:
        pause = SHORTEST_LOOK_SECONDS
        while not self._closing.is_set():
            self._asked.wait(None if self.is_idle else pause)
            self._asked.clear()
            try:
                moved = self.turn()
                pause = SHORTEST_LOOK_SECONDS if moved else min(pause * 2, LONGEST_LOOK_SECONDS)
            except CaasError as error:
                log.error("the desk could not work: %s", impersonal(error))
                self._recover(error)
                self._closing.wait(LONGEST_LOOK_SECONDS)
            except Exception as error:
                log.exception("the desk met an error that nobody foresaw")
                sentry.report(error)
                self._recover(error)
                self._closing.wait(LONGEST_LOOK_SECONDS)

    def _recover(self, error: Exception) -> None:
        """Give back what a failed batch may hold, and drop connections that are dead."""
        if isinstance(error, DatabaseUnavailable):
            self._db.forget_connections()
        with contextlib.suppress(CaasError):
            self._line.claimant.release()
        if isinstance(error, RulesOutdated):
            self._has_published = False

    def _take(self) -> list[Asking]:
        with self._lock:
            self._marking, self._new = self._new, {}
            return list(self._marking.values())

    def _mark(self, new: Sequence[Asking]) -> bool:
        if not self._has_published:
            rules.publish(self._db, self._line.registry)
            self._has_published = True
        joining = [asking.profile_id for asking in new if not asking.fresh]
        standings = queue.standings(self._db, joining) if joining else {}
        # a read must neither ask twice nor bring back what failed: that is a change's business, or an operator's
        left_alone = {
            key
            for key, now in standings.items()
            if now.generation is not None or (not now.ready and (now.queued or now.error) and not now.is_debounced)
        }
        marked = queue.recalculate(
            self._db, [asking.profile_id for asking in new if asking.profile_id not in left_alone], reason="request"
        )
        end = time.monotonic() + self._patience_seconds
        with self._lock:
            for asking in new:
                mark = marked.get(asking.profile_id, queue.JOINED)
                case = _Case(asking, mark.generation, mark.at, end)
                self._cases.setdefault(asking.profile_id, []).append(case)
            self._marking = {}
        for asking in new:
            asking.marked.set_result(marked.get(asking.profile_id, queue.JOINED).generation)
        return True

    def _look(self) -> list[_Looked]:
        """Where every case stands. Not those opened meanwhile: the query may not have seen their marks."""
        with self._lock:
            cases = [case for of_one in self._cases.values() for case in of_one]
        if not cases:
            return []
        standings = queue.standings(self._db, list({case.asking.profile_id for case in cases}))
        return [(case, standings[case.asking.profile_id]) for case in cases]

    @staticmethod
    def _begin_counting(looked: Sequence[_Looked]) -> None:
        for case, now in looked:
            if case.attempts is None:
                case.attempts = now.attempts

    def _mark_joined(self, looked: Sequence[_Looked]) -> None:
        """Ask for what was joined and now is nobody's: it may stand far behind, and callers wait for it."""
        left = [case for case, now in looked if now.ready and case.generation == queue.JOINED.generation]
        marked = queue.recalculate(self._db, [case.asking.profile_id for case in left], reason="request")
        for case in left:
            case.generation = marked[case.asking.profile_id].generation

    def _give_up(self, error: Exception) -> None:
        """Tell who waits; but while the database is away, what is marked already is waited for on."""
        with self._lock:
            told = list(self._marking.values())
            self._marking = {}
            if not isinstance(error, DatabaseUnavailable):
                told += [case.asking for cases in self._cases.values() for case in cases]
                self._cases.clear()
        self._tell(told, error if isinstance(error, CaasError) else NotComputed())

    def _settle(self, looked: Sequence[_Looked]) -> bool:
        """Answer those whose score is published, or will not be for now."""
        settled = [(case, answer) for case, now in looked if (answer := _answer(case, now)) is not None]
        with self._lock:
            for case, _ in settled:
                cases = self._cases[case.asking.profile_id]
                cases.remove(case)
                if not cases:
                    del self._cases[case.asking.profile_id]
        for case, answer in settled:
            if not case.asking.answered.done():  # several cases may be of one asking
                case.asking.answered.set_result(answer)
        return bool(settled)

    @staticmethod
    def _tell(askings: Sequence[Asking], error: CaasError) -> None:
        for asking in askings:
            for future in (asking.marked, asking.answered):
                if not future.done():
                    future.set_exception(error)


def _answer(case: _Case, now: queue.Standing) -> Answer | None:
    """What a caller can be told by now."""
    if not now.queued and now.error is not None:
        return Answer(case.generation, f"set aside after {now.error}")
    if now.generation == case.generation or (now.calculated_at is not None and now.calculated_at > case.marked_at):
        return Answer(case.generation)
    if not now.queued:
        return Answer(case.generation, None if now.generation is None else "taken out of the queue")
    if case.attempts is not None and now.attempts > case.attempts and now.error != LEASE_LOST:
        return Answer(case.generation, f"failed with {now.error}" + (_again(now.due_at)))
    if now.due_at is not None and not now.is_debounced and now.due_at > datetime.now(UTC):
        return Answer(case.generation, f"waits after {now.error}" + _again(now.due_at))
    if time.monotonic() >= case.end:
        return Answer(case.generation, "still in the queue")
    return None


def _again(due_at: datetime | None) -> str:
    return f"; tried again at {due_at:%H:%M:%S %Z}" if due_at else ""
