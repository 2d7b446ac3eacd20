"""Processes that outlive the command which started them, known by a pid file in their folder.

A pid may be given to another process after a restart of the machine. A process is ours when the
folder it runs in is the one that holds its pid file.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import VirtualLabError

__all__ = ["running_pid", "start", "stop"]


def running_pid(pid_file: Path) -> int | None:
    """The pid of the process that this file names, or None where it does not run."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        folder = Path(f"/proc/{pid}/cwd").readlink()
    except (OSError, ValueError):
        return None
    return pid if folder == pid_file.parent.resolve() else None


def start(
    command: Sequence[str | Path], pid_file: Path, log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process of its own session in the pid file's folder, and write the pid file."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=pid_file.parent,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    pid_file.write_text(f"{process.pid}\n", encoding="ascii")
    return process


def stop(pid_file: Path, timeout_s: float = 10) -> bool:
    """Kill the process that this file names; False where none ran.

    Raises:
        VirtualLabError: It is still there after `timeout_s`.
    """
    pid = running_pid(pid_file)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + timeout_s
        # A zombie has no folder any more, so one that nobody reaps does not count as running.
        while running_pid(pid_file) is not None:
            if time.monotonic() > deadline:
                raise VirtualLabError(f"process {pid} ({pid_file}) does not end")
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    return pid is not None
