"""A sweep whose links do not match a network: real ansible-playbook and workers, links as they are."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.results import Results
from tests.integration.playbooks.local_lab import TINY_MODEL, LocalLab, assert_fails_saying, assert_succeeds

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the role that shapes links installs files of root")

EXPERIMENT = """\
name: tiny
models: [tiny]
networks: [far, near]
networks_file: own networks.yml
splits: [2]
depths: [1]
trials: 1
requests: 11
"""

SETTINGS = """\
kind: namespace
shaping: tc
network_program: PROGRAM
# It says that it shapes, and does not.
network_command: ["true"]
"""

# The worker of a device with a link of its own tells the device there that a controller is connected.
OWN_RUN = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs run /run; mkdir /run/edgecut; exec "$@"', "sh")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    lab = LocalLab(tmp_path / "a lab")
    settings = SETTINGS.replace("PROGRAM", str(lab.root / "program" / "edgecut-link.pyz"))
    of_group = lab.root / "inventory" / "local" / "group_vars" / "devices.yml"
    text = of_group.read_text(encoding="utf-8").replace("kind: local\nshaping: emulated\n", settings)
    of_group.write_text(text, encoding="utf-8")
    (lab.root / "tiny.py").write_text(TINY_MODEL, encoding="utf-8")
    export = [sys.executable, "-m", "exporter", "export", "tiny.py:build", "--out", "my bundles/tiny"]
    subprocess.run(export, cwd=lab.root, check=True, capture_output=True)
    try:
        assert_succeeds(lab.play("deploy.yml", under=OWN_RUN))
        yield lab
    finally:
        lab.kill()


@pytest.mark.slow
def test_a_network_whose_links_do_not_match_is_postponed_and_the_others_run(lab: LocalLab) -> None:
    experiment = lab.root / "my experiments" / "tiny.yml"
    experiment.parent.mkdir()
    experiment.write_text(EXPERIMENT, encoding="utf-8")
    (experiment.parent / "own networks.yml").write_text("far: {delay_ms: 40}\nnear: {}\n")
    settings = {"experiment": "my experiments/tiny.yml", "bundles": "my bundles", "results": "my results"}
    done = lab.play("sweep.yml", json.dumps(settings), within=".")

    assert_fails_saying(
        done, "far is postponed: pi: its link to server does not match network 'far': round trip should be"
    )
    results = lab.root / "my results"
    with Results.open(results / "results.sqlite") as kept:
        cells = {cell.id: cell for cell in kept.cells()}
        assert [cells[cell].network for cell, _ in kept.finished()] == ["near"] * 3
    outcome = json.loads((results / "outcome.json").read_text(encoding="utf-8"))
    assert outcome["exit_code"] == 4
    assert [line.partition(" ")[0] for line in outcome["postponed"]] == ["far"]

    # Both commands, pasted where the user stands.
    lines = [line.strip() for line in done.stdout.splitlines()]
    retry = next(line for line in lines if line.startswith("To resume: ")).removeprefix("To resume: ")
    assert shlex.split(retry)[-1] == json.dumps(settings)
    words = ["sh", "-c", f"{retry} --syntax-check"]
    assert_succeeds(subprocess.run(words, cwd=lab.root, capture_output=True, text=True, check=False))
    report = next(line for line in lines if line.startswith("Next: ")).removeprefix("Next: ")
    made = subprocess.run(["sh", "-c", report], cwd=lab.root, capture_output=True, text=True, check=False)
    assert_succeeds(made)
    assert (results / "report.html").exists()
