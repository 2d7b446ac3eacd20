"""Factors between figures that were fitted to their blocks, with the interval that these give."""

from dataclasses import replace

import numpy as np

from analysis.statistics.estimates import Estimate, estimate, ratio
from controller.statistics.series import Fitted, Series

__all__ = ["BLOCKS95", "bare", "factor_of", "times"]

BLOCKS95 = "blocks95"
"""The kind of an interval that blocks give: 95 %; in `splits.csv` over all looks of a sweep with `until`."""


def times(fit: Fitted | None, mine: Series, theirs: Series) -> Estimate:
    """One figure over another, both named beforehand, with the interval that their blocks give.

    Without a fit, and where one has no figure in it, there is no interval.
    """
    if fit is None or not {mine.key, theirs.key} <= set(fit.rows):
        return bare(*(estimate(list(each.figures.values())) for each in (mine, theirs)))
    trials = min(len(mine.figures), len(theirs.figures))
    if mine.key == theirs.key:
        return factor_of(0.0, 0.0, 0.0, trials)
    difference = fit.difference(mine.key, theirs.key)
    low, high = sorted((fit.sign * difference.low, fit.sign * difference.high))
    return factor_of(fit.sign * difference.value, low, high, trials)


def bare(mine: Estimate, theirs: Estimate) -> Estimate:
    """One figure over another, without an interval."""
    return replace(ratio(mine, theirs), low=None, high=None, kind=None)


def factor_of(value: float, low: float, high: float, trials: int) -> Estimate:
    """A factor from its logarithm and the interval of that."""
    value, low, high = map(float, np.exp([value, low, high]))
    return Estimate(value, low, high, trials, BLOCKS95)
