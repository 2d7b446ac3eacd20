"""Differences between figures that share no block: of two results files, or under two networks.

What moves a whole block does not cancel here. It is told by how the blocks of each side differ from one
another, of which there are few: with three blocks a side, a shift of all cells must be about four times that
variation to be told from it. Each side has its own noise, drift and variation between blocks, and
the variance of a difference is the sum of both sides'.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.statistics.paired_differences import Difference, difference_of
from controller.statistics.series import Fitted

__all__ = ["Unpaired"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Levels:
    """The mean log figures of one side, over all its blocks.

    Attributes:
        means: [series].
        between: [draw], variance that blocks have in common, of the mean over them.
    """

    fit: Fitted
    means: Floats
    between: Floats

    @classmethod
    def of(cls, fit: Fitted) -> "_Levels":
        blocks = np.nanmean(fit.logs - fit.fit.means[:, None], axis=0)
        degrees = len(blocks) - 1
        draws = np.random.default_rng(fit.seed).chisquare(degrees, len(fit.spread.typical))
        between = np.sum((blocks - blocks.mean()) ** 2) / draws / len(blocks)
        return cls(fit, fit.fit.means + blocks.mean(), between)

    def mean(self, rows: Sequence[int]) -> float:
        """Over some series."""
        return float(self.means[rows].mean())

    def variances(self, rows: Sequence[int]) -> Floats:
        """Of that mean: [draw]."""
        fit, spread = self.fit.fit, self.fit.spread
        own = np.sum(spread.variances[:, rows] / fit.blocks[rows], axis=1) / len(rows) ** 2
        loads = np.mean(fit.drift_loads[rows] / np.sqrt(fit.blocks[rows])[:, None], axis=0)
        variances: Floats = own + spread.drifts @ loads**2 + self.between
        return variances


class Unpaired:
    """Two sides that share no block."""

    def __init__(self, a: Fitted, b: Fitted) -> None:
        self._a, self._b = _Levels.of(a), _Levels.of(b)

    def has(self, mine: str, theirs: str) -> bool:
        """Whether both keys have a figure."""
        return mine in self._a.fit.rows and theirs in self._b.fit.rows

    def difference(self, pairs: Sequence[tuple[str, str]]) -> Difference:
        """How much more the log figure is in `b` than in `a`, in the mean over pairs of keys."""
        mine = [self._a.fit.rows[key] for key, _ in pairs]
        theirs = [self._b.fit.rows[key] for _, key in pairs]
        value = self._b.mean(theirs) - self._a.mean(mine)
        # The draws of both sides are in an order of their own.
        order = np.random.default_rng(self._a.fit.seed).permutation(len(self._a.between))
        variances = self._a.variances(mine)[order] + self._b.variances(theirs)
        return difference_of(value, variances)
