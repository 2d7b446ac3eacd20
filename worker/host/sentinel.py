"""The sentinel: a fixed piece of work, which shows whether this device's speed has changed."""

from collections.abc import Callable
from typing import Final

import numpy as np

from worker.clock import clock
from worker.wire.errors import FailedError, RefusedError
from worker.wire.messages import SentinelDone, TimeSentinel

__all__ = ["time_sentinel"]

_WARMUP: Final = 3
_SIZE: Final = 96
_ROUNDS: Final = 8
_MOST: Final = 1000


def time_sentinel(request: TimeSentinel, abandoned: Callable[[], bool]) -> SentinelDone:
    """Do the work `request.repeats` times, after some that warm up.

    Raises:
        RefusedError: so often, or not once.
        FailedError: the controller has gone.
    """
    if not 1 <= request.repeats <= _MOST:
        raise RefusedError(f"a sentinel is timed 1 to {_MOST} times, not {request.repeats}")
    left, right = (np.linspace(shift, 1 + shift, _SIZE**2).reshape(_SIZE, _SIZE) for shift in (0.0, 0.5))
    times_s = []
    for _ in range(_WARMUP + request.repeats):
        if abandoned():
            raise FailedError("the controller went away")
        began_s = clock()
        for _ in range(_ROUNDS):
            # Unlike a matrix product, always in this thread alone, and the same arithmetic on every device.
            np.einsum("ij,jk->ik", left, right, optimize=False)
        times_s.append(clock() - began_s)
    return SentinelDone(times_s=tuple(times_s[_WARMUP:]))
