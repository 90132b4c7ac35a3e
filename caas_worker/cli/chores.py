"""caas-worker warmup, smoke: chores around a deployment."""

import dataclasses
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from caas_worker.cli.output import Json, print_json
from caas_worker.cli.target import database, say
from caas_worker.smoke import STEPS, Smoke
from caas_worker.smoke import smoke as smoke_once
from caas_worker.strategies import Registry
from caas_worker.warmup import MOST
from caas_worker.warmup import warmup as mark_busiest


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(warmup)
    app.command()(smoke)


def warmup(
    top: Annotated[int, typer.Option(min=1, max=MOST, help="How many tutors.")],
    json: Json = False,
) -> None:
    """Mark the tutors with most bookings in the last 30 days, at low priority."""
    with database() as (_, db):
        marked = mark_busiest(db, top)
    if json:
        print_json({"marked": marked})
    else:
        say(f"{marked} marked. Running workers compute them; without any: caas-worker drain")


def smoke(
    insert: Annotated[
        bool | None,
        typer.Option(
            "--insert/--no-insert",
            help="A synthetic profile, even where the application's own triggers would run; or never. If nothing is "
            "said: where no code but ours would run.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """After a deployment: one profile down the whole line, in a transaction that is rolled back.

    Nothing is left behind. Exit 1 when a step fails.
    """
    with database() as (settings, db):
        run = smoke_once(db, settings, Registry.installed(settings), insert=insert)
    if json:
        print_json({"ok": run.ok, **dataclasses.asdict(run), "todo": run.todo})
    else:
        _print(run)
    raise typer.Exit(0 if run.ok else 1)


def _print(run: Smoke) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for step in run.steps:
        sign = "[green]✓[/]" if step.ok else "[red]✗[/]"
        console.print(f"{step.step:<9}{sign} {step.milliseconds:7.1f} ms  {escape(step.note)}".rstrip())
    for name in STEPS[len(run.steps) :]:
        console.print(f"{name:<9}not tried", style="dim")
    if run.ok:
        console.print("every step works; everything is rolled back", style="green")
    else:
        console.print(f"[red]not right[/] [dim]→[/] {escape(run.todo)}")
