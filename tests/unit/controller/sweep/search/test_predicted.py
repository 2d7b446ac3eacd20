"""How much a planned search may measure."""

import pytest

from controller.sweep.search.predicted import most_measured


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
