"""Sums of a tutor in few words: what a case does not name is nothing."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from caas_worker.quality.model import WINDOWS, TutorSums, WindowSums

TODAY = date(2026, 5, 4)


def window(**known: float) -> WindowSums:
    """A window's sums."""
    return WindowSums(**{field.name: known.pop(field.name, 0) for field in fields(WindowSums)}, **known)


def tutor(
    windows: dict[str, WindowSums] | None = None,
    completed: Sequence[int] = (),
    late: Sequence[float | None] = (),
    days: int | None = None,
    **known: Any,
) -> TutorSums:
    """A tutor who began so many days ago (1: today); sessions and lateness by day, today first."""
    return TutorSums(
        profile_id=UUID(int=1),
        today=TODAY,
        first_day=None if days is None else TODAY - timedelta(days=days - 1),
        windows={name: window() for name in WINDOWS} | (windows or {}),
        completed_by_day=[*completed, *[0] * (14 - len(completed))],
        lateness_by_day=[*late, *[None] * (7 - len(late))],
        **known,
    )
