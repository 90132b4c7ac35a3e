"""caas-worker score …: cached scores, computing one now, and pinning one by hand."""

import dataclasses
import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from caas_worker import holds, queue, read, stats, worker
from caas_worker.cli import explained
from caas_worker.cli.output import Json, print_fields, print_json, print_table
from caas_worker.cli.spans import span
from caas_worker.cli.target import database, say, who
from caas_worker.desk import SHORTEST_LOOK_SECONDS, Asking, Desk
from caas_worker.errors import NotComputed, ProfileNotFound
from caas_worker.explain import explain as explain_score
from caas_worker.follow import applies
from caas_worker.model import Score

app = typer.Typer(help="Cached scores, computing one now, and pinning one by hand.", no_args_is_help=True)

Actor = Annotated[str | None, typer.Option(help="Who does this; without it, the login.")]


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
    wait: Annotated[
        float, typer.Option(min=0, max=3600, help="Longest wait in seconds; 0 only puts them into the queue.")
    ] = 30,
    json: Json = False,
) -> None:
    """Compute scores anew, through the same queue as ever, ahead of everything else."""
    profile_ids = list(dict.fromkeys(profile_ids))
    failed: dict[UUID, str] = {}
    scores: list[dict[str, Any]] = []
    with database() as (settings, db):
        if wait:
            line = worker.line(db, settings)
            try:
                generations, failed = _finish(Desk(db, line), profile_ids, wait)
            finally:
                line.claimant.release()
        else:
            generations = {key: mark.generation for key, mark in queue.recalculate(db, profile_ids).items()}
        failed |= dict.fromkeys(read.unknown(db, profile_ids), "there is no such profile")
        done = [key for key in profile_ids if key not in failed]
        if wait:
            cached = read.read_many(db, done)
            scores = [cached[key] for key in done if key in cached]
            failed |= {key: "no score yet" for key in done if key not in cached}
    if json:
        print_json(
            {
                "generations": {str(key): generation for key, generation in generations.items()},
                "scores": scores,
                "failed": {str(key): why for key, why in failed.items()},
            }
        )
    else:
        for score in scores:
            _show(score)
        for profile_id, why in failed.items():
            say(f"{profile_id}: {why}")
        if done and not wait:
            say(f"{len(done)} put into the queue. Running workers compute them; without any: caas-worker drain")
    if failed:
        raise typer.Exit(1)


def _finish(desk: Desk, profile_ids: list[UUID], wait: float) -> tuple[dict[UUID, int], dict[UUID, str]]:
    """Work, or let running workers work, until all are published; returns generations, and why others were not."""
    deadline = time.monotonic() + wait
    askings = [desk.ask(profile_id) for profile_id in profile_ids]
    while not all(asking.answered.done() for asking in askings) and time.monotonic() < deadline:
        if not desk.turn():
            time.sleep(SHORTEST_LOOK_SECONDS)
    generations = {asking.profile_id: asking.marked.result(0) for asking in askings}
    return generations, {asking.profile_id: why for asking in askings if (why := _failure(asking))}


def _failure(asking: Asking) -> str | None:
    return asking.answered.result(0).failure if asking.answered.done() else "still in the queue"


@app.command()
def explain(profile_id: UUID, json: Json = False) -> None:
    """Why a score is what it is: every bucket, component, input and rule in words, and what would raise it.

    Computed as of now, nothing written.
    """
    with database() as (settings, db):
        line = worker.line(db, settings)
        gathered = stats.gather(db, [profile_id], line.registry.needs)
        cached = read.read_many(db, [profile_id]).get(profile_id)
        place = queue.place(db, profile_id)
    if profile_id in gathered.unreadable:
        raise NotComputed(f"The facts of this profile have no sensible shape: {gathered.unreadable[profile_id]}")
    if profile_id not in gathered.profiles:
        raise ProfileNotFound(f"There is no profile {profile_id}.")
    explanation = explain_score(line.registry, gathered.profiles[profile_id], gathered.statistics, gathered.now)
    if json:
        print_json({**dataclasses.asdict(explanation), "cached": cached, "place": place})
    else:
        explained.show(explanation, cached=cached, place=place)


