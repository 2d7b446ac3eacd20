"""How busy a machine is: how late it wakes threads, how many wait for a core, how much is stolen."""

import os
import threading
import time
from pathlib import Path
from typing import Any, Final, Self

import psutil

__all__ = ["Witness"]

_NAP_S: Final = 0.005
_USUAL_S: Final = 0.0002
"""An idle machine wakes a thread 0.05 to 0.15 ms late."""
_USUAL_WAITING: Final = 0.1
"""So many threads a core wait for it on an idle machine: the lab's own."""
_TURN_S: Final = 0.003
"""How long a thread computes before the kernel lets a waiting one have the core."""


class Witness:
    """A thread that naps as long as the context is open, and notes what it sees each time it wakes.

    Args:
        idlers: Processes that run only where nothing else does: they make no thread wait.

    Attributes:
        overslept_s: Mean time by which it was woken too late.
        waiting: Mean number of threads that wait for a core, for each core.
        stolen: The share of the time that other virtual machines took from this one's cores.
    """

    def __init__(self, idlers: int = 0) -> None:
        self._idlers = idlers
        self.overslept_s = self.waiting = self.stolen = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def delay_s(self) -> float:
        """How late a thread is when its turn comes, beyond what is usual: woken late, and after others."""
        crowd = max(0.0, self.waiting + self.stolen - _USUAL_WAITING)
        return max(0.0, self.overslept_s - _USUAL_S) + _TURN_S * crowd

    def _watch(self) -> None:
        cores, naps, overslept_s, waiting = os.cpu_count() or 1, 0, 0.0, 0
        before, since_s = psutil.cpu_times(), time.perf_counter()
        while not self._over.is_set():
            began_s = time.perf_counter()
            time.sleep(_NAP_S)
            overslept_s += time.perf_counter() - began_s - _NAP_S
            waiting += max(0, _runnable() - self._idlers - cores)
            naps += 1
        if naps:
            self.overslept_s, self.waiting = overslept_s / naps, waiting / naps / cores
            self.stolen = _stolen_s(before, psutil.cpu_times()) / cores / (time.perf_counter() - since_s)


def _runnable() -> int:
    """Threads that run or wait for a core; 0 where the kernel does not tell."""
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0])
    except OSError:
        return 0


def _stolen_s(before: Any, after: Any) -> float:
    """Seconds that this machine's cores were not its own though a process needed them.

    Those with a positive nice value, such as the ones that keep cores awake, need none: their share of what
    was stolen is left out. 0 where the kernel does not tell.
    """
    names = ("user", "system", "nice", "steal")
    user, system, nice, steal = (getattr(after, n, 0.0) - getattr(before, n, 0.0) for n in names)
    needed = user + system
    return float(steal * needed / (needed + nice)) if needed else 0.0
