"""The command line. Each module here holds the commands of one topic; errors end in one sentence and an exit code."""

import sys

import typer

from caas_worker import __version__, logs
from caas_worker.cli import (
    aggregate,
    audit,
    chores,
    database,
    demo,
    mail,
    queue,
    rules,
    score,
    serve,
    stats,
    tutor,
    work,
)
from caas_worker.errors import CaasError, exit_code, impersonal
from caas_worker.settings import Settings

app = typer.Typer(
    name="caas-worker",
    help="Credibility scores for the people of a marketplace, kept fresh inside its own PostgreSQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"caas-worker {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log every step."),
) -> None:
    del version
    settings = Settings.load()
    usual = "info" if context.invoked_subcommand in ("run", "serve") else "warning"
    logs.begin(settings.log_format, "debug" if verbose else settings.log_level or usual)


for topic in (demo, work, serve, aggregate, audit, chores, stats, database):
    topic.register(app)
app.add_typer(database.migrate_app, name="migrate")
app.add_typer(database.triggers_app, name="triggers")
app.add_typer(queue.app, name="queue")
app.add_typer(score.app, name="score")
app.add_typer(rules.app, name="rules")
app.add_typer(tutor.app, name="tutor")
app.add_typer(mail.app, name="mail")


def main() -> None:
    """Run a command; an error of ours becomes a sentence on standard error and its exit code.

    PostgreSQL's sentences may repeat a row: where a log is written, only what kind of error it is.
    """
    try:
        app()
    except CaasError as error:
        typer.echo(f"caas-worker: {error if sys.stderr.isatty() else impersonal(error)}", err=True)
        sys.exit(exit_code(error))
