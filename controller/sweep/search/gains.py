"""What measuring a split is expected to gain: area of the front within its box, and better answers."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

from controller.results.pareto import Point, front_of, hypervolume
from controller.sweep.search.belief import Belief

__all__ = ["answer_gains", "area_gains"]

Floats = NDArray[np.float64]

_NEXT_TO_NOTHING: Final = 1e-3
"""A share of the box."""

_GOOD_ENOUGH: Final = 0.02
"""An answer is right within so much of the best."""


def area_gains(known: Sequence[Point], corner: Point, belief: Belief) -> Floats:
    """The expected share that each split adds to the area which `known` dominates below `corner`.

    A share of that area and the most that any split is expected to add: where nothing is dominated yet, the
    most promising split gains nearly 1, unless that is next to nothing of the whole box. Figures count as
    independent. (M. Emmerich and others: Hypervolume-based expected improvement, IEEE Congress on
    Evolutionary Computation 2011; here in strips between the front's latencies, in each of which the
    expectation is a product.)
    """
    inside = [point for point in known if point[0] < corner[0] and point[1] < corner[1]]
    front = front_of({point: point for point in inside})
    gains = np.zeros(len(belief.points))
    before = np.zeros(len(belief.points))
    below_s = corner[1]
    for latency_s, sample_s in [*front, corner]:
        up_to = _expected_below(latency_s, belief, 0)
        gains += (up_to - before) * _expected_below(below_s, belief, 1)
        before, below_s = up_to, sample_s
    nothing = _NEXT_TO_NOTHING * corner[0] * corner[1]
    return gains / (hypervolume(front, corner) + float(gains.max(initial=0.0)) + nothing)


def answer_gains(known: Sequence[Point], figure: int, belief: Belief) -> Floats:
    """The expected share by which each split betters the best of one figure beyond what is good enough."""
    best = min(point[figure] for point in known) if known else float(belief.points[:, figure].max())
    return _expected_below((1 - _GOOD_ENOUGH) * best, belief, figure) / best


def _expected_below(limit: float, belief: Belief, figure: int) -> Floats:
    """By how much a figure is expected to be below a limit: the mean of max(0, limit - figure)."""
    median, spread = belief.points[:, figure], belief.spreads[:, figure]
    apart = (np.log(limit) - np.log(median)) / spread
    below, weighted = scipy.special.ndtr(apart), scipy.special.ndtr(apart - spread)
    return np.asarray(limit * below - median * np.exp(spread**2 / 2) * weighted)
