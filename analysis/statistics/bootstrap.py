"""What could have come out instead: figures drawn again from the trials there are.

Trials are the unit: of a cell with n trials, n are drawn with replacement and their median is taken (the
bootstrap; Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979). The
figures of one cell are drawn together, since they are of the same trials.

Each trial of a cell is a visit of its own, in another block, so trials differ by what visits differ by: the
clock of the processor, its neighbours.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import moocore
import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimates import BOOTSTRAP_TRIALS, Estimate, interval, ratio
from analysis.statistics.objectives import OBJECTIVES, Objective

__all__ = ["RESAMPLES", "Resampling", "factor", "hypervolumes", "nondominated", "shares_nondominated"]

RESAMPLES = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """Draws that repeat with their seed.

    Attributes:
        resamples: How many draws.
    """

    seed: int = 0
    resamples: int = RESAMPLES

    def draws(self, figure: Estimate, key: str) -> Floats:
        """Medians of `figure`, drawn again: one for each resample.

        Args:
            figure: With its trials' values; without any, it is drawn as it is.
            key: Of its cell. Figures of one key are drawn together.

        Returns:
            Array of `resamples` values, nan where the figure is null. It is read-only.
        """
        if figure.value is None:
            return np.full(self.resamples, np.nan)
        if not figure.values:
            return np.full(self.resamples, figure.value)
        return _draws(self, figure.values, key)


# A figure is drawn for its fronts, and for each answer that it is compared with.
@lru_cache(maxsize=4096)
def _draws(resampling: Resampling, values: tuple[float, ...], key: str) -> Floats:
    rng = np.random.default_rng((resampling.seed, zlib.crc32(key.encode())))
    drawn = rng.integers(len(values), size=(resampling.resamples, len(values)))
    medians: Floats = np.median(np.asarray(values, dtype=np.float64)[drawn], axis=1)
    medians.setflags(write=False)
    return medians


def factor(mine: Estimate, theirs: Estimate, drawn: Floats) -> Estimate:
    """`mine` over `theirs`, with the middle 95 % of what is drawn again.

    With fewer than six trials the bootstrap reaches too little: the interval is then at least the widest one
    that both ranges allow.

    Args:
        drawn: Resamples of the factor.
    """
    widest = ratio(mine, theirs)
    if widest.value is None or widest.low is None or widest.high is None:
        return widest
    low, high = interval(drawn)
    if widest.trials < BOOTSTRAP_TRIALS:
        low, high = min(low, widest.low), max(high, widest.high)
    return Estimate(widest.value, low, high, widest.trials, "bootstrap95")


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
