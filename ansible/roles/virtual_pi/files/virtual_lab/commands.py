"""Other programs, run to their end."""

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
    """Run a command and return what it printed on standard output.

    Raises:
        VirtualLabError: It ended with a status that is not in `accept`; its first error is in the message.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # mmdebstrap that fails hangs up on its whole process group, which must not be ours.
        process_group=0,
    )
    try:
        output, errors = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode not in accept:
        said = [line.strip() for line in (errors + output).splitlines() if line.strip()]
        first = (
            [line for line in said if line.startswith(("E:", "error", "Error"))] or said[-1:] or ["no output"]
        )
        raise VirtualLabError(f"{Path(command[0]).name} failed ({process.returncode}): {first[0]}")
    return output
