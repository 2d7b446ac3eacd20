"""How much a planned search may measure, and what for."""

import pytest

from controller.results import Objective
from controller.sweep.search.predicted import figures_for, most_measured


@pytest.mark.parametrize(
    ("splits", "most"),
    [
        (200, 30),
        # The equal split, both ends, and four more.
        (40, 7),
        (5, 7),
    ],
)
def test_a_share_of_the_splits_but_enough_for_a_search(splits: int, most: int) -> None:
    assert most_measured(0.15, splits) == most


@pytest.mark.parametrize(
    ("objectives", "figures"),
    [
        (("latency", "throughput"), (0, 1)),
        (("latency",), (0, 0)),
        (("throughput",), (1, 1)),
        # Which split has the least memory is not predicted: as many different ones as before.
        (("throughput", "memory"), (0, 1)),
        (("memory",), (0, 1)),
    ],
)
def test_a_search_is_for_the_experiments_objectives(
    objectives: tuple[Objective, ...], figures: tuple[int, int]
) -> None:
    assert figures_for(objectives) == figures
