"""The packages' command lines: run to their end, or started."""

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = [
    "Ended",
    "WarmCommand",
    "analysis",
    "benchmarks",
    "controller",
    "start",
    "sweep",
    "sweep_arguments",
]

Ended = subprocess.CompletedProcess[str]

_WARM = str(Path(__file__).with_name("warm.py"))


class WarmCommand:
    """A command line, a process each time, started in milliseconds; one runs at a time."""

    def __init__(self, module: str) -> None:
        """`module`: where its `main` is."""
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, _WARM, module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Without threads of its own it may be forked.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    def begin(self, arguments: list[str], stdout: Path, stderr: Path) -> int:
        """Start it, its output appended to files; returns its pid."""
        assert self._process.stdin is not None
        run = [arguments, dict(os.environ), str(Path.cwd()), [str(stdout), str(stderr)]]
        self._process.stdin.write(json.dumps(run) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Wait for it; returns its exit code."""
        return int(self._line())

    def run(self, arguments: list[str], timeout_s: float) -> Ended:
        """Run it to its end.

        Raises:
            subprocess.TimeoutExpired: It took longer, and was killed.
        """
        with tempfile.TemporaryDirectory() as folder:
            stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
            pid = self.begin(arguments, stdout, stderr)
            assert self._process.stdout is not None
            is_done, _, _ = select.select([self._process.stdout], [], [], timeout_s)
            if not is_done:
                os.kill(pid, signal.SIGKILL)
            ended = Ended([self._module, *arguments], self.end(), stdout.read_text(), stderr.read_text())
        if not is_done:
            raise subprocess.TimeoutExpired(ended.args, timeout_s, ended.stdout, ended.stderr)
        return ended

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@functools.cache
def _warm(package: str) -> WarmCommand:
    command = WarmCommand(f"{package}.__main__")
    atexit.register(command.close)
    return command


def controller(*arguments: object, timeout_s: float = 120) -> Ended:
    """Run `python -m controller ARGUMENTS`."""
    return _warm("controller").run(list(map(str, arguments)), timeout_s)


def analysis(*arguments: object) -> Ended:
    """Run `python -m analysis ARGUMENTS`."""
    return _warm("analysis").run(list(map(str, arguments)), 120)


def benchmarks(*arguments: object) -> Ended:
    """Run `python -m benchmarks ARGUMENTS`."""
    return _warm("benchmarks").run(list(map(str, arguments)), 120)


def start(*arguments: object) -> "subprocess.Popen[str]":
    """Start `python -m controller ARGUMENTS` as a user does."""
    command = [sys.executable, "-m", "controller", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sweep_arguments(
    experiment: Path, lab: Path, bundles: Path, *more: object, results: Path | None = None
) -> list[str]:
    """Arguments of a sweep of an experiment; into `results.sqlite` beside it unless told otherwise."""
    where = results or experiment.parent / "results.sqlite"
    given = ["sweep", experiment, "--lab", lab, "--bundles", bundles, "--results", where, *more]
    return list(map(str, given))


def sweep(experiment: Path, lab: Path, bundles: Path, *more: object) -> Ended:
    """Sweep an experiment into `results.sqlite` beside it."""
    return controller(*sweep_arguments(experiment, lab, bundles, *more))
