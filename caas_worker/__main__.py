"""`python -m caas_worker`."""

from caas_worker.cli import main

if __name__ == "__main__":
    main()
