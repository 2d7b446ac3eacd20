"""A lab of network namespaces: kernel links by tbf, chains of six devices, and nothing left behind."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.truth.cases import NULL_SIZES
from controller.results import Results
from exporter.bundle import export_null
from tests.lab.virtual_lab import (
    VirtualLab,
    assert_fails_saying,
    assert_succeeds,
    changed,
    half_a_processor,
)
from worker.wire.ethernet import ethernet_bytes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

RATE_MBIT = 8
# What tbf passes at once after a pause (edgecut_link).
BURST_BYTES = 2 * 1514
NODE_MS = 1.0
OVERHEAD = 1.1
"""A device that wakes from a pause adds milliseconds to a request."""

NETWORKS = f"""
slow: {{rate_mbit: {RATE_MBIT}}}
worn: {{rate_mbit: {RATE_MBIT}, pairs: {{pi2 -> pi3: {{rate_mbit: {0.8 * RATE_MBIT}}}}}}}
far: {{delay_ms: 30}}
"""

EXPERIMENT = """
name: NAME
models: ["null"]
bundles: bundles
networks_file: networks.yml
networks: [slow]
devices: DEVICES
splits: SPLITS
depths: [1]
trials: 1
requests: 11
warmup: 1
samples: 1
planted: PLANTED
"""


class NamespaceLab(VirtualLab):
    """Namespaces, and experiments with the null model."""

    kind = "namespaces"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "networks.yml").write_text(NETWORKS, encoding="utf-8")
        export_null(self.work / "bundles" / "null", NULL_SIZES)

    def links(self, tasks_from: str, *settings: str) -> "subprocess.CompletedProcess[str]":
        """The same with the networks of these tests."""
        networks = f"networks_file='{self.work / 'networks.yml'}'"
        return super().links(tasks_from, networks, *settings)

    def experiment(self, name: str, devices: list[str], split: int | list[int]) -> Path:
        """Write an experiment with one chain, one split and the network `slow`."""
        planted = {device: {"node_ms": NODE_MS} for device in devices}
        values = {"NAME": name, "DEVICES": devices, "SPLITS": [split], "PLANTED": planted}
        text = EXPERIMENT
        for word, value in values.items():
            text = text.replace(word, json.dumps(value))
        path = self.work / f"{name}.yml"
        path.write_text(text, encoding="utf-8")
        return path

    def results(self, name: str) -> Path:
        return self.work / name / "results.sqlite"

    def roots(self) -> dict[str, str]:
        """The root qdisc of each device."""
        shown = self.ask("tc qdisc show dev eth0 root")
        return {name: text.split()[1] for name, text in shown.items()}


def transfer_s(payload_bytes: int) -> float:
    """How long tbf takes for a payload after a pause."""
    return max(0, ethernet_bytes(payload_bytes) - BURST_BYTES) * 8 / (RATE_MBIT * 1e6)


def machine() -> dict[str, str]:
    """What the lab must not change of this machine."""
    shown = {
        " ".join(words): subprocess.run(words, capture_output=True, text=True, check=False).stdout
        for words in (
            ["ip", "-json", "link"],
            ["ip", "-brief", "address"],
            ["ip", "route"],
            ["ip", "netns"],
            ["hostname"],
        )
    }
    for path in ("/proc/mounts", "/proc/sys/net/ipv4/ip_forward"):
        shown[path] = Path(path).read_text(encoding="utf-8")
    shown["units"] = "\n".join(sorted(map(str, Path("/etc/systemd/system").glob("edgecut*"))))
    shown["run"] = "\n".join(sorted(map(str, Path("/run").glob("*edgecut*"))))
    return shown


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    """This machine before the lab."""
    return machine()


@pytest.fixture(scope="module")
def lab(before: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceLab]:
    """Six namespaces, deployed."""
    lab = NamespaceLab(tmp_path_factory.mktemp("a lab") / "edge cut")
    with lab.up("pis=6", deployed=True):
        yield lab


def test_a_second_lab_and_a_second_deployment_change_nothing(lab: NamespaceLab) -> None:
    for playbook in ("virtual_lab.yml", "deploy.yml"):
        again = lab.play(playbook=playbook)
        assert_succeeds(again)
        assert changed(again) == 0


def test_the_machine_itself_stays_as_it_was(lab: NamespaceLab, before: dict[str, str]) -> None:
    assert machine() == before


def test_a_payload_takes_its_bytes_at_the_rate_of_the_link(lab: NamespaceLab) -> None:
    experiment, folder = lab.experiment("rate", ["pi1", "pi2"], 1), lab.results("rate").parent
    assert_succeeds(lab.play(f"experiment='{experiment}'", f"results='{folder}'", playbook="sweep.yml"))
    with Results.open(lab.results("rate")) as results:
        cells = {cell.id: cell for cell in results.cells()}
        (trial,) = [trial for trial in results.trials() if cells[trial.cell].cuts == (1,)]
        devices = results.devices(trial.environment)
    assert cells[trial.cell].shaping == "tc"
    for device in devices:
        assert device.stamp["kind"] == "namespace"
        assert '"kind":"tbf"' in device.stamp["qdisc"]
    # The lowest latency: what a busy machine adds is not the link's.
    linked_s = trial.endpoint["latency_s"].min() - (len(NULL_SIZES) - 1) * NODE_MS / 1e3
    assert 0.99 < linked_s / transfer_s(4 * NULL_SIZES[1]) < OVERHEAD
    assert set(lab.roots().values()) == {"noqueue"}


def test_a_delay_takes_netem_and_is_refused_by_name_without(lab: NamespaceLab) -> None:
    shaped = lab.links("main", "network_name=far")
    try:
        if shaped.returncode:
            says = "pi1: network 'far' cannot be made: this kernel has no module sch_netem"
            assert_fails_saying(shaped, says)
            assert set(lab.roots().values()) == {"noqueue"}
        else:
            assert all("netem" in text for text in lab.ask("tc qdisc show dev eth0").values())
    finally:
        lab.links("clear")


def test_a_chain_of_six_devices(lab: NamespaceLab) -> None:
    # Without sweep.yml, which would first measure all thirty links.
    names = [f"pi{number}" for number in range(1, 7)]
    experiment = lab.experiment("six", names, [1, 2, 3, 4, 5])
    lab.results("six").parent.mkdir()
    try:
        assert_succeeds(lab.links("main", "network_name=slow"))
        options = ["--lab", ".edgecut/namespaces.json", "--network", "slow", "--results", lab.results("six")]
        sweep = lab.python_module("controller", "sweep", str(experiment), *map(str, options))
        assert_succeeds(lab.run(lab.folder / "enter", *sweep))
    finally:
        assert_succeeds(lab.links("clear"))
    with Results.open(lab.results("six")) as results:
        cells = {cell.id: cell for cell in results.cells()}
        (trial,) = [trial for trial in results.trials() if cells[trial.cell].cuts == (1, 2, 3, 4, 5)]
    payloads_s = [transfer_s(4 * values) for values in NULL_SIZES[1:6]]
    true_s = sum(payloads_s) + len(names) * NODE_MS / 1e3
    assert true_s * 0.99 < trial.endpoint["latency_s"].min() < true_s * OVERHEAD


def test_a_selfcheck_names_a_device_with_half_its_quota_and_a_link_at_four_fifths_of_its_rate(
    lab: NamespaceLab,
) -> None:
    (worker,) = [p for p in lab.processes("pi2") if {"worker", "serve"} <= set(p.cmdline())]
    networks = str(lab.work / "networks.yml")
    options = ["--lab", ".edgecut/namespaces.json", "--network", "slow", "--networks", networks]
    try:
        assert_succeeds(lab.links("main", "network_name=worn"))
        with half_a_processor([worker]):
            selfcheck = lab.python_module("controller", "selfcheck", *options)
            done = lab.run(lab.folder / "enter", *selfcheck)
    finally:
        assert_succeeds(lab.links("clear"))
    assert done.returncode == 1, done.stdout + done.stderr
    wrong = [line.removeprefix("wrong: ") for line in done.stdout.splitlines() if line.startswith("wrong: ")]
    assert any(line.startswith("pi2: a stage that computes takes") for line in wrong)
    links = [line for line in wrong if ": carries " in line]
    assert len(links) == 1
    assert links[0].startswith("pi2 -> pi3: carries 6.")


def test_a_link_that_no_controller_uses_ends_with_its_lease(lab: NamespaceLab) -> None:
    assert_succeeds(lab.links("main", "network_name=slow", "network_lease_s=20"))
    assert "noqueue" not in lab.roots().values()
    deadline_s = time.monotonic() + 60
    while set(lab.roots().values()) != {"noqueue"}:
        assert time.monotonic() < deadline_s
        time.sleep(1)


def test_a_pulled_plug_is_repaired(lab: NamespaceLab) -> None:
    os.kill(lab.pid("pi2"), signal.SIGKILL)
    again = lab.play()
    assert_succeeds(again)
    assert changed(again) == 1
    assert_succeeds(lab.play(playbook="deploy.yml", options=["--limit", "pi2", "--tags", "worker,lab"]))


def test_nothing_is_left_of_the_lab(lab: NamespaceLab, before: dict[str, str]) -> None:
    assert_succeeds(lab.play(playbook="teardown.yml"))
    assert_succeeds(lab.play("state=absent"))
    deadline_s = time.monotonic() + 10
    while left := lab.processes():
        assert time.monotonic() < deadline_s, left
        time.sleep(0.1)
    assert not (lab.root / ".edgecut").exists()
    assert machine() == before
    again = lab.play("state=absent")
    assert_succeeds(again)
    assert changed(again) == 0
