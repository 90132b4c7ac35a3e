"""caas-worker tutor …: the quality figures of tutors, and why they are what they are."""

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from caas_worker import thresholds, tiers, tutors
from caas_worker.cli.output import Json, print_fields, print_json, print_table
from caas_worker.cli.target import database, say, who
from caas_worker.errors import SettingsError
from caas_worker.quality.model import DEFAULT_THRESHOLD

app = typer.Typer(help="Quality figures of tutors.", no_args_is_help=True)


class Window(StrEnum):
    """The windows of metrics."""

    week = "7day"
    month = "30day"
    quarter = "90day"


@app.callback()
def _topic() -> None:
    pass


@app.command()
def show(
    profile_id: UUID,
    window: Annotated[Window, typer.Option(help="Whose metrics are explained.")] = Window.month,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How far back tier changes are looked for.")] = 90,
    json: Json = False,
) -> None:
    """A tutor's tier and scores, which metrics make them, and when and why the tier changed."""
    with database() as (_, db):
        tutor = tutors.detail(db, profile_id)
        moved = tiers.changes(db, profile_id, window.value, days)
    if json:
        print_json({**tutor, "tier_changes": [dataclasses.asdict(change) for change in moved]})
        return
    for part in (_scores(tutor), _metrics(tutor, window), _tiers(moved, window, days), _alerts(tutor)):
        part()
    if tutor["summary"]:
        Console(highlight=False).print(tutor["summary"]["summary"], markup=False)


def _scores(tutor: Mapping[str, Any]) -> Any:
    fields = {score["score_type"]: _scored(score) for score in tutor["scores"]}
    return lambda: print_fields({"tier (30 days)": tutor["performance_tier"] or "none", **fields})


def _scored(score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return "too little is known"
    parts = ", ".join(f"{name} {_number(value)}" for name, value in score["components"].items() if _is_told(value))
    return f"{_number(score['value'])} {score['level']}  ({parts})"


def _is_told(value: Any) -> bool:
    return value not in (None, 0, False, [], {}) and not isinstance(value, list | dict)


def _metrics(tutor: Mapping[str, Any], window: Window) -> Any:
    rows: list[tuple[Any, ...]] = []
    for metrics in tutor["metrics"]:
        if metrics["time_window"] == window:
            for name, (green, red) in tiers.BOUNDS.items():
                rows.append((name, _number(metrics[name]), metrics["flags"].get(name), green, red))
    return lambda: print_table(("metric", "value", "flag", "green", "red"), rows, title=f"{window.value} metrics")


def _tiers(moved: Iterable[tiers.TierChange], window: Window, days: int) -> Any:
    rows = [(change.day, change.before or "none", change.after or "none", _why(change.metrics)) for change in moved]
    if not rows:
        return lambda: say(f"the {window.value} tier did not change in the last {days} calculation days")
    return lambda: print_table(("day", "from", "to", "because"), rows, title=f"{window.value} tier")


def _why(metrics: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{name} {_flagged(sides['before'])} → {_flagged(sides['after'])}" for name, sides in metrics.items()
    )


def _flagged(side: Mapping[str, Any]) -> str:
    value = "no data" if side["value"] is None else _number(side["value"])
    return f"{value} ({side['flag'] or 'neither'})"


def _alerts(tutor: Mapping[str, Any]) -> Any:
    rows = [
        (alert["alert_type"], alert["status"], _number(alert["score_value"]), f"{alert['raised_at']:%Y-%m-%d %H:%M}")
        for alert in tutor["alerts"]
    ]
    return lambda: print_table(("alert", "status", "score", "since"), rows) if rows else say("no active alert")


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{float(value):.3f}".rstrip("0").rstrip(".") if isinstance(value, Decimal | float | int) else str(value)


@app.command()
def risks(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
    json: Json = False,
) -> None:
    """The tutors most at risk first: first sessions, health, churn and active alerts together."""
    with database() as (_, db):
        page = tutors.ranked(db, limit, offset)
    if json:
        print_json({"items": page.items, "total": page.total})
        return
    figures = ("risk", "fsrs", "ths", "tcrs", "active_alerts")
    rows = [[row["profile_id"], *(_number(row[name]) for name in figures)] for row in page.items]
    print_table(("profile_id", *figures[:-1], "alerts"), rows)
    say(f"{len(page.items):,} of {page.total:,} tutors")


@app.command()
def threshold(
    profile_id: UUID,
    rate: Annotated[float | None, typer.Argument(help="Per cent: a rate above it is a high risk.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Back to the usual one.")] = False,
    by: Annotated[str | None, typer.Option(help="Who sets it; without it, the user of this machine.")] = None,
) -> None:
    """Judge one tutor's reschedules by another threshold than 15 per cent."""
    if clear == (rate is not None):
        raise SettingsError("Say a rate in per cent, or --clear.")
    with database() as (_, db):
        if rate is None and not thresholds.clear_threshold(db, profile_id):
            say(f"nothing to do: {profile_id} has no threshold of its own")
            return
        if rate is not None:
            thresholds.set_threshold(db, profile_id, rate, who(by))
    say(f"{profile_id} is judged by {DEFAULT_THRESHOLD if rate is None else rate:g} per cent; its scores follow")
