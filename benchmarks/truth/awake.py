"""Cores kept awake: one that slept passes a request on late, and no planted time includes that."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

__all__ = ["awake_cores"]

# Linux may share a core out by sessions (autogroup): then the idle class counts within a session alone.
_SPIN: Final = """
import contextlib, os, sys
with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as share:
    share.write("19")
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
parent = int(sys.argv[2])
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextlib.contextmanager
def awake_cores() -> Iterator[int]:
    """Let a process spin on each core whenever nothing else wants it, as long as the context is open.

    Yields:
        How many of them there are: 0 where the kernel has no idle class (it is Linux').
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "SCHED_IDLE") else []
    command, parent = [sys.executable, "-c", _SPIN], str(os.getpid())
    spinning = [subprocess.Popen([*command, str(core), parent], start_new_session=True) for core in cores]
    try:
        yield len(spinning)
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()
