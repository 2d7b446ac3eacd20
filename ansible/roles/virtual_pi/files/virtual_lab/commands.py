"""Other programs, run to their end."""

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
        VirtualLabError: It ended with a status that is not in `accept`; its last words are in the message.
    """
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode not in accept:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith(("E:", "error"))] or said[-1:] or ["no output"]
        raise VirtualLabError(f"{Path(command[0]).name} failed ({done.returncode}): {errors[0]}")
    return done.stdout
