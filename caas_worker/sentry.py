"""Sentry, where a DSN is set: errors only, without personal data. Silent otherwise."""

import sentry_sdk

from caas_worker import __version__
from caas_worker.settings import Settings


def begin(settings: Settings) -> None:
    """Report errors to the configured DSN; does nothing without one."""
    if settings.sentry_dsn is None:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        release=f"caas-worker@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_breadcrumbs=0,
    )
