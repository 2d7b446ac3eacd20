"""The highest rate of requests that keeps a bound on latency."""

from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["RESOLUTION", "highest_rate"]

RESOLUTION: Final = 0.05
"""The rate found is this close to the highest, in parts of what the pipeline can do at all."""

_Tried = TypeVar("_Tried")


def highest_rate(
    offer: Callable[[float], _Tried], keeps: Callable[[_Tried], bool], capacity_per_s: float
) -> tuple[_Tried, bool]:
    """Bisect between nothing and `capacity_per_s`.

    Args:
        offer: Runs at a rate, in requests a second.
        keeps: Whether that run kept the bound.
        capacity_per_s: The throughput of a closed loop: no higher rate can be kept up.

    Returns:
        The run at the highest rate that kept the bound, and True; where none did, the one at the lowest rate
        tried, and False.
    """
    low, high = 0.0, capacity_per_s
    kept: _Tried | None = None
    tried: _Tried | None = None
    while tried is None or high - low > RESOLUTION * capacity_per_s:
        rate = (low + high) / 2
        tried = offer(rate)
        if keeps(tried):
            kept, low = tried, rate
        else:
            high = rate
    return (tried, False) if kept is None else (kept, True)
