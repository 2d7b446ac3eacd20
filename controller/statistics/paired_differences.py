"""Differences between cells that were named before anyone looked, from what each block says of both."""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from controller.statistics.block_model import BlockFit
from controller.statistics.spread import Spread

__all__ = ["Difference", "difference_of", "differences"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How much more the one cell's log figure is than the other's.

    Attributes:
        value: Difference of the means; `exp(value)` is the factor.
        low, high: Interval at the level that was requested.
        p_value: Of no difference, two-sided.
    """

    value: float
    low: float
    high: float
    p_value: float


def differences(
    fit: BlockFit, spread: Spread, pairs: NDArray[np.intp], level: float
) -> tuple[Difference, ...]:
    """Compare pairs of cells that were named before anyone looked, as ends are.

    Args:
        pairs: [pair, 2], indices of cells. The difference is first minus second.
        level: Of the interval; `repeated_looks.level_of_one_look` where blocks were added while looking.
    """
    return tuple(_difference(fit, spread, int(a), int(b), level) for a, b in pairs)


def _difference(fit: BlockFit, spread: Spread, a: int, b: int, level: float) -> Difference:
    return difference_of(float(fit.means[a] - fit.means[b]), _variances(fit, spread, a, b), level)


def difference_of(value: float, variances: Floats, level: float = 0.95) -> Difference:
    """A difference, from draws of the variance of its error.

    The error is a mixture of normal distributions, one for each draw, and its quantiles are exact: with two
    cells they are Student's.

    Args:
        variances: [draw].
    """
    deviations = np.sqrt(variances)
    p_value = float(np.mean(2 * scipy.special.ndtr(-abs(value) / deviations)))

    def excess(reach: float) -> float:
        return float(np.mean(2 * scipy.special.ndtr(-reach / deviations))) - (1 - level)

    tail = -scipy.special.ndtri((1 - level) / 2)
    reach = scipy.optimize.brentq(excess, 0.0, 1.01 * tail * deviations.max(), rtol=1e-4)
    return Difference(value, value - reach, value + reach, p_value)


def _variances(fit: BlockFit, spread: Spread, a: int, b: int) -> Floats:
    """Of the difference between two cells' means: [draw]."""
    own = spread.variances[:, a] / fit.blocks[a] + spread.variances[:, b] / fit.blocks[b]
    apart = (fit.drift_loads[a] - fit.drift_loads[b]) ** 2
    variances: Floats = own + spread.drifts @ apart / min(fit.blocks[a], fit.blocks[b])
    return variances
