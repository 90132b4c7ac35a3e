"""caas-worker score …: cached scores, and computing one now."""

import time
from typing import Annotated, Any
from uuid import UUID

import typer

from caas_worker import queue, read, worker
from caas_worker.cli.output import Json, print_fields, print_json
from caas_worker.cli.target import database, say
from caas_worker.db import Database
from caas_worker.errors import ProfileNotFound
from caas_worker.pipeline import Line

app = typer.Typer(help="Cached scores, and computing one now.", no_args_is_help=True)

LOOK_SECONDS = 0.05


def _show(score: dict[str, Any]) -> None:
    breakdown, inputs = score.pop("score_breakdown"), score.pop("score_inputs")
    print_fields(score)
    if breakdown:
        print_fields(breakdown, title="breakdown")
    print_fields(inputs, title="inputs")


@app.command()
def get(profile_id: UUID, json: Json = False) -> None:
    """The cached score of a profile."""
    with database() as (_, db):
        score = read.read(db, profile_id)
    if score is None:
        say(f"Profile {profile_id} has no score yet. Compute it with: caas-worker score recalculate {profile_id}")
        raise typer.Exit(1)
    if json:
        print_json(score)
    else:
        _show(score)


@app.command()
def recalculate(
    profile_ids: Annotated[list[UUID], typer.Argument(help="One or more profiles.")],
    wait: Annotated[float, typer.Option(help="Longest wait in seconds; 0 only puts them into the queue.")] = 30,
    json: Json = False,
) -> None:
    """Compute scores anew, through the same queue as ever, ahead of everything else."""
    with database() as (settings, db):
        line = worker.line(db, settings)
        asked = queue.recalculate(db, profile_ids)
        failed = _finish(db, line, dict(asked), wait) if wait else {}
        scores = [_read(db, profile_id) for profile_id in dict.fromkeys(profile_ids)] if wait else []
    if json:
        generations = {str(profile_id): generation for profile_id, generation in asked.items()}
        print_json({"generations": generations, "scores": scores, "failed": failed})
    for score in scores if not json else ():
        if "error" in score:
            say(f"{score['profile_id']}: {score['error']}")
        else:
            _show(score)
    if failed or any("error" in score for score in scores):
        raise typer.Exit(1)


def _read(db: Database, profile_id: UUID) -> dict[str, Any]:
    try:
        return read.read(db, profile_id) or {"profile_id": profile_id, "error": "no score yet"}
    except ProfileNotFound as error:
        return {"profile_id": profile_id, "error": str(error)}


def _finish(db: Database, line: Line, asked: dict[UUID, int], wait: float) -> dict[str, str]:
    """Work, or let running workers work, until the asked generations are published; returns those that were not."""
    deadline = time.monotonic() + wait
    while asked:
        worked = line.run_batch(len(asked))
        pending = queue.pending(db, list(asked))
        failed = {profile_id: error for profile_id, (_, error) in pending.items() if error}
        asked = {
            profile_id: generation
            for profile_id, generation in asked.items()
            if profile_id in pending and not _is_published(db, profile_id, generation)
        }
        if failed or time.monotonic() >= deadline:
            return {str(key): failed.get(key) or "still in the queue" for key in asked}
        if worked is None and asked:
            time.sleep(LOOK_SECONDS)
    return {}


def _is_published(db: Database, profile_id: UUID, generation: int) -> bool:
    try:
        score = read.read(db, profile_id)
    except ProfileNotFound:
        return False
    return score is not None and score["generation"] == generation
