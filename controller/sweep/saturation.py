"""The smallest depth at which a cell's throughput is flat: predicted, then confirmed by measurement."""

import math
from collections.abc import Callable
from typing import Final

from controller.results.metrics import FLAT

__all__ = ["DEEPEST", "find_depth", "saturating_depth"]

DEEPEST: Final = 64
"""The greatest depth that is looked for."""


def saturating_depth(latency_s: float, period_s: float) -> int:
    """The smallest depth that keeps the slowest part busy: a lone request's latency over that part's time."""
    if period_s <= 0:
        return DEEPEST
    # A request that just fits is no request more.
    return max(1, min(DEEPEST, math.ceil(latency_s / period_s - 0.01)))


def find_depth(predicted: int, rate_at: Callable[[int], float]) -> tuple[int, bool, dict[int, float]]:
    """Double the depth from the predicted one on, until that gains less than 3 %.

    Args:
        rate_at: Measures requests a second at a depth.

    Returns:
        The depth, whether throughput is flat there, and all rates measured. It is not flat at the greatest
        depth where twice as many requests still gain.
    """
    depth, rates = predicted, {predicted: rate_at(predicted)}
    while True:
        twice = rates[2 * depth] = rate_at(2 * depth)
        is_flat = twice < (1 + FLAT) * rates[depth]
        if is_flat or depth == DEEPEST:
            return depth, is_flat, rates
        depth = min(2 * depth, DEEPEST)
        if depth not in rates:
            rates[depth] = rate_at(depth)
