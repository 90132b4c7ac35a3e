"""caas-worker queue …: what is to be done, and where one profile stands."""

from typing import Annotated
from uuid import UUID

import typer

from caas_worker import queue
from caas_worker.cli.output import Json, print_fields, print_json
from caas_worker.cli.target import database

app = typer.Typer(help="What is to be done.", no_args_is_help=True)


@app.callback()
def _topic() -> None:
    pass


@app.command()
def status(
    profile: Annotated[UUID | None, typer.Option(help="Where this one profile stands.")] = None,
    json: Json = False,
) -> None:
    """Marks and entries, the oldest change that waits, batches in flight, dead entries, workers."""
    with database() as (_, db):
        fields = queue.status(db) if profile is None else queue.place(db, profile)
    if fields is None:
        fields = {"place": None, "state": "nothing to do"}
    if json:
        print_json(fields)
    else:
        print_fields({name: f"{value:.1f}" if isinstance(value, float) else value for name, value in fields.items()})
