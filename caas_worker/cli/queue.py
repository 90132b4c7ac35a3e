"""caas-worker queue …: what is to be done, where one profile stands, and what was set aside."""

from collections import Counter
from typing import Annotated, Any
from uuid import UUID

import typer

from caas_worker import figures, queue, read
from caas_worker.cli import monitor
from caas_worker.cli.output import Json, print_fields, print_json, print_table
from caas_worker.cli.spans import span
from caas_worker.cli.target import database, say
from caas_worker.errors import SettingsError

app = typer.Typer(help="What is to be done.", no_args_is_help=True)

Error = Annotated[str | None, typer.Option(help="Only with this error, such as STATISTICS_FAILED.")]


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
        fields = figures.status(db) if profile is None else queue.place(db, profile)
        if profile and not fields:
            read.is_verified(db, profile)  # or there is no such profile
            fields = {"place": None, "state": "nothing to do"}
    assert fields is not None
    if json:
        print_json(fields)
    else:
        print_fields({name: _shown(value) for name, value in fields.items() if value is not None})


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {word}" for word, number in value.items())
    return f"{value:.1f}" if isinstance(value, float) else f"{value:,}" if type(value) is int else value


@app.command()
def failed(
    last: Annotated[str, typer.Option(help="How far back, such as 90m, 24h or 7d.")] = "24h",
    error: Error = None,
    most: Annotated[int, typer.Option(min=1, help="Show no more than so many.")] = 100,
    json: Json = False,
) -> None:
    """Profiles that were set aside, the newest first, and why. --json has the tracebacks."""
    seconds = span(last).total_seconds()
    with database() as (_, db):
        entries = queue.failed(db, last_seconds=seconds, error=error, most=most)
    if json:
        print_json(entries)
        return
    if entries:
        columns = ("profile_id", "died_at", "attempts", "error", "message")
        print_table(columns, [[entry[column] for column in columns] for entry in entries])
    counts = Counter(entry["error"] for entry in entries)
    what = ", ".join(f"{number} {code}" for code, number in counts.most_common())
    say(
        f"{len(entries)} set aside in the last {last}"
        + (f": {what}. Try them again: caas-worker queue retry --all, or --error CODE" if what else "")
    )


@app.command()
def retry(
    profile_ids: Annotated[list[UUID] | None, typer.Argument(help="These profiles.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Everyone who was set aside.")] = False,
    error: Error = None,
    json: Json = False,
) -> None:
    """Put profiles that were set aside back into the queue. Running workers or a drain then try them again."""
    if not (profile_ids or everyone or error):
        raise SettingsError("Say whom: profile ids, --error CODE, or --all.")
    with database() as (_, db):
        retried = [key for piece in queue.retry(db, profile_ids or None, error=error) for key in piece]
    if json:
        print_json({"retried": len(retried), "profile_ids": retried})
        return
    say(f"{len(retried)} back in the queue" if retried else "nothing to do: none of them is set aside")


@app.command()
def purge(
    profile_ids: Annotated[list[UUID] | None, typer.Argument(help="These profiles.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Everyone who was set aside.")] = False,
    error: Error = None,
    older_than: Annotated[str | None, typer.Option(help="Set aside longer ago, such as 30d.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Forget profiles that were set aside. Their scores stay as they are until the profiles change again."""
    if not (profile_ids or everyone or error or older_than):
        raise SettingsError("Say whom: profile ids, --older-than 30d, --error CODE, or --all.")
    seconds = span(older_than).total_seconds() if older_than else 0
    if not yes:
        typer.confirm("Nobody will try these profiles again until they change. Go on?", abort=True, err=True)
    with database() as (_, db):
        purged = [
            key for piece in queue.purge(db, profile_ids or None, error=error, older_seconds=seconds) for key in piece
        ]
    if json:
        print_json({"purged": len(purged), "profile_ids": purged})
        return
    say(f"{len(purged)} forgotten" if purged else "nothing to do: none of them is set aside")


app.command("monitor")(monitor.monitor)
