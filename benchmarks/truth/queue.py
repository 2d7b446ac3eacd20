"""The true figures of a stage of constant time under Poisson arrivals: the queue M/D/1, by its formulas."""

import math
from collections.abc import Callable

__all__ = ["highest_rate_per_s", "mean_latency_s", "quantile_s"]

_HALVINGS = 60


def mean_latency_s(rate_per_s: float, service_s: float, square_s2: float | None = None) -> float:
    """Mean latency in the long run: Pollaczek and Khinchine's formula.

    Args:
        square_s2: Mean of the squares of the times, where they vary.
    """
    square_s2 = service_s**2 if square_s2 is None else square_s2
    return service_s + rate_per_s * square_s2 / (2 * (1 - rate_per_s * service_s))


def quantile_s(rate_per_s: float, service_s: float, q: float) -> float:
    """The q-quantile of latency in the long run."""
    most_s = service_s
    while _waits_at_most(rate_per_s, service_s, most_s) < q:
        most_s *= 2
    wait_s = _least(lambda wait_s: _waits_at_most(rate_per_s, service_s, wait_s) >= q, most_s)
    return service_s + wait_s


def highest_rate_per_s(service_s: float, q: float, bound_s: float) -> float:
    """The highest rate, up to 0.95 of what the stage can take, that keeps the q-quantile within a bound."""
    return _least(lambda rate_per_s: quantile_s(rate_per_s, service_s, q) > bound_s, 0.95 / service_s)


def _waits_at_most(rate_per_s: float, service_s: float, wait_s: float) -> float:
    """The share of requests that wait at most so long (Erlang 1909).

    Terms alternate in sign: right to 1e-6 as long as `rate_per_s` x `wait_s` is below 20.
    """
    total = 0.0
    for number in range(int(wait_s / service_s) + 1):
        left = rate_per_s * (wait_s - number * service_s)
        total += (-left) ** number / math.factorial(number) * math.exp(left)
    return (1 - rate_per_s * service_s) * total


def _least(holds: Callable[[float], bool], most: float) -> float:
    """The least value from which on something holds, if it does at `most`."""
    low, high = 0.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
