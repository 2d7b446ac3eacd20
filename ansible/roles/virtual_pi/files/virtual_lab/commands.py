"""Runs other programs to completion."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import VirtualLabError

__all__ = ["run"]


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    accept: Sequence[int] = (0,),
) -> str:
    """Run a command and return its standard output.

    Raises:
        VirtualLabError: Its exit status is not in `accept`; the message has its first error.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A failing mmdebstrap signals its whole process group, which must not be ours.
        process_group=0,
    )
    try:
        output, errors = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode not in accept:
        lines = [line.strip() for line in (errors + output).splitlines() if line.strip()]
        reasons = [line for line in lines if line.startswith(("E:", "error", "Error"))]
        reason = [*reasons, *lines[-1:], "no output"][0]
        raise VirtualLabError(f"{Path(command[0]).name} failed ({process.returncode}): {reason}")
    return output
