"""Drift: by how much a sentinel differs from its network's first block, and whether that is noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["DRIFT_LIMIT", "Change", "changes_of"]

DRIFT_LIMIT = 0.05
"""A change by no more than this is never flagged."""

_LEVEL = 0.99
# Of a normal sample: its standard deviation over the median absolute deviation, and the error of its median.
_SD_OF_MAD = 1.4826
_SE_OF_MEDIAN = 1.2533


@dataclass(frozen=True)
class Change:
    """How a sentinel changed.

    Attributes:
        value: Relative to the first block; 0.08 is 8 % slower.
        noise: What its own noise reaches, with 99 % for all of its blocks together.
    """

    value: float
    noise: float

    @property
    def flagged(self) -> bool:
        """Whether it is drift: above the limit, and more than noise."""
        return abs(self.value) > max(DRIFT_LIMIT, self.noise)


def changes_of(blocks: Sequence[Sequence[float]]) -> list[Change]:
    """The change of a sentinel in each block, from its times in that block.

    Medians are compared, so that single slow repeats count little. The level is shared between the blocks
    (Bonferroni), so that a sweep of many blocks is not flagged more often for being long.
    """
    logs = [np.log(np.asarray(times, dtype=np.float64)) for times in blocks]
    errors = [_error_of_median(each) for each in logs]
    reach = -scipy.special.ndtri((1 - _LEVEL) / 2 / max(1, len(blocks) - 1))
    first, first_error = float(np.median(logs[0])), errors[0]
    return [Change(0.0, 0.0)] + [
        Change(float(np.expm1(np.median(each) - first)), float(reach * np.hypot(error, first_error)))
        for each, error in zip(logs[1:], errors[1:], strict=True)
    ]


def _error_of_median(logs: NDArray[np.float64]) -> float:
    deviation = _SD_OF_MAD * float(np.median(np.abs(logs - np.median(logs))))
    return _SE_OF_MEDIAN * deviation / float(np.sqrt(len(logs)))
