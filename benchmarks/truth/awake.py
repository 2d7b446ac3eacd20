"""Cores kept awake: one that slept passes a request on late, and no planted time includes that."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["awake_cores"]

# Linux may share a core out by sessions (autogroup): then the idle class counts within a session alone, and
# between sessions their own priorities. An ordinary user may set one every 100 ms.
_SPIN: Final = """
import os, sys, time
core, parent = map(int, sys.argv[1:])
while True:
    try:
        with open("/proc/self/autogroup", "w") as priority:
            priority.write("19")
    except BlockingIOError:
        time.sleep(0.1)
        continue
    except OSError:
        pass
    break
os.nice(19)
os.sched_setaffinity(0, {core})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""
_BEGUN_WITHIN_S: Final = 10.0


@contextlib.contextmanager
def awake_cores() -> Iterator[int]:
    """Let a process of the lowest priority spin on each core, as long as the context is open.

    Yields:
        Their number; 0 where the kernel has no idle class (only Linux has one), or limits the time that this
        process has on cores: spinning would use that up.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "SCHED_IDLE") and not _has_quota() else []
    command, parent = [sys.executable, "-S", "-E", "-c", _SPIN], str(os.getpid())
    spinning: list[subprocess.Popen[bytes]] = []
    try:
        for core in cores:
            spinning.append(subprocess.Popen([*command, str(core), parent], start_new_session=True))
        yield _idle(spinning)
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()


def _idle(processes: list[subprocess.Popen[bytes]]) -> int:
    """How many of these have reached the idle class; waits until all have, or ended."""
    deadline_s = time.monotonic() + _BEGUN_WITHIN_S
    while True:
        running = [process for process in processes if process.poll() is None]
        idle = sum(os.sched_getscheduler(process.pid) == os.SCHED_IDLE for process in running)
        if idle == len(running) or time.monotonic() > deadline_s:
            return idle
        time.sleep(0.02)


def _has_quota() -> bool:
    """Whether the root of this process' control groups limits its time on cores, as a container's does."""
    limits = {"cpu.max": "max", "cpu/cpu.cfs_quota_us": "-1"}
    for name, unlimited in limits.items():
        with contextlib.suppress(OSError):
            if not (Path("/sys/fs/cgroup") / name).read_text(encoding="ascii").startswith(unlimited):
                return True
    return False
