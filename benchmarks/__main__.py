"""`make bench`: every benchmark, or those named: `make bench ARGS="line"`. Results go to benchmarks/results/."""

import argparse

from benchmarks import horizon, line
from benchmarks.ground import Ground

BENCHMARKS = {"line": line.measure, "horizon": horizon.measure}


def main() -> None:
    """Run them one after the other on one scratch server."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--small", action="store_true", help="a tenth of the size, to try the benchmark itself")
    arguments = parser.parse_args()
    with Ground(small=arguments.small) as ground:
        for name in arguments.names or BENCHMARKS:
            BENCHMARKS[name](ground)


if __name__ == "__main__":
    main()
