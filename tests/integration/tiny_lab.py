"""A lab of real workers on this machine for sweeps of tiny models, and the controller's command line."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.integration.worker.processes import WorkerProcess

Ended = subprocess.CompletedProcess[str]


@contextmanager
def tiny_lab(folder: Path, names: Sequence[str] = ("pi", "server"), *options: str) -> Iterator[Path]:
    """Start a worker for each name; gives the lab file. Links are emulated."""
    with tiny_workers(folder, names, *options) as (path, _):
        yield path


@contextmanager
def tiny_workers(
    folder: Path, names: Sequence[str], *options: str
) -> Iterator[tuple[Path, dict[str, WorkerProcess]]]:
    """The same, with the workers by name."""
    started: dict[str, WorkerProcess] = {}
    try:
        for name in names:
            started[name] = WorkerProcess.start(folder, name, *options)
        devices = [
            {"name": one.name, "kind": "local", "host": "127.0.0.1", "shaping": "emulated"}
            | {"control_port": one.control_port, "data_port": one.data_port}
            for one in started.values()
        ]
        path = folder / "lab.json"
        path.write_text(json.dumps({"name": "test", "devices": devices}))
        yield path, started
    finally:
        for one in started.values():
            one.process.kill()
            one.process.wait()


def controller(*arguments: object) -> Ended:
    """Run `python -m controller ARGUMENTS`."""
    command = [sys.executable, "-m", "controller", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def sweep(experiment: Path, lab: Path, bundles: Path, *more: str) -> Ended:
    """Sweep an experiment into `results.sqlite` beside it."""
    results = experiment.parent / "results.sqlite"
    return controller("sweep", experiment, "--lab", lab, "--bundles", bundles, "--results", results, *more)
