"""Bisection: when a step fails for a batch, find whose fault it is and let the others through."""

import logging
import traceback
from collections.abc import Callable, Sequence
from uuid import UUID

from caas_worker.errors import CaasError, DatabaseError, impersonal
from caas_worker.model import Failure

log = logging.getLogger(__name__)


def bisect(profile_ids: Sequence[UUID], attempt: Callable[[Sequence[UUID]], None], code: str) -> dict[UUID, Failure]:
    """Call `attempt` for all, and for halves of what fails, down to single profiles.

    An error of ours that no single profile's rows can cause, such as a missing function or a database that is away, is
    everyone's and raised. Any other is halved, whether it was foreseen or not: odd data makes the driver, the parser or
    a rule fail in ways that nobody thought of, and the others in the batch have nothing to do with it.

    Returns:
        The failures, under the error code, of the profiles for which it fails alone.
    """
    if not profile_ids:
        return {}
    try:
        attempt(profile_ids)
    except Exception as error:
        if isinstance(error, CaasError) and not (isinstance(error, DatabaseError) and error.may_be_one_profile):
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
