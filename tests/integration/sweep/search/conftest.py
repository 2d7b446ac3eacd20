"""A short experiment, and its sweep over the lab with a folder for device profiles."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import Ended, controller, sweep
from tests.integration.labs import NAMES, LabWorker, write_experiment, write_lab

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


@pytest.fixture(scope="module")
def taken_profile(
    standing: dict[str, LabWorker], bundles_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a device profile of `tiny` on `pi` and `server`."""
    folder = tmp_path_factory.mktemp("profiled")
    lab = write_lab(folder, [standing[name] for name in NAMES])
    profiles = folder / "profiles"
    line = ["profile", bundles_folder / "tiny", "--lab", lab, "--device-profiles", profiles, "--budget", "1"]
    taken = controller(*line)
    assert taken.returncode == 0, taken.stderr
    return profiles


@pytest.fixture
def profiles(taken_profile: Path, experiment: Path) -> Path:
    """The folder that `run` names, with that profile in it."""
    folder: Path = shutil.copytree(taken_profile, experiment.parent / "profiles")
    return folder


@pytest.fixture
def run(experiment: Path, lab: Path, bundles_folder: Path) -> Sweep:
    def run(*more: str) -> Ended:
        folder = str(experiment.parent / "profiles")
        return sweep(experiment, lab, bundles_folder, "--device-profiles", folder, *more)

    return run
