"""The central promise, over generated histories (see histories.py). CAAS_TEST_EXAMPLES says how many."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from caas_worker.db import Database
from caas_worker.follow import Follower
from caas_worker.pipeline import Line
from tests.proof.hands import Bench
from tests.proof.histories import Histories

EXAMPLES = int(os.environ.get("CAAS_TEST_EXAMPLES", "1000"))
STEPS = 6
PHASES = [Phase.generate] if os.environ.get("CAAS_TEST_SHRINK") == "no" else list(Phase)
"""Shrinking a failure takes minutes; whoever only wants to know whether there is one says no."""


@pytest.fixture
def bench(url: str, app: psycopg.Connection[Any], db: Database, make_line: Callable[..., Line]) -> Iterator[Bench]:
    """Connections for every hand that plays a part."""
    writer, *sessions = [psycopg.connect(url, autocommit=True, options="-c lock_timeout=5ms") for _ in range(3)]
    yield Bench(
        app, writer, sessions, db, lambda: replace(make_line(max_attempts=1_000), follower=Follower(db, is_on=True))
    )
    for connection in (writer, *sessions):
        connection.close()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.timeout(0)
def test_any_history_drained_equals_a_recomputation_from_scratch(bench: Bench) -> None:
    class Played(Histories):
        pass

    Played.bench = bench
    run_state_machine_as_test(
        Played,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
