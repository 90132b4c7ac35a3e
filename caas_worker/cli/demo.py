"""caas-worker demo: see a score move within a second of a write."""

import contextlib
import dataclasses
import math
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live
from rich.progress import Progress, TaskID

from caas_worker.cli.output import Json, print_json
from caas_worker.cli.target import conninfo, say
from caas_worker.cli.work import stop_on_signals
from caas_worker.db import Database
from caas_worker.demo import stage, view
from caas_worker.demo.show import Figures, Show
from caas_worker.settings import Settings

LOOK_SECONDS = 0.1
LINE_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End after so many seconds; without it, at Ctrl-C.")
    ] = None,
    people: Annotated[int, typer.Option(min=100, max=1_000_000, help="People of a new marketplace.")] = 2_000,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Workers.")] = 1,
    per_second: Annotated[float, typer.Option(min=0.1, max=2_000, help="Application transactions a second.")] = 20,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw the sample marketplace away and make a new one.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the HTTP service; 0: any that is free.")] = 0,
    json: Json = False,
) -> None:
    """A sample marketplace with live traffic, workers, and a view in which scores move. Needs no set-up."""
    settings = Settings.load()
    stop = stop_on_signals()
    console = Console(stderr=json)
    with conninfo(settings) as target:
        stage_ = _set_up(target, settings, people, fresh, console)
        say(
            f"{stage_.people.tutors:,} tutors, {stage_.people.clients:,} clients, {stage_.people.bookings:,} bookings, "
            f"{stage_.people.reviews:,} reviews; {stage_.scored:,} scores computed in {stage_.scored_seconds:.1f} s "
            f"({stage_.scored / max(stage_.scored_seconds, 0.001):,.0f}/s)"
        )
        with Show(target, settings, workers, per_second) as show, _http(target, settings, port):
            figures = _watch(show, console, stop, time.monotonic() + seconds if seconds else math.inf)
        with Database(target) as db:
            differing = stage.differences(db, settings)
    summary = {**dataclasses.asdict(figures), "differences": differing}
    if json:
        print_json(summary)
    else:
        console.print(
            f"{figures.transactions:,} transactions ({figures.errors} errors), {figures.scored:,} scores; freshness "
            f"p50 {view.milliseconds(figures.freshness_p50)}, p99 {view.milliseconds(figures.freshness_p99)}; "
            f"everyone computed anew: {differing} differences",
            highlight=False,
            soft_wrap=True,
        )
    raise typer.Exit(1 if differing else 0)


@contextlib.contextmanager
def _http(target: str, settings: Settings, port: int) -> Iterator[None]:
    """The HTTP service beside the show, with a key of this run's own."""
    from caas_worker.api.server import listening, serving
    from caas_worker.api.service import Service

    key = secrets.token_hex(16)
    keys = {name: getattr(settings, name) or SecretStr(key) for name in ("worker_api_key", "api_key")}
    opened = settings.model_copy(update=keys)
    with (
        Database(target) as db,
        listening("127.0.0.1", port) as listener,
        serving(Service(opened, db), listener) as address,
    ):
        say(
            f"scores over HTTP: {address}/docs"
            + ("" if settings.worker_api_key and settings.api_key else f" (key {key})")
        )
        yield


def _set_up(target: str, settings: Settings, people: int, fresh: bool, console: Console) -> stage.Stage:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        return stage.set_up(target, settings, size=people, fresh=fresh, say=say, progress=show)


def _watch(show: Show, console: Console, stop: threading.Event, end: float) -> Figures:
    """Look until told to stop, or until the end; returns the last figures."""
    figures = show.look()
    if not console.is_terminal:
        next_line = 0.0
        while not stop.wait(LOOK_SECONDS) and time.monotonic() < end:
            figures = show.look()
            if time.monotonic() >= next_line:
                console.print(view.line(show, figures), highlight=False, soft_wrap=True)
                next_line = time.monotonic() + LINE_SECONDS
        return figures
    with Live(view.screen(show, figures), console=console, auto_refresh=False) as live:
        while not stop.wait(LOOK_SECONDS) and time.monotonic() < end:
            figures = show.look()
            live.update(view.screen(show, figures), refresh=True)
    return figures
