"""`python -m worker serve` as a process of its own: started, waited for, ended."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from worker.wire.errors import UsageError

__all__ = ["WORKER", "WorkerProcess"]

WORKER: Final = (sys.executable, "-m", "worker")

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 15.0


class WorkerProcess:
    """A worker on this machine. It serves once `wait_ready` has returned.

    Attributes:
        pid: Process id; the worker's own where `command` starts it directly.
        control_port: Known once it serves.
        data_port: Known once it serves.
    """

    control_port: int
    data_port: int

    def __init__(
        self, options: Sequence[str], log: Path, *, command: Sequence[str] = WORKER, outlives: bool = True
    ) -> None:
        """Start it.

        Args:
            options: What `serve` is told.
            log: File that its log is appended to.
            command: What runs in place of `python -m worker`.
            outlives: Whether it goes on if this process is killed.

        Raises:
            OSError: The log cannot be written.
        """
        self.log = log
        with log.open("ab") as output:
            self._log_start = output.tell()
            self.process = subprocess.Popen(
                [*command, "serve", *options, *([] if outlives else ["--until-eof"])],
                stdin=subprocess.DEVNULL if outlives else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                # Ctrl-C is for who started it.
                start_new_session=True,
            )
        self.pid = self.process.pid

    def wait_ready(self) -> None:
        """Wait for the line in which the worker states its ports.

        Raises:
            UsageError: It ended, or printed nothing in time, and was killed; the text is its own last error.
        """
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            line = _first_line(pipe)
        if not line:
            self.process.kill()
            self.process.wait()
            raise UsageError(self._last_error() or f"the worker did not start; see {self.log}")
        ports = json.loads(line)
        self.control_port, self.data_port = ports["control_port"], ports["data_port"]
        self.pid = ports["pid"]

    def end(self) -> int:
        """End it, gently and then not; returns its exit code."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.terminate()
        try:
            return self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def release(self) -> None:
        """Let it outlive this process, which will not wait for it."""
        self.process.returncode = 0

    def _last_error(self) -> str | None:
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            lines = file.read().decode(errors="replace").splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return next(reversed(errors or lines), None)


def _first_line(pipe: IO[bytes]) -> bytes:
    """The first line; empty when the process ended or printed nothing in time."""
    ready, _, _ = select.select([pipe], [], [], _START_TIMEOUT_S)
    return pipe.readline() if ready else b""
