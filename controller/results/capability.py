"""The cells that stand for a split on the capability front: of its latency, and of its throughput."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.results.rows import Cell

__all__ = ["Capability", "capabilities"]


@dataclass(frozen=True)
class Capability:
    """A split.

    Attributes:
        unloaded: The depth-1 cell, whose latency is the split's.
        fastest: The cell of most throughput, which is the split's.
        cells: All of it, at any depth.
    """

    unloaded: Cell
    fastest: Cell
    cells: tuple[Cell, ...]


def capabilities(cells: Iterable[Cell], rates: Mapping[str, float | None]) -> list[Capability]:
    """The splits that cells of closed loops make up, in their order.

    A split whose depth-1 or deepest cell has no trial is left out: until the deepest has run, a shallower one
    would be held against the deepest of other splits.

    Args:
        rates: Median throughput by cell id; absent, or None, without a trial.
    """
    splits: dict[str, list[Cell]] = {}
    for cell in cells:
        splits.setdefault(cell.split_id, []).append(cell)
    measured = []
    for alike in splits.values():
        first = min(alike, key=lambda cell: cell.depth_key)
        deepest = max(alike, key=lambda cell: cell.depth_key)
        if first.depth == 1 and rates.get(first.id) and rates.get(deepest.id):
            fastest = max(alike, key=lambda cell: rates.get(cell.id) or 0.0)
            measured.append(Capability(first, fastest, tuple(alike)))
    return measured