@app.command()
def compare(profile_id: UUID, json: Json = False) -> None:
    """The cached score against one computed now, nothing written. Exit 1 when they differ."""
    with database() as (settings, db):
        line = worker.line(db, settings)
        cached = read.read(db, profile_id)
        computed = line.compute([profile_id])
        place = queue.place(db, profile_id)
    if profile_id in computed.failures:
        failure = computed.failures[profile_id]
        raise NotComputed(f"{failure.error}: {failure.message}")
    score = computed.scores[profile_id][0]
    rows = _side_by_side(cached, score)
    differing = [name for name, before, after in rows if before != after]
    if json:
        print_json(
            {
                "profile_id": profile_id,
                "differs": bool(differing),
                "fields": [{"name": name, "cached": before, "fresh": after} for name, before, after in rows],
                "place": place,
            }
        )
    else:
        marked = [(f"≠ {name}" if name in differing else f"  {name}", *values) for name, *values in rows]
        print_table(("", "cached", "fresh"), marked)
        if not differing:
            say("the cache is what would be computed now")
        else:
            say(explained.way(profile_id, place))
    raise typer.Exit(1 if differing else 0)


def _side_by_side(cached: dict[str, Any] | None, score: Score) -> list[tuple[str, Any, Any]]:
    """Name, cached and fresh value of all that a reader may see; of a held score the one underneath."""
    row = cached or {}
    total = row.get("computed_score")
    breakdown = row.get("score_breakdown", {})
    return [
        ("total", row.get("total_score") if total is None else total, score.total),
        ("role", row.get("role_type"), score.role_type),
        ("version", row.get("calculation_version"), score.version),
        ("reason", row.get("reason"), score.reason),
        *(
            (name, breakdown.get(name), score.breakdown.get(name))
            for name in sorted(breakdown.keys() | score.breakdown.keys())
        ),
    ]


@app.command()
def hold(
    profile_id: UUID,
    score: Annotated[int, typer.Option(min=0, max=100, help="The score to publish instead of the computed one.")],
    reason: Annotated[str, typer.Option(help="Why: kept in the audit trail.")],
    actor: Actor = None,
    ends_after: Annotated[
        str | None, typer.Option("--for", help="It ends by itself after so long, such as 12h or 30d; else never.")
    ] = None,
    json: Json = False,
) -> None:
    """Pin a score by hand, at once. The rule goes on computing underneath, and a release brings that back."""
    seconds = span(ends_after).total_seconds() if ends_after else None
    with database() as (settings, db):
        follows = settings.follow_profiles and applies(db)
        generation = holds.hold(db, profile_id, score, reason=reason, actor=who(actor), seconds=seconds, follow=follows)
    if json:
        print_json({"profile_id": profile_id, "score": score, "generation": generation})
    else:
        say(f"{profile_id} is held at {score}" + (f" for {ends_after}" if ends_after else ""))


@app.command()
def release(profile_id: UUID, actor: Actor = None, json: Json = False) -> None:
    """End a hold: what the rule computed underneath is the score again, at once."""
    with database() as (settings, db):
        generation = holds.release(db, profile_id, actor=who(actor), follow=settings.follow_profiles and applies(db))
    if json:
        print_json({"profile_id": profile_id, "released": generation is not None, "generation": generation})
    else:
        say(f"{profile_id} is released" if generation is not None else "nothing to do: no hold stands")


@app.command("holds")
def list_holds(
    profile_id: Annotated[UUID | None, typer.Argument(help="Everything ever pinned on this profile.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Show no more than so many.")] = 1_000,
    json: Json = False,
) -> None:
    """The holds that stand; with a profile, its audit trail."""
    with database() as (_, db):
        rows = holds.holds(db, profile_id, most=most)
    if json:
        print_json(rows)
    elif rows:
        print_table(
            ("profile_id", "score", "since", "until", "actor", "reason"),
            [
                (row["profile_id"], row["score"], _minute(row["held_at"]), _end(row), row["actor"], row["reason"])
                for row in rows
            ],
        )
    else:
        say("no hold stands" if profile_id is None else "nothing was ever pinned on this profile")


def _end(row: dict[str, Any]) -> str:
    if row["stands"]:
        return _minute(row["expires_at"]) if row["expires_at"] else "no end"
    if row["expires_at"] and (row["released_at"] is None or row["expires_at"] <= row["released_at"]):
        return f"{_minute(row['expires_at'])}, over"
    return f"{_minute(row['released_at'])}, by {row['released_by']}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
