"""The sentinel: a fixed piece of work, which shows whether this device's speed has changed."""

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.clock import clock
from worker.wire.errors import FailedError, RefusedError
from worker.wire.messages import SentinelDone, TimeSentinel

__all__ = ["time_sentinel"]

# The clock frequency of an idle core may take so long to rise.
_WARMUP_S: Final = 0.1
_LEAST_REPEATS: Final = 21
_LONGEST_S: Final = 10.0
_ALIGNMENT: Final = 64
_SIZE: Final = 96
_ROUNDS: Final = 8


def time_sentinel(request: TimeSentinel, abandoned: Callable[[], bool]) -> SentinelDone:
    """Repeat the work for `request.duration_s`, at least 21 times, after a tenth of a second to warm up.

    Raises:
        RefusedError: the duration is out of bounds.
        FailedError: the controller has gone.
    """
    if not 0 <= request.duration_s <= _LONGEST_S:
        raise RefusedError(f"a sentinel takes 0 to {_LONGEST_S:g} s, not {request.duration_s:g}")
    _repeat(_WARMUP_S, 1, abandoned)
    return SentinelDone(times_s=tuple(_repeat(request.duration_s, _LEAST_REPEATS, abandoned)))


def _repeat(duration_s: float, least: int, abandoned: Callable[[], bool]) -> list[float]:
    left, right, product = _arrays()
    times_s: list[float] = []
    until_s = clock() + duration_s
    while len(times_s) < least or clock() < until_s:
        if abandoned():
            raise FailedError("the controller went away")
        began_s = clock()
        for _ in range(_ROUNDS):
            # Unlike a matrix product, always in this thread alone, and the same arithmetic on every device.
            np.einsum("ij,jk->ik", left, right, out=product, optimize=False)
        times_s.append(clock() - began_s)
    return times_s


@cache
def _arrays() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Two factors and their product, in the same memory each time and aligned in every process.

    Alignment alone changes times by 2.5 %.
    """
    memory = np.empty(3 * _SIZE**2 + _ALIGNMENT // 8)
    start = -memory.ctypes.data % _ALIGNMENT // 8
    left, right, product = memory[start : start + 3 * _SIZE**2].reshape(3, _SIZE, _SIZE)
    left[:] = np.linspace(0.0, 1.0, _SIZE**2).reshape(_SIZE, _SIZE)
    right[:] = left + 0.5
    return left, right, product
