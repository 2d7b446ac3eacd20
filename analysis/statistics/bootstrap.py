"""What could have come out instead: fronts drawn again from the blocks there are.

Blocks are the unit: of n blocks, n are drawn with replacement, and each figure is the median over its trials
in these (the bootstrap; Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7,
1979). Figures of the same blocks are drawn together, so what moves a whole block moves no front. A cell that
lacks some of the others' blocks is drawn by itself.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import moocore
import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimates import Estimate
from analysis.statistics.objectives import OBJECTIVES, Objective

__all__ = ["RESAMPLES", "Resampling", "hypervolumes", "nondominated", "shares_nondominated"]

RESAMPLES = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """Draws that repeat with their seed.

    Attributes:
        resamples: How many draws.
    """

    seed: int
    resamples: int = RESAMPLES

    def draws(self, figure: Estimate) -> Floats:
        """Medians of `figure`, drawn again: one for each resample.

        Args:
            figure: With its trials' values and blocks; without any, it is drawn as it is.

        Returns:
            Array of `resamples` values, nan where the figure is null. It is read-only.
        """
        if figure.value is None:
            return np.full(self.resamples, np.nan)
        if not figure.values:
            return np.full(self.resamples, figure.value)
        return _draws(self, figure.values, figure.blocks)


# Both fronts of a network draw the same figures: as many as are kept, each of 8 kB.
@lru_cache(maxsize=1024)
def _draws(resampling: Resampling, values: tuple[float, ...], blocks: tuple[int, ...]) -> Floats:
    rng = np.random.default_rng((resampling.seed, zlib.crc32(repr(blocks).encode())))
    drawn = rng.integers(len(values), size=(resampling.resamples, len(values)))
    medians: Floats = np.median(np.asarray(values, dtype=np.float64)[drawn], axis=1)
    medians.setflags(write=False)
    return medians


def nondominated(values: Floats, objectives: Sequence[Objective]) -> NDArray[np.bool_]:
    """Which candidates no other one weakly dominates; of equal ones the first stays.

    Args:
        values: Candidates by objectives. A candidate with a nan cannot be compared: it is on no front.
    """
    chosen = np.zeros(len(values), dtype=np.bool_)
    usable = ~np.isnan(values).any(axis=1)
    if usable.any():
        maximise = [OBJECTIVES[o].maximise for o in objectives]
        # keep_weakly=False also drops duplicates: a weakly dominated point is on no front.
        chosen[usable] = moocore.is_nondominated(values[usable], maximise=maximise, keep_weakly=False)
    return chosen


def shares_nondominated(draws: Floats, objectives: Sequence[Objective]) -> Floats:
    """The share of draws in which no other candidate weakly dominates a candidate: one a candidate.

    Args:
        draws: Resamples by candidates by objectives; as in `nondominated`, a nan is on no front.
    """
    shares: Floats
    if draws.shape[2] != 2:
        shares = np.mean([nondominated(each, objectives) for each in draws], axis=0)
        return shares
    # Of two objectives a sweep along the first finds a front, of all draws at once: a candidate is on it that
    # is better in the second than all before it.
    usable = ~np.isnan(draws).any(axis=2)
    costs = np.where([OBJECTIVES[o].maximise for o in objectives], -draws, draws)
    costs[~usable] = np.inf
    order = np.lexsort((costs[:, :, 1], costs[:, :, 0]), axis=1)
    second = np.take_along_axis(costs[:, :, 1], order, axis=1)
    best_before = np.minimum.accumulate(second, axis=1)[:, :-1]
    chosen = np.ones(second.shape, dtype=np.bool_)
    chosen[:, 1:] = second[:, 1:] < best_before
    placed = np.empty_like(chosen)
    np.put_along_axis(placed, order, chosen, axis=1)
    shares = np.mean(placed & usable, axis=0)
    return shares


def hypervolumes(draws: Floats, corner: Floats) -> Floats:
    """The share of the box between zero and `corner` that each draw's candidates dominate.

    E. Zitzler and L. Thiele, "Multiobjective optimization using evolutionary algorithms", PPSN 1998; computed
    by moocore.

    Args:
        draws: Resamples by candidates by figures, all to be minimised.
        corner: The worst of each figure; a candidate beyond it in any counts nothing.
    """
    scaled = draws / corner
    ones = np.ones(len(corner))
    return np.array([moocore.hypervolume(each[~np.isnan(each).any(axis=1)], ref=ones) for each in scaled])
