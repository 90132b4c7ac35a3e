"""caas-worker run, drain, sweep, backfill, health: the work itself."""

import contextlib
import dataclasses
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from caas_worker import queue, rules, worker
from caas_worker.cli.output import Json, print_json, progress
from caas_worker.cli.target import database, say
from caas_worker.figures import status
from caas_worker.fleet import Fleet
from caas_worker.settings import Settings
from caas_worker.sql import statements
from caas_worker.strategies import Registry
from caas_worker.sweep import due
from caas_worker.sweep import sweep as sweep_once


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (run, drain, sweep, backfill, health):
        app.command()(command)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    stop = threading.Event()

    def ask(number: int, _: object) -> None:
        if stop.is_set():
            raise SystemExit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def run(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Offer metrics here; without it, CAAS_METRICS_PORT.")
    ] = None,
    of: Annotated[int | None, typer.Option(hidden=True, help="Process whose end ends this worker.")] = None,
) -> None:
    """Work until told to stop: SIGTERM and Ctrl-C finish the batch at hand and leave."""
    from prometheus_client import CollectorRegistry  # only here: no other command needs the time that these take

    from caas_worker import exposition, outbox
    from caas_worker.metrics import LineMetrics

    settings = Settings.load()
    stop = stop_on_signals()
    port = metrics_port or settings.metrics_port
    if of is not None:
        port = None  # the fleet's own process offers them
        threading.Thread(target=_end_with, args=(of, stop), daemon=True).start()
    work: Callable[[], None]
    with database(settings) as (_, db), contextlib.ExitStack() as stack:
        if workers > 1:
            say(f"{workers} workers; Ctrl-C ends them")
            registry, folder = stack.enter_context(exposition.of_a_fleet())
            fleet = Fleet.of_workers(workers, db.conninfo, {exposition.FOLDER: str(folder)} if port else {})
            work = functools.partial(fleet.run, stop)
        else:
            registry, strategies = CollectorRegistry(), Registry.installed(settings)
            telemetry = worker.watched(LineMetrics(registry, strategies.names))
            line = worker.line(db, settings, strategies, telemetry)
            work = worker.Worker(line, settings, stop).run
        if of is None:
            stack.enter_context(outbox.delivering(db, settings, stop))
        if port:
            stack.enter_context(exposition.offered(registry, db, settings.metrics_host, port))
        work()


def _end_with(parent: int, stop: threading.Event) -> None:
    while os.getppid() == parent and not stop.wait(0.5):
        pass
    stop.set()


def drain(
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Profiles in a batch; without it, CAAS_BATCH_SIZE.")
    ] = None,
    max_batches: Annotated[int | None, typer.Option(min=1, help="Stop after so many batches.")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0.1, help="Begin no batch after so many seconds.")] = None,
) -> None:
    """Work until nothing is due and print one JSON summary. Exit 1 when some profiles failed."""
    stop = stop_on_signals()
    with database() as (settings, db):
        line = worker.line(db, settings)
        rules.publish(db, line.registry)
        summary = worker.drain(
            line,
            batch_size=batch_size or settings.batch_size,
            max_batches=max_batches,
            max_seconds=max_seconds,
            stop=stop,
        )
    print_json(dataclasses.asdict(summary))
    raise typer.Exit(summary.exit_code)


def sweep(
    max_profiles: Annotated[int | None, typer.Option(min=1, help="Mark no more than so many.")] = None,
    json: Json = False,
) -> None:
    """Mark the profiles whose score time alone changes now, at time priority. Running workers do this by themselves."""
    stop = stop_on_signals()
    with database() as (settings, db):
        waiting = min(due(db), max_profiles or sys.maxsize)
        marked = 0
        with progress("marking", hidden=json or not waiting) as bar:
            task = bar.add_task("", total=waiting)
            while not stop.is_set() and (max_profiles is None or marked < max_profiles):
                size = settings.fold_size if max_profiles is None else min(settings.fold_size, max_profiles - marked)
                done = sweep_once(db, size)
                marked += done
                bar.update(task, completed=marked, total=max(waiting, marked))
                if done < size:
                    break
    if json:
        print_json({"marked": marked})
    else:
        say(f"{marked} marked. Running workers compute them; without any: caas-worker drain")


def backfill(json: Json = False) -> None:
    """Mark everyone, at low priority. Running workers or a drain then compute them."""
    with database() as (settings, db):
        line = worker.line(db, settings)
        queue.mark_everyone(db, "backfill")
        marked = 0
        with progress("marking everyone", hidden=json) as bar:
            task = bar.add_task("", total=queue.everyone(db))
            while queue.is_expanding(db):
                marked += line.folder.fold().expanded or 0
                bar.update(task, completed=marked)
        depth = status(db)
    if json:
        print_json({"marked": marked, **depth})
    else:
        say(f"{marked} marked. Running workers compute them; without any: caas-worker drain")


def health(json: Json = False) -> None:
    """Exit 0 while the database answers and a worker of this host has said that it lives."""
    with database() as (settings, db):
        with db.transaction() as connection:
            row = connection.execute(statements("worker")["beating"], {"host": socket.gethostname()}).fetchone()
        silent = row[0] if row else None
        healthy = silent is not None and silent < 3 * settings.heartbeat_seconds + settings.statement_timeout
    if json:
        print_json({"healthy": healthy, "last_heartbeat_seconds": silent})
    elif healthy:
        say(f"healthy: a worker of this host beat {silent:.0f} s ago")
    else:
        say(
            "unhealthy: "
            + (f"the last heartbeat was {silent:.0f} s ago" if silent is not None else "no worker runs on this host")
        )
    raise typer.Exit(0 if healthy else 1)
