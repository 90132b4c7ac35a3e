"""caas-worker migrate, triggers, uninstall, verify, settings: the database and the set-up."""

import dataclasses
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from caas_worker import migrate
from caas_worker.cli.output import Json, print_json, print_table
from caas_worker.cli.target import conninfo, database, say
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.verify import Check, verify

migrate_app = typer.Typer(help="Install, upgrade or undo our tables, functions and triggers.", no_args_is_help=True)
triggers_app = typer.Typer(help="The kill switch.", no_args_is_help=True)

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands that stand by themselves."""
    app.command("verify")(verify_command)
    app.command("uninstall")(uninstall)
    app.command("settings")(settings_command)


@migrate_app.command()
def up() -> None:
    """Install or upgrade. Safe to run twice, from two hosts at once, and while the application writes."""
    with conninfo(Settings.load()) as target:
        steps = migrate.up(target, Shipped.load(), say)
    say("up to date" if steps else "nothing to do: up to date")


@migrate_app.command()
def down(
    count: Annotated[int, typer.Option(min=1, help="How many migrations.")] = 1,
    yes: Yes = False,
) -> None:
    """Undo the newest migrations, with the data of their tables. The application's tables stay as they are."""
    _confirm(yes, "This drops tables of caas_worker with what is in them.")
    with conninfo(Settings.load()) as target:
        undone = migrate.down(target, Shipped.load(), say, count=count)
    say(f"{undone} undone" if undone else "nothing to undo")


@migrate_app.command("status")
def migration_status(json: Json = False) -> None:
    """Every shipped file: installed, pending, changed (will be replayed) or edited (will be refused)."""
    with conninfo(Settings.load()) as target:
        files = migrate.status(target, Shipped.load())
    if json:
        print_json([dataclasses.asdict(file) for file in files])
    else:
        print_table(("file", "state"), [(file.name, file.state) for file in files])


@triggers_app.command()
def enable() -> None:
    """Enable every trigger of ours, and mark everyone: what happened meanwhile went unseen."""
    _switch(on=True)


@triggers_app.command()
def disable() -> None:
    """Disable every trigger of ours. Scores stand still until they are enabled again."""
    _switch(on=False)


def _switch(*, on: bool) -> None:
    with conninfo(Settings.load()) as target:
        changed = migrate.switch(target, Shipped.load(), say, on=on)
    say(f"triggers of {changed} tables {'enabled' if on else 'disabled'}" if changed else "nothing to do")


def uninstall(yes: Yes = False) -> None:
    """Remove everything of ours, triggers first; the application's tables and writes are not touched."""
    _confirm(yes, "This removes caas_worker and all scores from the database.")
    with conninfo(Settings.load()) as target:
        migrate.uninstall(target, Shipped.load(), say)
    say("nothing of caas_worker is left in this database")


def _confirm(yes: bool, what: str) -> None:
    if not yes:
        typer.confirm(f"{what} Go on?", abort=True, err=True)


def verify_command(json: Json = False) -> None:
    """Check everything that is needed and say what to do. Exit 1 on any fault; hints are no faults."""
    with database() as (_, db):
        checks = verify(db, Shipped.load())
    faults = [check for check in checks if not check.ok and not check.hint]
    if json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        _print_checks(checks, faults)
    raise typer.Exit(1 if faults else 0)


def _print_checks(checks: list[Check], faults: list[Check]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for check in checks:
        sign = "[green]✓[/]" if check.ok else "[yellow]![/]" if check.hint else "[red]✗[/]"
        todo = "" if check.ok else f" [dim]→[/] {escape(check.todo)}"
        console.print(f"{sign} {check.area}: {escape(check.subject)}{todo}")
    console.print(f"{len(faults)} faults" if faults else "everything is in place", style="red" if faults else "green")


def settings_command(json: Json = False) -> None:
    """The effective settings, secrets hidden."""
    settings = Settings.load()
    rows = [
        {
            "name": variable,
            "value": _visible(getattr(settings, field)),
            "about": Settings.model_fields[field].description,
        }
        for variable, field in Settings.variables().items()
    ]
    if json:
        print_json(rows)
    else:
        print_table(("setting", "value", "about"), [tuple(row.values()) for row in rows])


def _visible(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "(set, hidden)"
    return str(value) if value is not None and not isinstance(value, int | float | bool) else value
