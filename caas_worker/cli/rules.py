"""caas-worker rules …: which versions of the rules are published."""

import dataclasses
from typing import Annotated

import typer

from caas_worker import rules
from caas_worker.cli.output import Json, print_json, print_table
from caas_worker.cli.target import database, say
from caas_worker.strategies import Registry

app = typer.Typer(help="Versions of the rules.", no_args_is_help=True)


@app.command()
def status(json: Json = False) -> None:
    """This installation's rules against the published ones."""
    with database() as (settings, db):
        standings = rules.standings(db, Registry.installed(settings))
    if json:
        print_json([{**dataclasses.asdict(rule), "standing": rule.standing} for rule in standings])
    else:
        print_table(
            ("rule", "installed", "published", "standing"),
            [(rule.role, rule.installed, rule.published, rule.standing) for rule in standings],
        )


@app.command()
def publish(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Make this installation's rules the published ones, also where others are newer: to go back to an older release.

    Everyone is marked, at low priority. Workers with newer rules then write nothing until they are replaced.
    """
    if not yes:
        typer.confirm("Everyone will be scored by this installation's rules. Go on?", abort=True, err=True)
    with database() as (settings, db):
        published = rules.publish(db, Registry.installed(settings), anyway=True)
    say(f"published {', '.join(published)}; everyone is marked" if published else "nothing to do: they are published")
