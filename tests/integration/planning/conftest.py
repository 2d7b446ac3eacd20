"""`controller profile`, `plan` and `predict` on the lab's workers, with a folder for device profiles."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration import commands
from tests.integration.commands import Ended

Run = Callable[..., Ended]


@pytest.fixture
def controller(lab: Path, bundles_folder: Path, tmp_path: Path) -> Run:
    networks = tmp_path / "networks.yml"
    networks.write_text("ideal: {}\nslow: {delay_ms: 5, rate_mbit: 1}\n")

    def run(command: str, *options: str) -> Ended:
        line = [command, bundles_folder / "tiny", "--lab", lab, "--device-profiles", tmp_path / "profiles"]
        if command in ("plan", "predict"):
            line += ["--networks", networks]
        return commands.controller(*line, *options, timeout_s=200)

    return run
