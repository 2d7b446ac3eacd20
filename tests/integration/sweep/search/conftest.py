"""A short experiment, and its sweep over the lab with a folder for device profiles."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import Ended, sweep
from tests.integration.labs import write_experiment

Sweep = Callable[..., Ended]


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_experiment(
        tmp_path,
        "ideal: {}\nslow: {delay_ms: 5, rate_mbit: 1}\n",
        depths=[1, 4],
        trials=2,
        warmup=1,
    )


@pytest.fixture
def run(experiment: Path, lab: Path, bundles_folder: Path) -> Sweep:
    def run(*more: str) -> Ended:
        folder = str(experiment.parent / "profiles")
        return sweep(experiment, lab, bundles_folder, "--device-profiles", folder, *more)

    return run
