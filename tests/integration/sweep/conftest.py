"""A lab of two workers and an experiment for it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sweep.sweeping import Command, Worker, arguments


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[dict[str, Worker]]:
    started: dict[str, Worker] = {}
    try:
        for name in ("pi", "server"):
            started[name] = Worker(name, tmp_path)
        yield started
    finally:
        for worker in started.values():
            worker.kill()


@pytest.fixture
def lab(workers: dict[str, Worker], tmp_path: Path) -> Path:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": "test", "devices": [w.device() for w in workers.values()]}))
    return path


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    (tmp_path / "networks.yml").write_text("ideal: {}\nslow: {delay_ms: 5, rate_mbit: 1}\n")
    path = tmp_path / "experiment.yml"
    path.write_text(
        "name: tiny\nmodels: [tiny]\nnetworks_file: networks.yml\nnetworks: [ideal, slow]\n"
        "depths: [1, 4]\ntrials: 2\nrequests: 11\nwarmup: 2\nwait_s: 5\n"
    )
    return path


@pytest.fixture
def sweep(experiment: Path, lab: Path, bundles_folder: Path) -> Command:
    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [*arguments(experiment, lab, bundles_folder), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run
