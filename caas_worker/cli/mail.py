"""caas-worker mail …: session reports and alerts by mail, as a scheduler or an operator sees them."""

import dataclasses
import time
from typing import Annotated, Any

import typer

from caas_worker import outbox
from caas_worker.cli.output import Json, print_json, print_table
from caas_worker.cli.target import database, say
from caas_worker.cli.work import stop_on_signals
from caas_worker.mail import Mailer
from caas_worker.settings import Settings

app = typer.Typer(help="Session reports and alerts by mail.", no_args_is_help=True)

STATES = ("pending", "sent", "failed", "oldest pending", "last error")


@app.callback()
def _topic() -> None:
    pass


@app.command()
def send(
    max_seconds: Annotated[float | None, typer.Option(min=0.1, help="Begin no mail after so many seconds.")] = None,
    json: Json = False,
) -> None:
    """Send what is due, once. Running workers do this by themselves.

    Exit 1 when some failed for good, or the mail server is away.
    """
    settings = Settings.load()
    post = Mailer.of(settings)
    stop = stop_on_signals()
    begun = time.monotonic()
    done = outbox.Sent()
    with database(settings) as (_, db):
        while not stop.is_set():
            left = None if max_seconds is None else max_seconds - (time.monotonic() - begun)
            if left is not None and left <= 0:
                break
            turn = outbox.send_due(db, post, settings, limit=outbox.LIMIT, max_seconds=left, stop=stop)
            done += turn
            if turn.trouble or not turn.taken:
                break
        remaining = outbox.due(db)
    if json:
        summary = dataclasses.asdict(done) | {"remaining": remaining}
        print_json(summary | {"duration_ms": round((time.monotonic() - begun) * 1000)})
    else:
        say(f"{done.sent} sent, {done.postponed} to be tried again, {done.failed} failed, {remaining} still due")
        if done.trouble:
            say(f"The round ended early: {done.trouble}")
        if done.failed:
            say("Why: caas-worker mail status. Try them again: caas-worker mail retry")
    raise typer.Exit(1 if done.failed or done.trouble else 0)


@app.command()
def status(json: Json = False) -> None:
    """Mails by state, how long the oldest pending one waits, and why one last failed."""
    with database() as (_, db):
        kinds = outbox.status(db)
    if json:
        print_json(kinds)
    else:
        print_table(("", *STATES), [(kind, *map(_shown, states.values())) for kind, states in kinds.items()])


def _shown(value: Any) -> Any:
    return f"{value:.0f} s" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


@app.command()
def retry(json: Json = False) -> None:
    """Make mails that failed for good due again. Running workers or `mail send` then try them."""
    with database() as (_, db):
        retried = outbox.retry(db)
    if json:
        print_json(retried)
    elif any(retried.values()):
        say(f"{retried['reports']} reports and {retried['alerts']} alerts are due again")
    else:
        say("nothing to do: none of them failed for good")
