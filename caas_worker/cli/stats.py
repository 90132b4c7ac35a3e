"""caas-worker stats: one statistics function for one profile."""

import dataclasses
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from caas_worker import read
from caas_worker.cli.output import Json, print_fields, print_json
from caas_worker.cli.target import database, say
from caas_worker.db import Database
from caas_worker.errors import ProfileNotFound
from caas_worker.measure import CALLS, Measured, Touched, measure
from caas_worker.strategies import Registry


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(stats)


def stats(
    name: Annotated[str, typer.Argument(help="The function, such as performance_stats.")],
    profile_id: Annotated[UUID, typer.Argument(metavar="ID", help="The profile.")],
    plan: Annotated[
        bool, typer.Option("--plan", help="Also its plan: of its inner statements for a superuser, else of the call.")
    ] = False,
    json: Json = False,
) -> None:
    """Run and time one statistics function for one profile, and say what it read."""
    with database() as (settings, db):
        measured = measure(db, Registry.installed(settings), name, profile_id, plan=plan)
        known = _is_known(db, profile_id)
    if json:
        print_json({**dataclasses.asdict(measured), "profile_exists": known})
    else:
        _print(measured, known)


def _is_known(db: Database, profile_id: UUID) -> bool:
    try:
        read.is_verified(db, profile_id)
    except ProfileNotFound:
        return False
    return True


def _print(measured: Measured, known: bool) -> None:
    if measured.row is not None:
        print_fields(measured.row, title=measured.function)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print()
    console.print(f"{measured.milliseconds:.2f} ms, the median of {CALLS} calls")
    for touched in measured.touched:
        console.print(_sentence(touched))
    for line in measured.plan:
        console.print(line)
    if not known:
        say(
            f"There is no profile {measured.profile_id}: "
            + ("this is the empty row" if measured.row is not None else "there is no row")
        )


def _sentence(touched: Touched) -> str:
    by_index = f"{_many(touched.rows_by_index, 'row')} by {_many(touched.index_scans, 'index look-up')}"
    if not touched.seq_scans:
        return f"{touched.table}: {by_index}, 0 seq scans"
    by_scan = f"{_many(touched.rows_by_seq_scan, 'row')} by {_many(touched.seq_scans, 'seq scan')}"
    return f"{touched.table}: {by_index}, {by_scan}" if touched.index_scans else f"{touched.table}: {by_scan}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
