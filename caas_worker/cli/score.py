"""caas-worker score …: cached scores, and computing one now."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
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
        before = queue.pending(db, profile_ids)
        asked = queue.recalculate(db, profile_ids)
        failed: dict[UUID, str] = {}
        scores: list[dict[str, Any]] = []
        if wait:
            try:
                failed = _finish(db, line, dict(asked), before, wait)
            finally:
                line.claimant.release()
            scores = [_read(db, profile_id) for profile_id in dict.fromkeys(profile_ids) if profile_id not in failed]
    if json:
        generations = {str(profile_id): generation for profile_id, generation in asked.items()}
        print_json({"generations": generations, "scores": scores, "failed": {str(k): v for k, v in failed.items()}})
    for score in scores if not json else ():
        if "error" in score:
            say(f"{score['profile_id']}: {score['error']}")
        else:
            _show(score)
    for profile_id, why in failed.items() if not json else ():
        say(f"{profile_id}: {why}")
    if failed or any("error" in score for score in scores):
        raise typer.Exit(1)


def _read(db: Database, profile_id: UUID) -> dict[str, Any]:
    try:
        return read.read(db, profile_id) or {"profile_id": profile_id, "error": "no score yet"}
    except ProfileNotFound as error:
        return {"profile_id": profile_id, "error": str(error)}


def _finish(
    db: Database, line: Line, asked: dict[UUID, int], before: Mapping[UUID, queue.Pending], wait: float
) -> dict[UUID, str]:
    """Work, or let running workers work, until the asked generations are published; returns why others were not."""
    deadline = time.monotonic() + wait
    while asked:
        worked = line.run_batch(len(asked))
        pending = queue.pending(db, list(asked))
        asked = {
            profile_id: generation
            for profile_id, generation in asked.items()
            if profile_id in pending and not _is_published(db, profile_id, generation)
        }
        stuck = {profile_id: _why(pending[profile_id], before.get(profile_id)) for profile_id in asked}
        if asked and (all(stuck.values()) or time.monotonic() >= deadline):
            return {profile_id: why or "still in the queue" for profile_id, why in stuck.items()}
        if worked is None and asked:
            time.sleep(LOOK_SECONDS)
    return {}


def _why(now: queue.Pending, before: queue.Pending | None) -> str | None:
    """Why an entry will not be computed at once, or None."""
    if now.attempts > (before.attempts if before else 0):
        return f"failed with {now.error}; tried again at {now.due_at:%H:%M:%S %Z}" if now.due_at else str(now.error)
    if now.due_at and now.due_at > datetime.now(UTC):
        return f"waits until {now.due_at:%H:%M:%S %Z} after {now.error}"
    return None


def _is_published(db: Database, profile_id: UUID, generation: int) -> bool:
    try:
        score = read.read(db, profile_id)
    except ProfileNotFound:
        return False
    return score is not None and score["generation"] == generation
