"""When a run is long enough, and whether its latency stayed the same. Neither looks at a value to stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import hypot
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.wire.errors import RefusedError

__all__ = ["STABLE_WITHIN", "RunLength", "is_stable"]

STABLE_WITHIN: Final = 0.10
"""A run is stable when the medians of its thirds differ by at most this share of the lowest."""

_PARTS: Final = 3

_NOISE: Final = 2.576
"""A difference of two medians within so many standard errors of it (99 %) is noise."""

# Of a normal sample: sd / interquartile range, and the standard error of a median x sqrt(n) / sd.
_SD_OF_RANGE: Final = 0.7413
_SE_OF_MEDIAN: Final = 1.2533


@dataclass(frozen=True, kw_only=True)
class RunLength:
    """The requests of a run that count: from `first` on, until there are enough.

    Attributes:
        first: the first that counts; at least 1, since its time begins with the result before it.
        requests: the fewest that count.
        duration_s: the shortest time in which they come back; None: any.
        multiple_of: their number is a multiple of this. In a closed loop it is the depth: results come in
            rounds of as many, and a part of a round would make the run seem slower or faster.
    """

    first: int
    requests: int
    duration_s: float | None = None
    multiple_of: int = 1

    def __post_init__(self) -> None:
        """Raises RefusedError: nothing to run."""
        if self.requests < 1 or (self.duration_s is not None and self.duration_s <= 0):
            raise RefusedError(f"cannot run {self.requests} requests, or for {self.duration_s} s")

    def is_reached(self, finished_at_s: Sequence[float]) -> bool:
        """Whether the latest result ends what counts, given the times of all results so far."""
        counted = len(finished_at_s) - self.first
        if counted < self.requests or counted % self.multiple_of:
            return False
        return self.duration_s is None or finished_at_s[-1] - finished_at_s[self.first - 1] >= self.duration_s


def is_stable(latency_s: NDArray[np.float64]) -> bool | None:
    """Whether the medians of a run's thirds agree, beyond their noise; None with too few requests."""
    thirds = np.array_split(latency_s, _PARTS)
    if min(map(len, thirds)) < _PARTS:
        return None
    medians_s = [float(np.median(third)) for third in thirds]
    errors_s = [_median_error_s(third) for third in thirds]
    return all(
        abs(one - other) <= max(STABLE_WITHIN * min(one, other), _NOISE * hypot(error, other_error))
        for (one, error), (other, other_error) in combinations(zip(medians_s, errors_s, strict=True), 2)
    )


def _median_error_s(values: NDArray[np.float64]) -> float:
    low, high = np.quantile(values, (0.25, 0.75))
    return float(_SE_OF_MEDIAN * _SD_OF_RANGE * (high - low) / np.sqrt(len(values)))
