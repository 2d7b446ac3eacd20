"""Pareto fronts of two figures to minimise, and the area that they dominate."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["Point", "Split", "front_of", "hypervolume"]

Split = TypeVar("Split", bound=Hashable)

Point = tuple[float, float]
"""Latency in seconds at depth 1, and seconds per sample at the greatest depth: less is better."""


def front_of(points: Mapping[Split, Point]) -> list[Split]:
    """Splits that no other one weakly dominates, and the first of equal ones."""
    front: list[Split] = []
    least_s = np.inf
    for split in sorted(points, key=lambda split: points[split]):
        if points[split][1] < least_s:
            front.append(split)
            least_s = points[split][1]
    return front


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area that these points dominate below a reference point."""
    area, least_s = 0.0, reference[1]
    for latency_s, period_s in sorted(points):
        if latency_s < reference[0] and period_s < least_s:
            area += (reference[0] - latency_s) * (least_s - period_s)
            least_s = period_s
    return area
