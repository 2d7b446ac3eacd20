"""Levels for many comparisons: repeated looks at the same one, and one look at many.

A sweep that adds blocks until an answer is sure looks at its figures again and again, and each look is
another chance to call equal cells different: after each of blocks 3 to 15 at plain 95 % it happens 18 % of
the time. All looks therefore share one lower level (S. J. Pocock, "Group sequential methods in the design
and analysis of clinical trials", Biometrika 64, 1977), found by the recursion of P. Armitage, C. K.
McPherson and B. C. Rowe, "Repeated significance tests on accumulating data", Journal of the Royal
Statistical Society A 132, 1969. It is computed for a known variance; with Student's quantiles at the same
level it holds nearly (C. Jennison and B. W. Turnbull, "Group Sequential Methods", 2000, section 4.4).
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["false_discovery", "level_of_one_look"]

Floats = NDArray[np.float64]

_LEVEL = 0.95
"""Of all looks together."""

_STEP = 0.05
"""Of the grid of the recursion, in standard deviations of one block."""


@lru_cache(maxsize=64)
def level_of_one_look(looks: tuple[int, ...]) -> float:
    """The level that each look needs, so that all together have 95 %.

    Args:
        looks: Rising numbers of blocks after which figures are looked at: `tuple(range(least, most + 1))`.

    Raises:
        ValueError: No look, or they do not rise.
    """
    if not looks or looks[0] < 1 or any(b <= a for a, b in zip(looks, looks[1:], strict=False)):
        raise ValueError(f"looks must be rising numbers of blocks, not {looks}")
    if len(looks) == 1:
        return _LEVEL

    def missed(quantile: float) -> float:
        return _crossing(looks, quantile) - (1 - _LEVEL)

    quantile = scipy.optimize.brentq(
        missed,
        -scipy.special.ndtri((1 - _LEVEL) / 2),
        -scipy.special.ndtri((1 - _LEVEL) / 2 / len(looks)),
        xtol=1e-4,
    )
    return float(1 - 2 * scipy.special.ndtr(-quantile))


def _crossing(looks: Sequence[int], quantile: float) -> float:
    """Probability that a sum of standard normal steps is beyond quantile * sqrt(look) at any look."""
    reach = quantile * math.sqrt(looks[-1])
    half = int(np.ceil(reach / _STEP))
    places: Floats = np.linspace(-half, half, 2 * half + 1) * _STEP
    wide: Floats = np.linspace(-2 * half, 2 * half, 4 * half + 1) * _STEP
    inside: Floats = np.zeros(len(places))
    before = 0
    for look in looks:
        width = math.sqrt(look - before)
        if before == 0:
            inside = _cells(places, width)
        else:
            inside = np.convolve(_cells(wide, width), inside, mode="valid")
        inside = inside * _share_inside(places, quantile * math.sqrt(look))
        before = look
    return float(1 - inside.sum())


def _cells(places: Floats, width: float) -> Floats:
    """Probability of each cell of the grid."""
    probability: Floats = scipy.special.ndtr((places + _STEP / 2) / width) - scipy.special.ndtr(
        (places - _STEP / 2) / width
    )
    return probability


def _share_inside(places: Floats, bound: float) -> Floats:
    """How much of each cell of the grid lies within the bounds."""
    return np.clip((bound - np.abs(places)) / _STEP + 0.5, 0.0, 1.0)


def false_discovery(p_values: Floats) -> Floats:
    """Adjust p-values: of all called different below 5 %, at most 5 % are wrong on average.

    Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical
    Society B 57, 1995. It also holds for the positive dependence of cells compared with a common one.

    Args:
        p_values: [comparison]; NaN where nothing was compared, which counts for nothing.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = ~np.isnan(p_values)
    if known.any():
        adjusted[known] = scipy.stats.false_discovery_control(p_values[known], method="bh")
    return adjusted
