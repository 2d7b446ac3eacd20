"""Figures of cells and baselines, fitted to the blocks that they ran in.

A block visits every cell within minutes, so cells are compared block by block, and what moves a whole block
moves no comparison. `controller.statistics` has the model; this is its view of a results file.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimates import Estimate, ratio
from controller.statistics.block_model import BlockFit, fit_blocks
from controller.statistics.certainty import Posterior, posterior
from controller.statistics.paired_differences import Difference, differences
from controller.statistics.spread import Spread, moderated_spread

__all__ = ["BLOCKS95", "Fitted", "Series", "bare", "factor_of", "fitted", "times"]

Floats = NDArray[np.float64]

BLOCKS95 = "blocks95"
"""The kind of an interval that blocks give: 95 %."""


@dataclass(frozen=True)
class Series:
    """A figure of one cell, or of one baseline, in each block.

    Attributes:
        shares: By device or link, how much of its changes the figure takes part in.
    """

    key: str
    figure: Estimate
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """Figures of one network, fitted to its blocks.

    Attributes:
        rows: The place of each series in all arrays, by its key.
        shares: [series], by device or link.
        logs: [series, block], logarithms of which less is better; NaN where a series has no figure.
        sign: -1 where more of the figure is better, else 1.
    """

    rows: Mapping[str, int]
    shares: Sequence[Mapping[str, float]]
    logs: Floats
    sign: int
    fit: BlockFit
    spread: Spread
    seed: int

    def posterior(self, candidates: Collection[str]) -> Posterior:
        """What the true figures may be, and which candidate is the best.

        Args:
            candidates: Keys of series; at least one.
        """
        among = np.array([key in candidates for key in self.rows])
        return posterior(self.fit, self.spread, np.random.default_rng(self.seed), among)

    def difference(self, mine: str, theirs: str) -> Difference:
        """How much more one log figure is than another, both named beforehand."""
        (found,) = differences(self.fit, self.spread, np.array([[self.rows[mine], self.rows[theirs]]]))
        return found

    def drifting(self, names: Collection[str], variance: float) -> "Fitted":
        """The same where the speed of a device, or link, is known to differ between blocks.

        Args:
            names: Of the device, or of both directions of the link.
            variance: Of its logarithm, in the mean over blocks, times blocks.
        """
        shares = np.array([sum(each.get(name, 0.0) for name in names) for each in self.shares])
        loads = np.column_stack([self.fit.drift_loads, shares - shares.mean()])
        drifts = np.column_stack([self.spread.drifts, np.full(len(self.spread.drifts), variance)])
        return replace(
            self, fit=replace(self.fit, drift_loads=loads), spread=replace(self.spread, drifts=drifts)
        )


def fitted(series: Sequence[Series], *, maximise: bool, seed: int) -> Fitted | None:
    """Fit figures to their blocks; None where nothing tells their noise, as with one block.

    Args:
        series: Those without a positive figure are left out.
    """
    usable = [s for s in series if s.figure.values and min(s.figure.values) > 0]
    blocks = sorted({block for s in usable for block in s.figure.blocks})
    if len(blocks) < 2:
        return None
    sign = -1 if maximise else 1
    logs = np.full((len(usable), len(blocks)), np.nan)
    for row, s in enumerate(usable):
        logs[row, np.searchsorted(blocks, s.figure.blocks)] = sign * np.log(s.figure.values)
    shares = [s.shares for s in usable]
    fit = fit_blocks(logs, _strongest(shares))
    try:
        spread = moderated_spread(fit, np.random.default_rng(seed))
    except ValueError:
        return None
    return Fitted({s.key: row for row, s in enumerate(usable)}, shares, logs, sign, fit, spread, seed)


def _strongest(shares: Sequence[Mapping[str, float]]) -> Floats | None:
    """[series, device]: in as many directions as one for four series.

    Each direction in which devices move figures apart takes a degree of freedom from every block.
    """
    names = sorted({name for each in shares for name in each})
    if not names:
        return None
    table = np.array([[each.get(name, 0.0) for name in names] for each in shares])
    left, scales, right = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    scales[len(shares) // 4 :] = 0.0
    kept: Floats = (left * scales) @ right
    return kept


def times(fit: Fitted | None, mine: Series, theirs: Series) -> Estimate:
    """One figure over another, both named beforehand, with the interval that their blocks give.

    Without a fit, and where one has no figure in it, there is no interval.
    """
    if fit is None or not {mine.key, theirs.key} <= set(fit.rows):
        return bare(mine.figure, theirs.figure)
    if mine.key == theirs.key:
        return factor_of(0.0, 0.0, 0.0, mine.figure.trials)
    found = fit.difference(mine.key, theirs.key)
    low, high = sorted((fit.sign * found.low, fit.sign * found.high))
    return factor_of(fit.sign * found.value, low, high, min(mine.figure.trials, theirs.figure.trials))


def bare(mine: Estimate, theirs: Estimate) -> Estimate:
    """One figure over another, without an interval."""
    return replace(ratio(mine, theirs), low=None, high=None, kind=None)


def factor_of(value: float, low: float, high: float, trials: int) -> Estimate:
    """A factor from its logarithm and the interval of that."""
    value, low, high = map(float, np.exp([value, low, high]))
    return Estimate(value, low, high, trials, BLOCKS95)
