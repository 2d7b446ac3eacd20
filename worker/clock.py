"""Sleeping as precisely as the system can, and spinning where that is not enough."""

import ctypes
import sys
import time
import zlib
from threading import Event
from typing import Final

__all__ = ["clock", "sharpen_sleep", "sleep_for_slowdown", "sleep_until", "spin_until", "stay_until"]

clock: Final = time.monotonic
"""The one clock for all times, in seconds."""

_PR_SET_TIMERSLACK: Final = 29
_SLACK_NS: Final = 1_000

# An event can wake early, a sleep is more exact: sleep the last stretch.
_SLEPT_S: Final = 0.005

# A sleep ends up to this late.
_LATE_S: Final = 0.0001

# Long enough that Python's lock is released meanwhile, as ONNX Runtime does; a few microseconds.
_SPUN: Final = bytes(8 * 1024)


def sharpen_sleep() -> None:
    """Let the calling thread wake more exactly.

    Linux lets a sleeping thread wake up to 50 us late, to save power; on a 2-core machine sleeps end 85 to
    95 us late with that and 30 to 45 us late without.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _SLACK_NS, 0, 0, 0)


def sleep_until(at_s: float, ended: Event) -> bool:
    """Sleep until `clock()` says `at_s`; returns False at once when `ended` is set before."""
    while (remaining := at_s - clock()) > 0:
        if remaining <= _SLEPT_S:
            time.sleep(remaining)
        elif ended.wait(remaining - _SLEPT_S / 2):
            return False
    return not ended.is_set()


def sleep_for_slowdown(began_s: float, slowdown: float, ended: Event) -> None:
    """After work that began at `began_s`, sleep until it has taken `slowdown` times as long as it did."""
    if slowdown > 1:
        sleep_until(began_s + (clock() - began_s) * slowdown, ended)


def spin_until(at_s: float, ended: Event) -> None:
    """Keep a core busy until `clock()` says `at_s` or `ended` is set; other threads of the process go on."""
    while clock() < at_s and not ended.is_set():
        zlib.crc32(_SPUN)


def stay_until(at_s: float, ended: Event) -> None:
    """Sleep until `clock()` says `at_s` or `ended` is set, and spin for the last tenth of a millisecond."""
    if sleep_until(at_s - _LATE_S, ended):
        spin_until(at_s, ended)
