"""caas-worker aggregate: the quality scores as a batch."""

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from caas_worker import aggregate as batch
from caas_worker import worker
from caas_worker.cli.output import Json, print_json, print_table, progress
from caas_worker.cli.target import database, say
from caas_worker.cli.work import stop_on_signals
from caas_worker.errors import SettingsError

SHOWN = 20
"""Failures that are printed for people, unless they ask for more."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(aggregate)


def aggregate(
    date: Annotated[str | None, typer.Option(help="A day, as in 2026-11-21; today if nothing is said.")] = None,
    tutors: Annotated[
        str | None, typer.Option(help="Ids, comma-separated; every active tutor if nothing is said.")
    ] = None,
    include_inactive: Annotated[bool, typer.Option("--include-inactive", help="Inactive tutors as well.")] = False,
    cleanup: Annotated[bool, typer.Option("--cleanup", help="Remove window metrics that are too old.")] = False,
    retention_days: Annotated[
        int | None,
        typer.Option(
            min=1, max=36_500, help=f"With --cleanup: how many days back they are kept, {batch.RETENTION_DAYS} else."
        ),
    ] = None,
    archive: Annotated[Path | None, typer.Option(help="With --cleanup: keep what is removed in this file.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what changed, before and after.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for each tutor.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print failures only.")] = False,
    json: Json = False,
) -> None:
    """Aggregate tutors anew: days, windows, tiers and scores, with a summary.

    Exit 1 when some tutors failed, 130 when interrupted; what is left stays in the queue. Window metrics of a past day
    are written where there are none: those that were published stay as they are.
    """
    if verbose and quiet:
        raise SettingsError("Say --verbose or --quiet, not both.")
    if archive and not cleanup:
        raise SettingsError("--archive keeps what --cleanup removes: say --cleanup as well.")
    if retention_days and not cleanup:
        raise SettingsError("--retention-days is how long --cleanup keeps: say --cleanup as well.")
    day, wanted = _day(date), _ids(tutors)
    if archive:
        batch.try_archive(archive)
    stop = stop_on_signals()
    with database() as (settings, db):
        line = worker.line(db, settings)
        with progress("aggregating", hidden=json or quiet) as bar:
            task = bar.add_task("", total=None)
            report = batch.aggregate(
                db,
                line,
                day=day,
                tutors=wanted,
                include_inactive=include_inactive,
                diff=diff,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
                stop=stop,
            )
        if cleanup and not stop.is_set():
            report.removed = batch.clean(db, line, retention_days or batch.RETENTION_DAYS, archive)
    if json:
        print_json(report.as_dict())
    else:
        _print(report, verbose=verbose, quiet=quiet, diff=diff)
    raise typer.Exit(report.exit_code)


def _day(text: str | None) -> datetime.date | None:
    try:
        return None if text is None else datetime.date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--date {text}: that is no day. Example: 2026-11-21") from None


def _ids(text: str | None) -> list[UUID] | None:
    if text is None:
        return None
    ids = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            ids.append(UUID(part))
        except ValueError:
            raise SettingsError(f"--tutors: {part} is no id.") from None
    if not ids:
        raise SettingsError("--tutors: name at least one id, or leave it out for every active tutor.")
    return ids


def _print(report: batch.Report, *, verbose: bool, quiet: bool, diff: bool) -> None:
    failed = [result for result in report.results if not result.ok]
    for result in report.results if verbose else failed[:SHOWN]:
        typer.echo(f"{result.profile_id} {'ok' if result.ok else 'failed'} {result.error or result.tier or 'no tier'}")
    if len(failed) > SHOWN and not verbose:
        say(f"… {SHOWN} of {len(failed):,} failures shown; --verbose and --json have all")
    if diff and not quiet:
        _print_changes(report)
    if quiet:
        return
    tutors = "tutor" if report.tutors == 1 else "tutors"
    say(
        f"{report.day}: {report.tutors:,} {tutors}, {report.successes:,} succeeded, {report.failures:,} failed "
        f"({report.success_rate:.2f} %), {report.rows:,} rows, {report.seconds:.1f} s"
    )
    if report.frozen:
        say(f"{report.frozen:,} had metrics of that day, which stay as they were published")
    if report.removed:
        say(f"window metrics that were too old and are removed: {report.removed:,}")
    if report.interrupted:
        say("interrupted: what was begun stays in the queue; running workers or a drain compute it")


def _print_changes(report: batch.Report) -> None:
    changed = [result for result in report.results if result.changes]
    for result in changed:
        rows = [row for window, names in result.changes.items() for row in _rows(window, names)]
        print_table(("window", "metric", "before", "after"), rows, title=str(result.profile_id))
    if not changed:
        say("no metric changed")


def _rows(window: str, names: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """A row for each metric; of the flags, one for each that changed."""
    for name, sides in names.items():
        if name != "flags":
            yield window, name, _said(sides["before"]), _said(sides["after"])
            continue
        before, after = (sides[side] or {} for side in ("before", "after"))
        for metric in before | after:
            if before.get(metric) != after.get(metric):
                yield window, f"flag of {metric}", _said(before.get(metric)), _said(after.get(metric))


def _said(value: Any) -> Any:
    return "none" if value is None else value
