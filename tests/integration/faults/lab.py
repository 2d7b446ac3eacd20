"""A lab whose workers can be hurt and brought back, and sweeps over it whose every line is timed."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from controller.results import Results
from tests.integration import labs
from tests.integration.commands import sweep_arguments
from tests.integration.labs import NAMES, LabWorker, running_workers, write_lab
from tests.integration.waiting import wait_until

_WORKER = Path(__file__).with_name("faulty_worker.py")
_LIMIT_S = 60.0


class FaultyWorker(LabWorker):
    """A worker that can be told to fail; `faults` is the folder in which it is told so."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *options: str,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        """`prefix`: what stands before the command."""
        self.faults = folder / f"{name}.faults"
        self.faults.mkdir()
        command = [*prefix, sys.executable, str(_WORKER), str(self.faults)]
        super().__init__(folder, name, *options, host=host, command=command)

    def arm(self, point: str, fault: signal.Signals | Literal["pause"] | None = signal.SIGKILL) -> None:
        """Have it raise this signal when it next comes to `loading`, `computing`, `sending` or `recording`.

        None: from there on it gets no more memory. `pause`: that thread is not scheduled for 1.5 s.
        """
        (self.faults / "fired").unlink(missing_ok=True)
        partial = self.faults / "fault.partial"
        what = fault.value if isinstance(fault, signal.Signals) else fault or "memory"
        partial.write_text(f"{point} {what}")
        partial.replace(self.faults / "fault")

    def disarm(self) -> None:
        """Have it raise nothing."""
        (self.faults / "fault").unlink(missing_ok=True)

    def fired_at_s(self) -> float:
        """Wait until it has; when that was."""
        fired = self.faults / "fired"
        wait_until(lambda: fired.exists() and fired.read_text().endswith("\n"))
        return float(fired.read_text())


@contextlib.contextmanager
def lab_of(folder: Path, *options: str) -> Iterator[dict[str, FaultyWorker]]:
    """Workers by name, and `lab.json` beside them."""
    with running_workers(folder, NAMES, *options, kind=FaultyWorker) as workers:
        write_lab(folder, workers.values())
        yield workers


def write_experiment(folder: Path, **keys: object) -> Path:
    """An experiment of short cells; `keys` are added, or in place of what stands here."""
    usual: dict[str, object] = {
        "networks": ["ideal"],
        "splits": [2],
        "depths": [1, 2],
        "trials": 2,
        "warmup": 1,
        "wait_s": 20,
    }
    return labs.write_experiment(folder, "ideal: {}\nslow: {delay_ms: 20}\n", **usual | keys)


class SweepProcess:
    """`controller sweep` under way; keeps when it said what."""

    def __init__(
        self, folder: Path, bundles: Path, prefix: Sequence[str], program: Sequence[str], results: Path | None
    ) -> None:
        self.results = results or folder / "results.sqlite"
        files = (folder / "experiment.yml", folder / "lab.json", bundles)
        command = [*prefix, sys.executable, *program, *sweep_arguments(*files, results=self.results)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self._lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as pipe:
            for line in pipe:
                self._lines.append((time.monotonic(), line.rstrip("\n")))

    def line(self, *words: str, after_s: float = 0.0) -> tuple[float, str]:
        """Wait for a line that has all these words, said after a time; it, and when it was said."""
        found: list[tuple[float, str]] = []

        def is_there() -> bool:
            found[:] = [
                one for one in self._lines if one[0] >= after_s and all(word in one[1] for word in words)
            ]
            return bool(found) or self.process.poll() is not None

        with contextlib.suppress(AssertionError):
            wait_until(is_there)
        self._reader.join(1 if not found else 0)
        is_there()
        assert found, f"never said {words}: {self.said}"
        return found[0]

    @property
    def said(self) -> list[str]:
        """All lines so far."""
        return [line for _, line in self._lines]

    def finished(self) -> int:
        """How many trials are in the results file."""
        return len(finished(self.results))

    def wait_finished(self, count: int) -> float:
        """Wait for so many finished trials; gives the time."""
        wait_until(lambda: self.finished() >= count or self.process.poll() is not None)
        assert self.finished() >= count, self.said
        return time.monotonic()

    def end(self, timeout_s: float = _LIMIT_S) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(timeout_s)
        self._reader.join()
        assert "Traceback" not in "\n".join(self.said), self.said
        return code


@contextlib.contextmanager
def sweeping(
    folder: Path,
    bundles: Path,
    *,
    prefix: Sequence[str] = (),
    program: Sequence[str] = ("-m", "controller"),
    results: Path | None = None,
) -> Iterator[SweepProcess]:
    """Sweep `experiment.yml` over `lab.json`, both in the folder."""
    sweep = SweepProcess(folder, bundles, prefix, program, results)
    try:
        yield sweep
    finally:
        sweep.process.kill()
        sweep.process.wait()


def finished(results: Path) -> set[tuple[str, int]]:
    """Finished trials in a results file that may not be there yet."""
    try:
        with Results.open(results, whole=False) as opened:
            return opened.finished()
    except Exception:  # the sweep has not made the file yet
        return set()
