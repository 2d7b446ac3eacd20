"""The two fronts: what a split can do, and what one can have at once.

In a closed loop mean latency x throughput = depth (Little, "A proof for the queuing formula L = λW",
Operations Research 9, 1961), so at one depth the two are one variable and a front of one depth is one
point. Hence two fronts, each over all depths in its own way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import moocore
import numpy as np

from analysis.results import OFFLINE, CellResult, Sweep
from analysis.splits import Split
from analysis.statistics import Estimate
from controller.store import Cell

__all__ = ["FrontName", "Point", "capability", "in_order", "operating"]

FrontName = Literal["capability", "operating"]


@dataclass(frozen=True)
class Point:
    """A candidate of a front.

    Attributes:
        cell: Whose throughput it is; on the capability front the split's deepest cell.
        latency_cell: Whose latency it is; on the capability front the split's depth-1 cell.
        latency: p50, seconds.
        throughput: Samples a second.
        accuracy: Of the chain, with its codecs.
        on_front: No other candidate of its bundle and profile is as good or better in both, nor as accurate
            where codecs make a difference.
    """

    front: FrontName
    cell: Cell
    latency_cell: Cell
    split: Split
    latency: Estimate
    throughput: Estimate
    accuracy: float | None = None
    on_front: bool = False

    @property
    def label(self) -> str:
        """Where it cuts, and on the operating front how deep."""
        if self.front == "capability":
            return self.split.where
        if self.cell.load != OFFLINE:
            return f"{self.split.where} · {self.cell.load}, depth {self.cell.depth}"
        return f"{self.split.where} · depth {self.cell.depth}"


def capability(sweep: Sweep, bundle: str, profile: str) -> list[Point]:
    """What each split can do: its unloaded latency (p50 at depth 1) and its capacity (deepest cell).

    A split without a depth-1 cell, or whose cells are unfinished, has no point. Cells under an open load are
    left out: their throughput is what was offered.
    """
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for result in sweep.of(bundle, profile):
        if result.trials and result.cell.load == OFFLINE:
            groups.setdefault(_but_depth(result.cell), []).append(result)
    points = []
    for results in groups.values():
        first = min(results, key=lambda r: r.cell.depth)
        deepest = max(results, key=lambda r: r.cell.depth)
        if first.cell.depth == 1:
            points.append(_point("capability", deepest, first))
    return _mark(points)


def operating(sweep: Sweep, bundle: str, profile: str) -> list[Point]:
    """What each cell did: its own latency (p50) and its own throughput, over all depths."""
    return _mark([_point("operating", r, r) for r in sweep.of(bundle, profile) if r.trials])


def in_order(points: Sequence[Point]) -> list[Point]:
    """The points on the front, by ascending latency and so, at one accuracy, by ascending throughput."""
    return sorted((p for p in points if p.on_front), key=lambda p: p.latency.value or 0.0)


def _but_depth(cell: Cell) -> tuple[object, ...]:
    values = replace(cell, depth=0)
    return (values.id,)


def _point(front: FrontName, result: CellResult, unloaded: CellResult) -> Point:
    accuracy = result.accuracy.chain if result.accuracy else None
    return Point(
        front, result.cell, unloaded.cell, result.split, unloaded.latency(), result.throughput, accuracy
    )


def _mark(points: Sequence[Point]) -> list[Point]:
    """Mark the front. Of points that are equal in both figures the first stays.

    A point without enough samples for its latency cannot be compared and is on no front.
    """
    usable = [
        i for i, p in enumerate(points) if p.latency.value is not None and p.throughput.value is not None
    ]
    if not usable:
        return list(points)
    figures = np.array([(points[i].latency.value, points[i].throughput.value) for i in usable])
    maximise = [False, True]
    accuracies = [points[i].accuracy for i in usable]
    # Without codecs all have the whole graph's accuracy, or are not to be trusted.
    if len({points[i].cell.codec for i in usable}) > 1 and None not in accuracies:
        figures = np.column_stack([figures, np.array(accuracies, dtype=np.float64)])
        maximise = [False, True, True]
    # keep_weakly=False also drops duplicates: a weakly dominated point is on no front.
    best = moocore.is_nondominated(figures, maximise=maximise, keep_weakly=False)
    chosen = {i for i, on in zip(usable, best, strict=True) if on}
    return [replace(p, on_front=i in chosen) for i, p in enumerate(points)]
