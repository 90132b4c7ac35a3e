"""caas-worker queue monitor: the queue as it moves."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from caas_worker import figures
from caas_worker.cli.output import Json, print_json
from caas_worker.cli.spans import span
from caas_worker.cli.target import database
from caas_worker.cli.work import stop_on_signals
from caas_worker.db import Database

SHOWN_LOOKS = 20


@dataclass(frozen=True, slots=True)
class Look:
    """The figures at one moment, and how fast marks and scores were written since the look before."""

    seconds: float
    figures: dict[str, Any]
    marks_per_second: float
    scores_per_second: float


def monitor(
    duration: Annotated[str, typer.Option(help="For how long, such as 30s, 10m or 1h.")] = "1m",
    every: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 2,
    json: Json = False,
) -> None:
    """Watch the queue: depth, what comes and goes a second, the oldest change, dead entries. Ctrl-C ends it.

    Rates come from the database's own statistics, which are a second or so behind. --json prints an object a line.
    """
    seconds = span(duration).total_seconds()
    stop = stop_on_signals()
    console = Console()
    with database() as (_, db):
        looks = _looks(db, seconds, every, stop.wait)
        if json:
            for look in looks:
                print_json(_plain(look))
        elif console.is_terminal:
            seen: list[Look] = []
            with Live(_table([]), console=console, auto_refresh=False) as live:
                for look in looks:
                    seen = [*seen, look][-SHOWN_LOOKS:]
                    live.update(_table(seen), refresh=True)
        else:
            for look in looks:
                console.print(
                    "  ".join(f"{name} {value}" for name, value in zip(COLUMNS, _cells(look), strict=True)),
                    highlight=False,
                    soft_wrap=True,
                )


def _looks(db: Database, duration: float, every: float, wait: Any) -> Iterator[Look]:
    begun = last = time.monotonic()
    before = figures.written(db)
    while True:
        now = time.monotonic()
        written = figures.written(db)
        past = max(now - last, 0.001)
        yield Look(
            seconds=now - begun,
            figures=figures.status(db),
            marks_per_second=max(written.marks - before.marks, 0) / past if now > last else 0,
            scores_per_second=max(written.scores - before.scores, 0) / past if now > last else 0,
        )
        last, before = now, written
        if now - begun >= duration or wait(min(every, max(duration - (time.monotonic() - begun), 0.01))):
            return


COLUMNS = (
    "at",
    "marks",
    "live",
    "backfill",
    "waiting",
    "in flight",
    "dead",
    "oldest",
    "marks/s",
    "scores/s",
    "workers",
)


def _cells(look: Look) -> tuple[str, ...]:
    now = look.figures
    return (
        f"{_short(round(look.seconds))} s",
        _short(now["marks"]),
        _short(now["depth"]["manual"] + now["depth"]["live"]),
        _short(now["depth"]["time"] + now["depth"]["backfill"]),
        _short(now["waiting"]),
        _short(now["in_flight"]),
        _short(now["dead"]),
        f"{_short(float(now['oldest_seconds']))} s",
        _short(look.marks_per_second),
        _short(look.scores_per_second),
        _short(now["workers"]),
    )


def _short(number: float) -> str:
    """In six characters or so, for eleven columns on 80."""
    if number >= 100_000:
        return f"{number / 1_000:,.0f}k"
    return f"{number:.1f}" if isinstance(number, float) and number < 100 else f"{number:,.0f}"


def _table(looks: list[Look]) -> Table:
    table = Table(
        box=None, padding=(0, 1, 0, 0), pad_edge=False, caption="live: manual and live entries · Ctrl-C ends it"
    )
    for name in COLUMNS:
        table.add_column(name.replace(" ", "\n").replace("/", "\n/"), justify="right", vertical="bottom")
    for look in looks:
        table.add_row(*_cells(look))
    return table


def _plain(look: Look) -> dict[str, Any]:
    return {
        "seconds": round(look.seconds, 3),
        **look.figures,
        "marks_per_second": round(look.marks_per_second, 3),
        "scores_per_second": round(look.scores_per_second, 3),
    }
