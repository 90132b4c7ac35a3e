"""Bisection: when a statement fails for a batch, find whose fault it is and let the others through."""

import logging
import traceback
from collections.abc import Callable, Sequence
from uuid import UUID

from caas_worker.errors import DatabaseError, impersonal
from caas_worker.model import Failure

log = logging.getLogger(__name__)


def bisect(profile_ids: Sequence[UUID], attempt: Callable[[Sequence[UUID]], None], code: str) -> dict[UUID, Failure]:
    """Call `attempt` for all, and for halves of what fails, down to single profiles.

    Only an error that one profile's rows can cause (DatabaseError.may_be_one_profile) is halved; any other, such as a
    missing function, is everyone's and raised.

    Returns:
        The failures, under the error code, of the profiles for which the statement fails alone.
    """
    if not profile_ids:
        return {}
    try:
        attempt(profile_ids)
    except DatabaseError as error:
        if not error.may_be_one_profile:
            raise
        if len(profile_ids) == 1:
            return {profile_ids[0]: failure_of(error, code)}
        log.warning("batch of %d failed, halving it: %s", len(profile_ids), impersonal(error))
        middle = len(profile_ids) // 2
        return bisect(profile_ids[:middle], attempt, code) | bisect(profile_ids[middle:], attempt, code)
    return {}


def failure_of(error: Exception, code: str) -> Failure:
    """An exception as the queue and the dead entries keep it."""
    return Failure(
        error=code,
        message=f"{type(error).__name__}: {error}",
        detail="".join(traceback.format_exception(error)),
        cause=error,
    )
