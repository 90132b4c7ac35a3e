"""Sentry, where a DSN is set: errors only, and nothing of a person in them. Silent otherwise."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caas_worker import __version__
from caas_worker.errors import SettingsError, impersonal
from caas_worker.settings import Settings
from caas_worker.telemetry import Batch, Failed, Watcher

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

PERSONAL = ("request", "user", "extra", "breadcrumbs", "logentry", "message")


def begin(settings: Settings, **options: Any) -> None:
    """Report errors to the configured DSN; does nothing without one.

    Raises:
        SettingsError: that is no DSN. The message does not repeat it: it holds a key.
    """
    if settings.sentry_dsn is None:
        return
    import sentry_sdk  # only here: most have no DSN, and every command would wait for it
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration
    from sentry_sdk.integrations.threading import ThreadingIntegration
    from sentry_sdk.utils import BadDsn

    try:
        sentry_sdk.init(
            dsn=settings.sentry_dsn.get_secret_value(),
            release=f"caas-worker@{__version__}",
            include_local_variables=False,
            max_breadcrumbs=0,
            max_request_body_size="never",
            default_integrations=False,
            integrations=[AtexitIntegration(lambda *_: None), ExcepthookIntegration(), ThreadingIntegration()],
            before_send=scrub,
            **options,
        )
    except BadDsn:
        raise SettingsError("SENTRY_DSN is no DSN. Example: https://key@sentry.example.org/1") from None


def scrub(event: "Event", hint: "Hint") -> "Event":
    """An event without what may be personal: requests, users, and the messages of exceptions, which may repeat rows."""
    for part in PERSONAL:
        event.pop(part, None)  # type: ignore[misc]
    found = hint.get("exc_info")
    error = found[1] if found else None
    described = {type(link).__name__: impersonal(link) for link in _chain(error)}
    for value in event.get("exception", {}).get("values", []):
        value["value"] = described.get(value.get("type") or "", "")
    return event


def report(error: BaseException) -> None:
    """Report an error that nobody foresaw; does nothing before `begin`."""
    if sentry_sdk := sys.modules.get("sentry_sdk"):
        sentry_sdk.capture_exception(error)


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


class Reporter(Watcher):
    """Reports what failed in a batch, each kind of error once."""

    def batch(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        sentry_sdk = sys.modules.get("sentry_sdk")
        if not batch.failed or sentry_sdk is None:
            return
        kinds: dict[tuple[str, str, str], list[Failed]] = {}
        for failed in batch.failed:
            kinds.setdefault((failed.strategy, failed.failure.error, type(failed.failure.cause).__name__), []).append(
                failed
            )
        for (strategy, code, _), failures in kinds.items():
            cause = failures[0].failure.cause
            if cause is None:
                continue
            with sentry_sdk.new_scope() as scope:
                scope.set_tag("strategy", strategy)
                scope.set_tag("code", code)
                scope.set_context(
                    "batch",
                    {
                        "token": batch.token.hex[:8],
                        "profiles": batch.size,
                        "failed": len(failures),
                        "set_aside": sum(failed.ending == "dead" for failed in failures),
                        "seconds": {step: round(spent, 4) for step, spent in seconds.items()},
                    },
                )
                sentry_sdk.capture_exception(cause)
