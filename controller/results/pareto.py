"""Pareto fronts of two figures to minimise, and the area that they dominate."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

import moocore
import numpy as np
from numpy.typing import NDArray

__all__ = ["Point", "Split", "corner_of", "front_of", "hypervolume"]

Split = TypeVar("Split", bound=Hashable)

Point = tuple[float, float]
"""Latency in seconds at depth 1, and seconds per sample at the greatest depth: less is better."""


def front_of(points: Mapping[Split, Point]) -> list[Split]:
    """Splits that no other one weakly dominates, by rising latency; of equal ones the first."""
    if not points:
        return []
    splits = list(points)
    # Without `keep_weakly`, moocore drops all of equal points but the first.
    on_front = moocore.is_nondominated(_matrix(points.values()), keep_weakly=False)
    return sorted((splits[i] for i in np.flatnonzero(on_front)), key=lambda split: points[split])


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area that these points dominate below a reference point."""
    return float(moocore.hypervolume(_matrix(points), ref=reference)) if points else 0.0


def corner_of(points: Collection[Point]) -> Point:
    """The worst of each figure."""
    return max(latency_s for latency_s, _ in points), max(sample_s for _, sample_s in points)


def _matrix(points: Collection[Point]) -> NDArray[np.float64]:
    """A row a point, also where there is none."""
    return np.array(list(points), dtype=np.float64).reshape(-1, 2)
