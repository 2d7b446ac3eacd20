"""A lab whose workers can be hurt and brought back, and sweeps over it whose every line is timed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from controller.results import Results

_WORKER = Path(__file__).with_name("faulty_worker.py")
_LIMIT_S = 60.0


class LabWorker:
    """A worker that comes back on the ports it had."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        options: Sequence[str] = (),
        program: Sequence[str] | None = None,
    ) -> None:
        """`program`: what runs in place of `faulty_worker.py`, with its own arguments."""
        self.name = name
        self.host = host
        self.folder = folder / name
        self.folder.mkdir(exist_ok=True)
        self.log = self.folder / "log"
        self._prefix = prefix
        self._options = options
        self._program = program or (str(_WORKER), str(self.folder))
        self.ports = (0, 0)
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        command = [*self._prefix, sys.executable, *self._program, "serve"]
        command += ["--name", self.name, "--host", self.host, "--store", str(self.folder / "store")]
        command += ["--control-port", str(self.ports[0]), "--data-port", str(self.ports[1])]
        command += self._options
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            said = json.loads(pipe.readline())
        self.ports = (said["control_port"], said["data_port"])
        self.pid = int(said["pid"])

    def device(self) -> dict[str, Any]:
        """Its entry in a lab file."""
        ports = {"control_port": self.ports[0], "data_port": self.ports[1]}
        return {"name": self.name, "kind": "local", "host": self.host, "shaping": "emulated"} | ports

    def arm(self, point: str, number: signal.Signals | None = signal.SIGKILL) -> None:
        """Have it raise this signal when it next comes to `loading`, `computing`, `sending` or `recording`.

        None: from there on it gets no more memory.
        """
        (self.folder / "fired").unlink(missing_ok=True)
        partial = self.folder / "fault.partial"
        partial.write_text(f"{point} {number.value if number else 'memory'}")
        partial.replace(self.folder / "fault")

    def fired_at_s(self) -> float:
        """Wait until it has; when that was."""
        fired = self.folder / "fired"
        wait_until(lambda: fired.exists() and fired.read_text().endswith("\n"))
        return float(fired.read_text())

    def kill(self) -> float:
        """Pull its plug; gives the time."""
        now_s = time.monotonic()
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        return now_s

    def end(self) -> None:
        """End it, however it is."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def lab_of(
    folder: Path, names: Sequence[str] = ("pi", "server"), options: Sequence[str] = ()
) -> Iterator[dict[str, LabWorker]]:
    """Workers by name, and `lab.json` beside them."""
    started: dict[str, LabWorker] = {}
    try:
        for name in names:
            started[name] = LabWorker(name, folder, options=options)
        write_lab(folder, [worker.device() for worker in started.values()])
        yield started
    finally:
        for worker in started.values():
            worker.end()


def write_lab(folder: Path, devices: Sequence[dict[str, Any]]) -> Path:
    """Write a lab file."""
    path = folder / "lab.json"
    path.write_text(json.dumps({"name": "faults", "devices": list(devices)}))
    return path


def write_experiment(folder: Path, **keys: object) -> Path:
    """An experiment of short cells; `keys` are added, or in place of what stands here."""
    (folder / "networks.yml").write_text("ideal: {}\nslow: {delay_ms: 20}\n")
    said: dict[str, object] = {
        "name": "faults",
        "models": ["tiny"],
        "networks_file": "networks.yml",
        "networks": ["ideal"],
        "depths": [1, 2],
        "trials": 2,
        "requests": 11,
        "until_stable": False,
        "warmup": 1,
        "wait_s": 20,
        "reference_every": 0,
    }
    path = folder / "experiment.yml"
    path.write_text(json.dumps(said | keys))
    return path


class SweepProcess:
    """`controller sweep` under way; keeps when it said what."""

    def __init__(
        self, folder: Path, bundles: Path, prefix: Sequence[str], program: Sequence[str], results: Path | None
    ) -> None:
        self.results = results or folder / "results.sqlite"
        command = [*prefix, sys.executable, *program, "sweep", str(folder / "experiment.yml")]
        command += [
            "--lab",
            str(folder / "lab.json"),
            "--bundles",
            str(bundles),
            "--results",
            str(self.results),
        ]
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


def wait_until(condition: Any, timeout_s: float = _LIMIT_S) -> float:
    """Wait until something holds; gives the time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.01)
    return time.monotonic()
