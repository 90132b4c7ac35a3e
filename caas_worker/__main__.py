"""`caas-worker` and `python -m caas_worker`."""

import signal


def main() -> None:
    """Run a command. Ctrl-C while its modules are still being read ends it without a traceback."""
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from caas_worker.cli import main as run  # only here: this is what takes a while

    signal.signal(signal.SIGINT, usual)
    run()


if __name__ == "__main__":
    main()
