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

import moocore
import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimates import BOOTSTRAP_TRIALS, Estimate, interval, ratio
from analysis.statistics.objectives import OBJECTIVES, Objective

__all__ = ["RESAMPLES", "Resampling", "factor", "hypervolumes", "nondominated"]

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
            Array of `resamples` values, nan where the figure is null.
        """
        values = np.asarray(figure.values, dtype=np.float64)
        if figure.value is None:
            return np.full(self.resamples, np.nan)
        if not len(values):
            return np.full(self.resamples, figure.value)
        rng = np.random.default_rng((self.seed, zlib.crc32(key.encode())))
        drawn = rng.integers(len(values), size=(self.resamples, len(values)))
        medians: Floats = np.median(values[drawn], axis=1)
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
