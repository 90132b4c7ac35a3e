"""Two releases beside each other, in turn on one server: what a change costs each step of the line.

    python -m benchmarks.beside OTHER      OTHER: a checkout of the other release, with its own .venv

Each release installs itself into a database of its own with the same people and drains it with its own code, in a
process of its own. Rounds alternate, and who begins does too; the figures are ratios of medians, this release to the
other. The application's own cost is that of single-row updates of a watched column.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.ground import Ground, say

ROUNDS = 7
UPDATES = 3_000
BATCH = 500

INSTALL = """
import sys
import psycopg
from caas_worker import migrate
from caas_worker.marketplace import people, schema
from caas_worker.shipped import Shipped
conninfo, tutors = sys.argv[1], int(sys.argv[2])
with psycopg.connect(conninfo, autocommit=True) as connection:
    schema.create(connection)
    people.populate(connection, people=tutors, tutor_share=1, bookings_per_tutor=50, reviews_per_tutor=10, seed=7)
    migrate.up(conninfo, Shipped.load(), lambda _: None)
    connection.execute("vacuum analyze")
"""

TURN = """
import json, sys, time
import psycopg
from caas_worker import queue, rules, worker
from caas_worker.db import Database
from caas_worker.settings import Settings
conninfo, batch, updates = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with psycopg.connect(conninfo, autocommit=True) as application:
    ids = [row[0] for row in application.execute("select id from profiles order by id limit %s", (updates,))]
    application.execute("set synchronous_commit = off")
    begun = time.perf_counter()
    for profile_id in ids:
        application.execute(
            "update profiles set available_free_help = not available_free_help where id = %s", (profile_id,)
        )
    update = (time.perf_counter() - begun) / len(ids)
with Database(conninfo, statement_timeout=600) as db:
    line = worker.line(db, Settings())
    rules.publish(db, line.registry)
    worker.drain(line, batch_size=batch)
    line = worker.line(db, Settings())
    queue.mark_everyone(db, "benchmark")
    begun = time.perf_counter()
    while line.fold(whole=True).found_any or line.run_batch(batch, whole=True):
        pass
    whole = time.perf_counter() - begun
seconds = {name: spent for name, spent in line.telemetry.step_seconds.items() if spent}
with psycopg.connect(conninfo, autocommit=True) as application:
    application.execute("vacuum")
print(json.dumps({"update": update, "whole": whole, **seconds}))
"""


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(prog="benchmarks.beside", description=__doc__)
    parser.add_argument("other", type=Path, help="a checkout of the other release, with its own .venv")
    parser.add_argument("--small", action="store_true", help="a tenth of the size, to try the benchmark itself")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    trees = {"this": Path(__file__).parents[1], "other": arguments.other.resolve()}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
    with Ground(small=arguments.small) as ground:
        databases = {name: ground.database(name) for name in trees}
        for name, tree in trees.items():
            say(f"{name}: making {ground.tutors:,} tutors")
            _python(tree, INSTALL, databases[name], ground.tutors)
        for number in range(arguments.rounds + 1):
            for name in sorted(trees, reverse=bool(number % 2)):
                turn = json.loads(_python(trees[name], TURN, databases[name], BATCH, min(UPDATES, ground.tutors)))
                if number:  # the first round warms up
                    seen[name].append(turn)
            say(f"round {number} of {arguments.rounds}")
        ground.keep("beside", {"tutors": ground.tutors, "rounds": arguments.rounds, **_ratios(seen)})


def _ratios(seen: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    medians = {
        name: {step: statistics.median(turn[step] for turn in turns) for step in turns[0]}
        for name, turns in seen.items()
    }
    return {
        "seconds": {name: {step: round(spent, 6) for step, spent in of.items()} for name, of in medians.items()},
        "this_to_other": {
            step: round(spent / medians["other"][step], 3)
            for step, spent in medians["this"].items()
            if step in medians["other"]
        },
    }


def _python(tree: Path, program: str, *arguments: object) -> str:
    command = [str(tree / ".venv" / "bin" / "python"), "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tree} could not be measured")
    return done.stdout


if __name__ == "__main__":
    main()
