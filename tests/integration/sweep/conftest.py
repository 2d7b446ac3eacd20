"""An experiment, and its sweep over the lab."""

from pathlib import Path

import pytest

from tests.integration import commands
from tests.integration.labs import write_experiment
from tests.integration.sweep.sweeping import Command


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    networks = "ideal: {}\nslow: {delay_ms: 5, rate_mbit: 1}\n"
    return write_experiment(tmp_path, networks, depths=[1, 4], trials=2)


@pytest.fixture
def sweep(experiment: Path, lab: Path, bundles_folder: Path) -> Command:
    def run(*options: str) -> commands.Ended:
        return commands.sweep(experiment, lab, bundles_folder, *options)

    return run
