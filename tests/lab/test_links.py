"""Links of virtual Pis, shaped and cleared by playbooks, and what becomes of them when something breaks."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from controller.results import MeasuredLink, Results
from tests.lab.virtual_lab import ROOT, VirtualLab, assert_fails_saying, assert_succeeds, changed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

LEASE_S = 60

TINY_MODEL = """
import torch

def build():
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 5)
    return torch.nn.Sequential(*layers), torch.randn(1, 3, 8, 8)
"""

NETWORKS = """
near: {delay_ms: 30}
far: {delay_ms: 80, backward: {delay_ms: 60, rate_mbit: 8}}
worst: {delay_ms: 2000, rate_mbit: 0.1}
"""

EXPERIMENT = """
name: NAME
models: [tiny]
bundles: bundles
networks_file: networks.yml
networks: NETWORKS
splits: [2]
depths: [1]
trials: TRIALS
requests: 11
warmup: 1
wait_s: 5
on_failure: skip
"""


class LinkLab(VirtualLab):
    """Two deployed Pis, and experiments with a tiny model."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "networks.yml").write_text(NETWORKS, encoding="utf-8")
        (self.work / "tiny.py").write_text(TINY_MODEL, encoding="utf-8")
        command = [sys.executable, "-m", "exporter", "export", "tiny.py:build", "--out", "bundles/tiny"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=self.work, env=environment, check=True, capture_output=True)

    def links(self, tasks_from: str, *settings: str) -> "subprocess.CompletedProcess[str]":
        """The same with the networks of these tests."""
        networks = f"networks_file='{self.work / 'networks.yml'}'"
        return super().links(tasks_from, networks, *settings)

    def sweep_settings(self, name: str, networks: str, trials: int = 1) -> tuple[str, str]:
        """Write an experiment; returns the settings of sweep.yml that run it."""
        text = EXPERIMENT.replace("NAME", name).replace("NETWORKS", networks).replace("TRIALS", str(trials))
        path = self.work / f"{name}.yml"
        path.write_text(text, encoding="utf-8")
        return f"experiment='{path}'", f"results='{self.results(name).parent}'"

    def results(self, name: str) -> Path:
        return self.work / name / "results.sqlite"

    def shaped(self) -> dict[str, bool]:
        """Which Pis have a netem of ours."""
        output = self.ask("/usr/sbin/tc qdisc show dev vec0")
        return {pi: "netem" in text for pi, text in output.items()}

    def clear_within(self, seconds: float) -> float:
        """How long it takes until no link is shaped."""
        began_s = time.monotonic()
        while any(self.shaped().values()):
            assert time.monotonic() - began_s < seconds
            time.sleep(2)
        return time.monotonic() - began_s


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkLab]:
    """Two Pis, deployed."""
    lab = LinkLab(tmp_path_factory.mktemp("links") / "edge cut")
    with lab.up("pis=2", deployed=True):
        yield lab


@pytest.fixture
def cleared(lab: LinkLab) -> Iterator[LinkLab]:
    """The lab, for a test that shapes: clear afterwards."""
    yield lab
    lab.links("clear")


def test_a_network_is_applied_per_direction_and_cleared(lab: LinkLab, cleared: LinkLab) -> None:
    shaped = lab.links("main", "network_name=far")
    assert_succeeds(shaped)
    assert changed(shaped) == 2
    shown = lab.ask("/usr/sbin/tc -s qdisc show dev vec0")
    assert "delay 80ms" in shown["pi1"] and "rate" not in shown["pi1"]
    assert "delay 60ms rate 8Mbit" in shown["pi2"]
    assert changed(lab.links("main", "network_name=far")) == 0

    assert changed(lab.links("clear")) == 2
    assert changed(lab.links("clear")) == 0
    assert set(lab.shaped().values()) == {False}


def test_ssh_stays_quick_under_the_worst_link(lab: LinkLab, cleared: LinkLab) -> None:
    def seconds() -> float:
        began_s = time.monotonic()
        assert lab.ssh("pi1", "true").returncode == 0
        return time.monotonic() - began_s

    before_s = statistics.median(seconds() for _ in range(3))
    assert_succeeds(lab.links("main", "network_name=worst"))
    under_s = statistics.median(seconds() for _ in range(3))
    print(f"ssh: {before_s:.2f} s, under 2 s of delay and 100 kbit/s {under_s:.2f} s")
    assert under_s < 10 * before_s
    # What SSH sends went past the shaped band.
    (netem,) = re.findall(r"qdisc netem[^\n]*\n\s*Sent (\d+) bytes", lab.ask("/usr/sbin/tc -s qdisc")["pi1"])
    assert int(netem) == 0


def test_nobodys_link_is_clear_after_its_lease(lab: LinkLab, cleared: LinkLab) -> None:
    assert_succeeds(lab.links("main", "network_name=near"))
    assert set(lab.shaped().values()) == {True}
    took_s = lab.clear_within(LEASE_S + 15)
    print(f"clear by lease after {took_s:.0f} s")


def latencies_ms(lab: LinkLab, name: str) -> dict[tuple[str, str], float]:
    """Lowest latency of the cut cell by network and shaping: what a busy machine adds is not the link's."""
    with Results.open(lab.results(name)) as results:
        cells = {cell.id: cell for cell in results.cells()}
        trials = [(cells[trial.cell], 1e3 * trial.endpoint["latency_s"].min()) for trial in results.trials()]
    lowest_ms: dict[tuple[str, str], float] = {}
    for cell, latency_ms in trials:
        if cell.cuts == (2,):
            key = cell.network, cell.shaping
            lowest_ms[key] = min(latency_ms, lowest_ms.get(key, latency_ms))
    return lowest_ms


