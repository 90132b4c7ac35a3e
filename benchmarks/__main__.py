"""`make bench`: every benchmark, or those named: `make bench ARGS="line"`. Results go to benchmarks/results/."""

import argparse
from functools import partial

from benchmarks import contention, freshness, history, horizon, line, reads, rebuild
from benchmarks.ground import Ground

BENCHMARKS = {
    "line": line.measure,
    "horizon": horizon.measure,
    "contention": contention.measure,
    "reads": reads.measure,
    "freshness": freshness.measure,
    "rebuild": rebuild.measure,
    "history": history.measure,
}


def main() -> None:
    """Run them one after the other on one scratch server."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--small", action="store_true", help="a tenth of the size, to try the benchmark itself")
    parser.add_argument("--rounds", type=int, help=f"of contention, {contention.ROUNDS} if not given")
    parser.add_argument("--seconds", type=float, help=f"of a turn of contention, {contention.SECONDS:g} if not given")
    arguments = parser.parse_args()
    measures = BENCHMARKS | {
        "contention": partial(contention.measure, rounds=arguments.rounds, seconds=arguments.seconds)
    }
    with Ground(small=arguments.small) as ground:
        for name in arguments.names or BENCHMARKS:
            measures[name](ground)


if __name__ == "__main__":
    main()
