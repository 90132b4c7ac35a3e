"""Halves go up, as by hand (scoring, conventions)."""

import math

import pytest

from caas_worker.quality.model import round_half_up

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [
        (57.49999999999999, 0, 58),
        (57.4999, 0, 57),
        (56.5, 0, 57),  # Python's own is 56
        (0.5, 0, 1),
        (0.0, 0, 0),
        (-0.5, 0, 0),
        (2.675, 2, 2.68),  # stored as 2.67499999999999982…
        (1.005, 2, 1.01),
        (2.674, 2, 2.67),
        (14.994999, 2, 14.99),
        (14.995, 2, 15.0),
        (0.5995, 3, 0.6),
        (0.5994, 3, 0.599),
        (82.25, 1, 82.3),
        (1e300, 2, 1e300),
    ],
)
def test_halves_go_up(value: float, decimals: int, rounded: float) -> None:
    assert round_half_up(value, decimals) == rounded


def test_what_is_infinite_stays_so() -> None:
    assert round_half_up(math.inf, 2) == math.inf
