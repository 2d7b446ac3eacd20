"""Which cells stand for a split."""

from dataclasses import replace

from controller.results import SATURATING, Cell
from controller.results.capability import capabilities
from tests.unit.analysis.synthetic import CELL

SHALLOW, DEEP = CELL, replace(CELL, depth=4)


def shown(cells: list[Cell], rates: list[float | None]) -> list[tuple[int, int]]:
    """Depths of the unloaded and of the fastest cell of each split."""
    by_cell = {cell.id: rate for cell, rate in zip(cells, rates, strict=True)}
    return [(split.unloaded.depth, split.fastest.depth) for split in capabilities(cells, by_cell)]


def test_the_cell_of_most_throughput_stands_for_it_at_any_depth() -> None:
    assert shown([SHALLOW, DEEP], [100.0, 200.0]) == [(1, 4)]
    assert shown([SHALLOW, DEEP], [101.0, 96.0]) == [(1, 1)]


def test_a_split_without_its_depth_1_or_its_deepest_cell_has_none() -> None:
    assert shown([SHALLOW, DEEP], [100.0, None]) == []
    assert shown([SHALLOW, DEEP], [None, 100.0]) == []
    assert shown([DEEP], [100.0]) == []
    # A depth that the sweep finds is the deepest, whatever it is.
    found = replace(CELL, role=SATURATING, depth=2)
    assert shown([SHALLOW, DEEP, found], [100.0, 200.0, None]) == []
    assert shown([SHALLOW, DEEP, found], [100.0, 200.0, 150.0]) == [(1, 4)]
