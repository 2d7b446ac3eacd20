"""Virtual Pis that reboot while a sweep runs: named, waited for, and every trial is there in the end."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.results import Results
from controller.results.check import run_check
from tests.bundles import export_tiny
from tests.lab.virtual_lab import VirtualLab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

EXPERIMENT = """
name: rebooted
models: [tiny]
bundles: bundles
networks_file: networks.yml
networks: [as_is]
splits: [2]
depths: [1]
trials: 8
duration_s: 2
wait_s: 180
on_failure: wait
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualLab]:
    """Two Pis, deployed."""
    lab = VirtualLab(tmp_path_factory.mktemp("faults") / "edge cut")
    with lab.up("pis=2", deployed=True):
        yield lab


def test_a_device_that_reboots_is_waited_for(lab: VirtualLab, tmp_path: Path) -> None:
    export_tiny(tmp_path / "bundles")
    (tmp_path / "networks.yml").write_text("near: {delay_ms: 30}\n")
    (tmp_path / "experiment.yml").write_text(EXPERIMENT)
    results = tmp_path / "results.sqlite"
    enter = lab.folder / "enter"
    command = [str(enter), sys.executable, "-m", "controller", "sweep", str(tmp_path / "experiment.yml")]
    command += ["--lab", str(lab.root / ".edgecut" / "virtual.json"), "--results", str(results)]
    environment = os.environ | {"PYTHONPATH": str(lab.root)}
    with subprocess.Popen(
        command, cwd=lab.root, env=environment, stderr=subprocess.PIPE, text=True
    ) as sweeping:
        assert sweeping.stderr is not None
        said = ""
        rebooted_at_s = 0.0
        for line in sweeping.stderr:
            said += line
            if re.match(r"as_is: \d+/", line) and not rebooted_at_s:
                time.sleep(5)
                rebooted_at_s = time.monotonic()
                lab.ssh("pi2", "sudo systemctl reboot --force")
            if line.startswith("void: "):
                print(f"told {time.monotonic() - rebooted_at_s:.1f} s after the reboot: {line}")
        print(f"over {time.monotonic() - rebooted_at_s:.1f} s after the reboot")
    assert sweeping.returncode == 0, said
    with Results.open(results) as opened:
        assert len(opened.finished()) == 8 * len(opened.cells())
        assert {device for _, _, _, device, _ in opened.voids()} == {"pi2"}
    assert run_check(results)
