"""Sweeps of a tiny model as a user starts them, and workers that can be lost meanwhile."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from controller.results import Results

Command = Callable[..., "subprocess.CompletedProcess[str]"]


class Worker:
    """A worker process of this test."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._ports = (0, 0)
        self.start()

    def start(self) -> None:
        """Start it; again on the same ports, once they were given."""
        command = [sys.executable, "-m", "worker", "serve", "--name", self.name, "--kind", "local"]
        command += ["--control-port", str(self._ports[0]), "--data-port", str(self._ports[1])]
        command += ["--store", str(self._folder / f"store-{self.name}")]
        with (self._folder / f"{self.name}.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self._ports = (said["control_port"], said["data_port"])

    def device(self) -> dict[str, Any]:
        """Its entry in a lab file."""
        control_port, data_port = self._ports
        return {
            "name": self.name,
            "kind": "local",
            "host": "127.0.0.1",
            "control_port": control_port,
            "data_port": data_port,
            "shaping": "emulated",
        }

    def kill(self) -> None:
        """Pull its plug."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def arguments(experiment: Path, lab: Path, bundles_folder: Path) -> list[str]:
    results = experiment.parent / "results.sqlite"
    return [
        *(sys.executable, "-m", "controller", "sweep", str(experiment), "--lab", str(lab)),
        *("--bundles", str(bundles_folder), "--results", str(results)),
    ]


def finished(experiment: Path) -> int:
    try:
        with Results.open(experiment.parent / "results.sqlite") as results:
            return len(results.finished())
    except Exception:  # the sweep has not made the file yet
        return 0


def wait_for_trials(experiment: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while finished(experiment) < count:
        assert time.monotonic() < deadline, "the sweep makes no progress"
        time.sleep(0.01)
