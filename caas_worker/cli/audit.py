"""caas-worker audit: the cache against a recomputation."""

import dataclasses
import json as json_module
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from caas_worker import queue, worker
from caas_worker.audit import MOST_DIFFERENCES, Report
from caas_worker.audit import audit as check
from caas_worker.audit import everyone as all_ids
from caas_worker.audit import sample as sample_ids
from caas_worker.cli.output import Json, print_json, print_table
from caas_worker.cli.target import database, say
from caas_worker.cli.work import stop_on_signals
from caas_worker.errors import SettingsError
from caas_worker.telemetry import Telemetry

DEFAULT_SAMPLE = 1_000
SHOWN = 20
"""Differences that are printed for people."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    sample: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="So many random profiles; 1000 if nothing is said.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every profile and every cached score.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Put those that differ into the queue.")] = False,
    json: Json = False,
) -> None:
    """Compute scores anew, nothing written, and compare them with the cache.

    Exit 1 when any differ, are missing or left over, or could not be computed.
    """
    if sample is not None and everyone:
        raise SettingsError("Say --sample or --all, not both.")
    count = sample or DEFAULT_SAMPLE
    stop = stop_on_signals()
    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with database() as (settings, db):
        line = worker.line(db, settings, telemetry=Telemetry())
        size = settings.run_batch_size
        batches = all_ids(db, size) if everyone else sample_ids(db, count, size)
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=json or not console.is_terminal) as progress:
            total = queue.everyone(db) if everyone else count
            task = progress.add_task("", total=total)
            report = check(
                db,
                line,
                batches,
                repair=repair,
                progress=lambda done: progress.update(task, completed=done, total=max(total, done)),
                stop=stop,
            )
    if json:
        print_json(dataclasses.asdict(report))
    else:
        _print(report, repair)
    if stop.is_set():
        say("stopped before the end")
        raise typer.Exit(130)
    raise typer.Exit(report.exit_code)


def _print(report: Report, repair: bool) -> None:
    for shown in report.differences[:SHOWN]:
        fields = [(name, _text(value["cached"]), _text(value["fresh"])) for name, value in _fields(shown)]
        typer.echo(f"{shown['profile_id']} {_kind(shown['kind'])}")
        print_table(("", "cached", "fresh"), fields)
    if len(report.differences) > SHOWN:
        most = f"the first {MOST_DIFFERENCES:,}" if len(report.differences) == MOST_DIFFERENCES else "all"
        say(f"… {SHOWN} of {len(report.differences):,} shown; --json has {most}")
    words = {
        "same": "same",
        "different": "different",
        "missing": "without a score",
        "orphans": "scores without a profile",
        "failed": "could not be computed",
        "dead": "set aside",
        "pending": "with a change on its way",
        "due": "due by time",
        "moving": "published again and again meanwhile",
    }
    counts = [f"{getattr(report, name):,} {word}" for name, word in words.items() if getattr(report, name)]
    say(f"{report.checked:,} compared: {', '.join(counts) or 'there is nobody'}")
    if report.not_followed:
        times = "time" if report.not_followed == 1 else "times"
        say(f"{report.not_followed:,} {times} profiles.caas_score is not the cached score")
    if repair:
        say(f"{report.repaired:,} marked. Running workers compute them; without any: caas-worker drain")
    elif report.different or report.missing or report.orphans or report.not_followed:
        say("Put whoever differs into the queue: caas-worker audit --all --repair")


def _fields(shown: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, value) for name, value in shown.items() if isinstance(value, dict)]


def _kind(kind: str) -> str:
    return {"missing": "has no score", "orphans": "has a score and no profile"}.get(kind, "differs")


def _text(value: Any) -> Any:
    return json_module.dumps(value) if isinstance(value, dict | bool) else value