@pytest.fixture(scope="module")
def by_tc(lab: LinkLab) -> tuple[str, str]:
    """Settings of a sweep that has run on links as they are and under two networks."""
    settings = lab.sweep_settings("by_tc", "[as_is, near, far]", trials=3)
    assert_succeeds(lab.play(*settings, playbook="sweep.yml"))
    return settings


def test_latency_moves_by_the_delay_of_the_network(lab: LinkLab, by_tc: tuple[str, str]) -> None:
    # The bounds are wide enough for a busy machine, and tell a delay from none, from half of it and from two.
    assert set(lab.shaped().values()) == {False}
    lowest_ms = latencies_ms(lab, "by_tc")
    assert lowest_ms["near", "tc"] - lowest_ms["as_is", "none"] == pytest.approx(60, rel=0.25)
    assert lowest_ms["far", "tc"] - lowest_ms["as_is", "none"] == pytest.approx(140, rel=0.25)
    with Results.open(lab.results("by_tc")) as results:
        measured = {(k.network, k.sender): k.measured["round_trip_ms"] for k in results.rows(MeasuredLink)}
    assert measured["near", "pi1"] == pytest.approx(60, rel=0.25)
    again = lab.play(*by_tc, playbook="sweep.yml")
    assert_succeeds(again)
    assert "nothing to do: all trials are done" in again.stdout
    assert "Shape the link" not in again.stdout


@pytest.mark.usefixtures("by_tc")
def test_a_cell_is_the_same_emulated_and_under_tc(lab: LinkLab) -> None:
    emulated = lab.sweep_settings("emulated", "[near, far]", trials=3)
    try:
        assert_succeeds(lab.play("shaping=emulated", playbook="deploy.yml", options=["--tags", "lab"]))
        assert_succeeds(lab.play("shaping=emulated", *emulated, playbook="sweep.yml"))
    finally:
        assert_succeeds(lab.play(playbook="deploy.yml", options=["--tags", "lab"]))
    under_tc_ms, emulated_ms = latencies_ms(lab, "by_tc"), latencies_ms(lab, "emulated")
    for network in ("near", "far"):
        ratio = emulated_ms[network, "emulated"] / under_tc_ms[network, "tc"]
        print(f"{network}: emulated {ratio:.3f} x tc ({under_tc_ms[network, 'tc']:.1f} ms)")
        assert ratio == pytest.approx(1, abs=0.2)


def _killed_in_mid_sweep(lab: LinkLab, *settings: str) -> None:
    """Start a sweep and kill it, Ansible and controller, without a chance to clear anything."""
    playing = subprocess.Popen(
        lab.playbook("sweep.yml", *settings), cwd=lab.root, stdout=subprocess.PIPE, start_new_session=True
    )
    with playing:
        assert playing.stdout is not None
        for line in playing.stdout:
            if re.match(rb"  near: \d+/", line):
                break
        children = psutil.Process(playing.pid).children(recursive=True)
        for process in [psutil.Process(playing.pid), *children]:
            process.send_signal(signal.SIGKILL)


def test_a_sweep_that_is_killed_ends_its_shaping_and_goes_on(lab: LinkLab) -> None:
    settings = lab.sweep_settings("killed", "[near]", trials=6)
    _killed_in_mid_sweep(lab, *settings)
    assert set(lab.shaped().values()) == {True}
    print(f"clear {lab.clear_within(LEASE_S + 15):.0f} s after the controller was killed")

    assert_succeeds(lab.play(*settings, playbook="sweep.yml"))
    with Results.open(lab.results("killed")) as results:
        trials = [(trial.cell, trial.number) for trial in results.trials()]
        assert len(trials) == len(set(trials)) == 6 * len(results.cells())


def test_a_plug_pulled_in_mid_sweep_costs_the_cells_of_that_device_alone(lab: LinkLab) -> None:
    settings = lab.sweep_settings("pulled", "[near, far]", trials=4)
    with subprocess.Popen(
        lab.playbook("sweep.yml", *settings), cwd=lab.root, stdout=subprocess.PIPE, text=True
    ) as playing:
        assert playing.stdout is not None
        said = ""
        for line in playing.stdout:
            said += line
            if re.match(r"  near: \d+/", line) and lab.pid("pi2"):
                os.kill(lab.pid("pi2"), signal.SIGKILL)
                break
        said += playing.stdout.read()
    assert playing.returncode != 0
    assert "gave up on pi2" in said
    assert lab.shaped() == {"pi1": False}

    assert_succeeds(lab.play("pis=2"))
    assert lab.shaped() == {"pi1": False, "pi2": False}
    assert_succeeds(lab.play(*settings, playbook="sweep.yml"))
    with Results.open(lab.results("pulled")) as results:
        trials = [(trial.cell, trial.number) for trial in results.trials()]
        assert len(trials) == len(set(trials))
        of_cell = Counter(cell for cell, _ in trials)
        assert of_cell.keys() == {cell.id for cell in results.cells()}
        # An end that had its trial before the plug was pulled runs beside the others in each later block.
        assert set(of_cell.values()) <= {4, 5} and 4 in of_cell.values()


def test_a_device_without_the_address_is_told(lab: LinkLab) -> None:
    lab_file = lab.root / ".edgecut" / "virtual.json"
    right = lab_file.read_text(encoding="utf-8")
    told = json.loads(right)
    told["devices"][0]["host"] = "10.83.0.99"
    try:
        lab_file.write_text(json.dumps(told), encoding="utf-8")
        assert_fails_saying(
            lab.links("main", "network_name=near"), "pi1: address 10.83.0.99 is on no interface", "vec0"
        )
    finally:
        lab_file.write_text(right, encoding="utf-8")
        lab.links("clear")
