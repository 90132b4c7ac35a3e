"""What happens between the steps of a batch: writes in transactions of every kind, and chores of workers and people."""

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from hypothesis import strategies as st

from tests.proof.writes import PEOPLE, Write, writes, writes_at_once

sessions = st.integers(0, 1)


@dataclass(frozen=True)
class Begun:
    """A write in a transaction that stays open."""

    session: int
    write: Write
    isolation: str


@dataclass(frozen=True)
class TakenBack:
    """A write whose savepoint is rolled back; what came before it in its transaction stays."""

    session: int
    write: Write


@dataclass(frozen=True)
class Ended:
    """An open transaction ends well, is refused, or never was."""

    session: int
    commit: bool


@dataclass(frozen=True)
class Judged:
    """A tutor is judged by a threshold of their own, or by none any more."""

    tutor: UUID
    rate: float | None


class Chore(Enum):
    """What workers, operators and callers do besides; the worker is the one whose batch is not under way."""

    FOLD = auto()
    FOLD_WHAT_IS_NEW = auto()
    LAPSE = auto()
    LAPSE_AND_OVERTAKE = auto()
    ABANDON = auto()
    RELEASE = auto()
    EVERYONE = auto()
    RECALCULATE = auto()
    SWEEP = auto()
    FOLLOW = auto()
    AGGREGATE = auto()
    ACKNOWLEDGE = auto()
    POST = auto()


@dataclass(frozen=True)
class Made:
    """A transaction of one statement, and what comes right after it."""

    write: Write
    then: Chore | None


Act = Made | Begun | TakenBack | Ended | Judged | Chore
chores = st.sampled_from(
    [Chore.FOLD, Chore.FOLD, Chore.FOLD, Chore.LAPSE_AND_OVERTAKE, Chore.LAPSE_AND_OVERTAKE, *Chore]
)
made = st.builds(Made, writes_at_once, st.sampled_from([None, Chore.FOLD, Chore.FOLD, Chore.LAPSE_AND_OVERTAKE]))
judged = st.builds(Judged, st.sampled_from(PEOPLE[:2]), st.sampled_from([None, 0.0, 33.33, 33.34, 50.0]))
acts: st.SearchStrategy[Act] = st.one_of(
    *[made] * 6,
    st.builds(Begun, sessions, writes, st.sampled_from(["read committed", "serializable"])),
    st.builds(TakenBack, sessions, writes),
    st.builds(Ended, sessions, st.sampled_from([True, True, False])),
    chores,
    st.one_of(chores, judged),
)
