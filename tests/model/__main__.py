"""Search one run of the models and print its shortest counterexample, step by step."""

import argparse
import sys

from tests.model import variants
from tests.model.spin import ModelBroken, ToolsMissing, search
from tests.model.steps import story


def main() -> int:
    """Print what a run finds; exit with 0 if that is what is expected of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    names = [run.name for run in variants.RUNS]
    parser.add_argument("name", choices=names, metavar="NAME", help=f"One of: {', '.join(names)}.")
    run = variants.named(parser.parse_args().name)
    try:
        found = search(run)
        if found.violated and not run.counterexample:
            shortest = search(run, shortest=True)
            found = shortest if shortest.violated else found
    except (ToolsMissing, ModelBroken) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if run.guard:
        sys.stdout.write(f"Taken away: {run.guard}.\n")
    sys.stdout.write(f"{run.shows}\n\n")
    if found.violated:
        sys.stdout.write(f"{story(run, found)}\n")
    sys.stdout.write(f"{found.states} states, {'every interleaving' if found.is_complete else 'not all'} tried.\n")
    return int(found.violated != run.violates or not (found.is_complete or found.violated))


if __name__ == "__main__":
    sys.exit(main())
