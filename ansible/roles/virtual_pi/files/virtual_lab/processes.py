"""Processes that outlive the command that started them, known by a pid file in their folder.

After a reboot of the machine another process may have the pid. A process is ours if its working directory
contains its pid file.
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
    """The pid in this file, or None if that process does not run."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        folder = Path(f"/proc/{pid}/cwd").readlink()
    except (OSError, ValueError):
        return None
    return pid if folder == pid_file.parent.resolve() else None


def start(
    command: Sequence[str | Path], pid_file: Path, log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a new session in the pid file's folder, and write the pid file."""
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
    """Kill the process in this file; returns False if it does not run.

    Raises:
        VirtualLabError: It still runs after `timeout_s`.
    """
    pid = running_pid(pid_file)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + timeout_s
        # A zombie has no working directory, so one that is never reaped does not count as running.
        while running_pid(pid_file) is not None:
            if time.monotonic() > deadline:
                raise VirtualLabError(f"process {pid} ({pid_file}) survives SIGKILL; see dmesg, or reboot")
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    return pid is not None
