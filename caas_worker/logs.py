"""Log lines: for people, or one JSON object a line. Nothing in them tells of a person: no names, no ids of profiles."""

import logging
import sys
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from caas_worker.errors import impersonal
from caas_worker.telemetry import Batch, Watcher

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

log = logging.getLogger("caas_worker.line")


def begin(form: str, level: str, stream: TextIO | None = None) -> None:
    """Log to standard error, or another stream; what libraries log is formed alike.

    Args:
        form: text or json.
        level: lines of this importance and above.
    """
    import structlog

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        without_values,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def without_values(_: "WrappedLogger", __: str, event: "EventDict") -> "EventDict":
    """Say of an exception where it happened and what kind it is, not its message: that may repeat a row's values."""
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["exception"] = impersonal(error)
        event["stack"] = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return event


class Journal(Watcher):
    """Writes a line for each batch, with the seconds of its steps, and for each failed attempt."""

    def lapsed(self, lost: int, dead: int) -> None:
        log.warning("leases lapsed", extra={"lost": lost, "dead": dead})

    def batch(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        log.info(
            "batch",
            extra={
                "batch": batch.token.hex[:8],
                "profiles": batch.size,
                **batch.endings,
                "oldest_change_seconds": round(max(batch.freshness_seconds, default=0), 3),
                "seconds": round(sum(seconds.values()), 4),
                **{f"{step}_seconds": round(spent, 4) for step, spent in seconds.items()},
            },
        )
        for failed in batch.failed:
            cause = failed.failure.cause
            log.warning(
                "failure",
                extra={
                    "batch": batch.token.hex[:8],
                    "code": failed.failure.error,
                    "exception": impersonal(cause) if cause else None,
                    "strategy": failed.strategy,
                    "attempt": failed.attempt,
                    "ending": failed.ending,
                },
            )
