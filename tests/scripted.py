"""A rule that does what a test wants, for the tests of everything around it."""

from collections.abc import Callable
from typing import ClassVar
from uuid import UUID

from caas_worker.model import Profile, Score


class Scripted:
    """A tutor rule whose every score is preceded by what the test wants to happen then."""

    name: ClassVar[str] = "scripted"
    role: ClassVar[str] = "TUTOR"
    precedence: ClassVar[int] = 10
    version: ClassVar[str] = "scripted-v1"
    statistics: ClassVar[tuple[str, ...]] = ()

    def __init__(self, first: Callable[[Profile], object]) -> None:
        self._first = first

    def score(self, profile: Profile, *_: object) -> Score:
        self._first(profile)
        return Score(role_type=self.role, version=self.version, total=50)


def failing(*unlucky: UUID) -> Scripted:
    def fail(profile: Profile) -> None:
        if profile.profile_id in unlucky:
            raise ValueError("no score for this one")

    return Scripted(fail)
