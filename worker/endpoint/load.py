"""When requests are due, and how long one may wait at the source before the run is given up."""

import itertools
import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from worker.wire.errors import RefusedError
from worker.wire.messages import LoadSpec

__all__ = ["check_load", "due_offsets_s", "longest_wait_s"]

_DRAWN_AT_ONCE: Final = 1024

# At 95 % of what a pipeline can do, so many waiting are as good as never (M/M/1: 0.95 ** 256).
_MOST_WAITING: Final = 256
_LEAST_WAIT_S: Final = 1.0


def check_load(load: LoadSpec) -> None:
    """Raise RefusedError: an open loop needs a rate above 0."""
    if load.kind != "closed" and not 0 < load.rate_per_s < math.inf:
        raise RefusedError(f"a {load.kind} load needs a rate above 0 requests/s, not {load.rate_per_s:g}")


def due_offsets_s(load: LoadSpec) -> Iterator[float] | None:
    """Seconds from the start of the run at which each request is due; None in a closed loop.

    The same seed gives the same times at any rate, except for their scale.
    """
    if load.kind == "closed":
        return None
    if load.kind == "constant":
        return (request / load.rate_per_s for request in itertools.count())
    return _poisson(load)


def _poisson(load: LoadSpec) -> Iterator[float]:
    random = np.random.default_rng(load.seed)
    due = 0.0
    while True:
        for gap in random.standard_exponential(_DRAWN_AT_ONCE).tolist():
            due += gap / load.rate_per_s
            yield due


def longest_wait_s(load: LoadSpec) -> float:
    """The longest wait at the source; a longer one ends the run."""
    if load.kind == "closed":
        return math.inf
    return max(_LEAST_WAIT_S, _MOST_WAITING / load.rate_per_s)
