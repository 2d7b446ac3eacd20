"""How long an open load must run: until its queue has forgotten its start, then until its mean is known."""

import math
from typing import Final

__all__ = ["requests_needed", "warmup_needed"]

_RELAXATIONS: Final = 4
_MOST_WARMUP: Final = 2_000
_MOST_WARMUP_S: Final = 60.0

_SPREAD: Final = 0.3
"""Standard deviation of service times over their mean that a trial is long enough for."""

_HALF_WIDTH: Final = 0.1
_LEAST_REQUESTS: Final = 400
_MOST_REQUESTS: Final = 10_000
_MOST_S: Final = 120.0


def warmup_needed(utilisation: float, rate_per_s: float) -> int:
    """Requests after which a queue that was empty is as long as it will be, at most 2,000, or 60 s.

    Four relaxation times: after these the mean is within 2 % of its long-run value. One is

        (ca^2 + cs^2) / (2.8 (1 - sqrt(utilisation))^2) service times

    with the squared variations of arrivals and service times, here 1 each (A. R. Odoni and E. Roth, "An
    empirical investigation of the transient behavior of stationary queueing systems", Operations Research
    31, 1983).
    """
    least_left = 1 - math.sqrt(min(utilisation, 0.99))
    requests = _RELAXATIONS * utilisation * 2 / (2.8 * least_left**2)
    return math.ceil(min(requests, _MOST_WARMUP, _MOST_WARMUP_S * rate_per_s))


def requests_needed(utilisation: float, rate_per_s: float) -> int:
    """Requests for a mean latency to within 10 %, if service times vary by 30 %; at most 10,000, or 120 s.

    An error of the mean service time counts 1 / (1 - utilisation) times in the wait.
    """
    left = max(1 - utilisation, 0.01)
    requests = (1.96 * _SPREAD / (_HALF_WIDTH * left)) ** 2
    return math.ceil(min(max(requests, _LEAST_REQUESTS), _MOST_REQUESTS, max(_MOST_S * rate_per_s, 1)))
