"""The playbooks as a user runs them: real ansible-playbook, real workers, from a path with a space in it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]

TINY_MODEL = """
import torch

def build():
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 5)
    return torch.nn.Sequential(*layers), torch.randn(1, 3, 8, 8)
"""

EXPERIMENT = """
name: tiny
models: [tiny]
bundles: ../bundles
networks: [ideal, lan]
splits: [0, 2, 4]
depths: [1]
trials: 2
requests: 11
"""


class LocalLab:
    """A copy of the repository in a folder of its own, with ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.base_port = _free_ports(8)
        for name in ("exporter", "worker", "controller", "analysis", "ansible", "inventory"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "ansible.cfg", folder)

    def play(
        self, playbook: str, *settings: str, within: str = "ansible"
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook from the folder `within`, with settings of the form name=value."""
        command = [str(Path(sys.executable).parent / "ansible-playbook")]
        command.append(playbook if within == "ansible" else f"ansible/{playbook}")
        for setting in (f"base_port={self.base_port}", *settings):
            command += ["-e", setting]
        return subprocess.run(
            command,
            cwd=self.root / within,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        )

    @property
    def state(self) -> Path:
        return self.root / ".edgecut"

    def devices(self) -> list[str]:
        """Names in the lab file."""
        return [device["name"] for device in json.loads((self.state / "local.json").read_text())["devices"]]

    def processes(self) -> list[psutil.Process]:
        """Workers of this lab that run."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "worker" in words and any(str(self.state) in word for word in words):
                found.append(process)
        return found


def _free_ports(count: int) -> int:
    """The first of `count` ports in a row that nobody listens on."""
    for base in range(21000, 29000, count):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for offset, one in enumerate(sockets):
                one.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        else:
            return base
        finally:
            for one in sockets:
                one.close()
    raise RuntimeError("no free ports")


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed something, over all hosts."""
    recap = done.stdout.split("PLAY RECAP")[1]
    return sum(int(word.removeprefix("changed=")) for word in recap.split() if word.startswith("changed="))


def assert_succeeds(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def assert_fails_saying(done: subprocess.CompletedProcess[str], *says: str) -> None:
    """One message that a person can act on, no stack trace."""
    assert done.returncode != 0, done.stdout
    output = " ".join((done.stdout + done.stderr).split())
    for text in says:
        assert text in output
    assert "Traceback" not in output
    assert "Exception" not in output


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """Two devices, deployed."""
    lab = LocalLab(tmp_path_factory.mktemp("a lab"))
    try:
        assert_succeeds(lab.play("deploy.yml"))
        yield lab
    finally:
        lab.play("teardown.yml")
        for process in lab.processes():
            process.kill()


@pytest.fixture(scope="module")
def experiment(lab: LocalLab) -> Path:
    """A bundle of a tiny model, and an experiment in ansible/experiments/."""
    (lab.root / "tiny.py").write_text(TINY_MODEL, encoding="utf-8")
    export = [sys.executable, "-m", "exporter", "export", "tiny.py:build", "--out", "ansible/bundles/tiny"]
    subprocess.run(export, cwd=lab.root, check=True, capture_output=True)
    path = lab.root / "ansible" / "experiments" / "tiny.yml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path


def test_a_second_deploy_changes_nothing_from_either_folder(lab: LocalLab) -> None:
    assert len(lab.processes()) == 2
    for within in ("ansible", "."):
        again = lab.play("deploy.yml", within=within)
        assert_succeeds(again)
        assert changed(again) == 0


def test_the_lab_has_a_key_that_nobody_else_can_read(lab: LocalLab) -> None:
    keys = [lab.state / "local.key", *(lab.state / name / "secrets" / "lab.key" for name in ("pi", "server"))]
    (key,) = {path.read_text() for path in keys}
    assert len(bytes.fromhex(key)) == 32
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert key.strip() not in (lab.state / "local.json").read_text()
    for process in lab.processes():
        command = " ".join(process.cmdline())
        assert "--key-file=" in command and key.strip() not in command


def test_deploy_mends_a_dead_worker(lab: LocalLab) -> None:
    dead = json.loads((lab.state / "server" / "worker.pid").read_text())["pid"]
    os.kill(dead, signal.SIGKILL)
    psutil.wait_procs([process for process in lab.processes() if process.pid == dead], timeout=10)

    mended = lab.play("deploy.yml")
    assert_succeeds(mended)
    assert changed(mended) == 1
    assert len(lab.processes()) == 2


def test_a_changed_setting_restarts_its_worker_alone(lab: LocalLab) -> None:
    inventory = lab.root / "inventory" / "local" / "hosts.yml"
    before = inventory.read_text(encoding="utf-8")
    pids = {process.pid for process in lab.processes()}
    inventory.write_text(re.sub(r"slowdown: \d+", "slowdown: 3", before), encoding="utf-8")

    done = lab.play("deploy.yml")
    assert_succeeds(done)
    assert changed(done) == 1
    assert len({process.pid for process in lab.processes()} & pids) == 1


def test_more_workers_are_remembered_and_can_leave(lab: LocalLab) -> None:
    assert_succeeds(lab.play("deploy.yml", "workers=4"))
    assert lab.devices() == ["pi", "server", "device3", "device4"]
    assert len(lab.processes()) == 4

    again = lab.play("deploy.yml")
    assert changed(again) == 0
    assert len(lab.processes()) == 4

    assert_succeeds(lab.play("deploy.yml", "workers=2"))
    assert lab.devices() == ["pi", "server"]
    assert len(lab.processes()) == 2
    assert sorted(path.name for path in lab.state.iterdir()) == ["local.json", "local.key", "pi", "server"]


def test_sweep_brings_bundles_runs_profiles_and_reports(lab: LocalLab, experiment: Path) -> None:
    swept = lab.play("sweep.yml", "experiment=experiments/tiny.yml", "results='../my results'")
    assert_succeeds(swept)
    results = lab.root / "my results"
    for device in ("pi", "server"):
        (bundle,) = (lab.state / device / "store" / "bundles").iterdir()
        assert {"manifest.json", "weights.bin", "shards.zip", "samples.npz"} <= {
            p.name for p in bundle.iterdir()
        }
    progress = (results / "progress.log").read_text(encoding="utf-8").splitlines()
    shown = [line.strip() for line in swept.stdout.splitlines()]
    for line in progress:
        assert shown.count(line.strip()) == progress.count(line), line

    again = lab.play(
        "sweep.yml", "experiment=ansible/experiments/tiny.yml", "results='my results'", within="."
    )
    assert_succeeds(again)
    assert "nothing to do: all trials are done" in again.stdout
    assert "Copy the bundle's files" not in again.stdout

    assert_succeeds(lab.play("report.yml", "results='my results'", within="."))
    assert (results / "report.html").stat().st_size > 0
    assert (results / "pareto.csv").read_text(encoding="utf-8").count("\n") > 1


def test_a_missing_bundle_is_named(lab: LocalLab, experiment: Path) -> None:
    absent = experiment.with_name("absent.yml")
    absent.write_text(EXPERIMENT.replace("models: [tiny]", "models: [resnet18]"), encoding="utf-8")
    done = lab.play("sweep.yml", f"experiment='{absent}'")
    assert_fails_saying(done, "error: ", "bundles/resnet18", "python -m exporter export")


@pytest.mark.parametrize(
    ("playbook", "settings", "says"),
    [
        ("sweep.yml", [], "No experiment is named"),
        ("sweep.yml", ["experiment=experiments/nope.yml"], "no experiment"),
        ("sweep.yml", ["experiment=experiments/typo.yml"], "no network 'wfi'"),
        ("report.yml", [], "No results are named"),
        ("report.yml", ["results=nowhere"], "nowhere/results.sqlite"),
        ("deploy.yml", ["workers=1"], "the inventory alone has 2 devices"),
        ("deploy.yml", ["shaping=tc"], "shaping is tc, and service_manager process has"),
        (
            "deploy.yml",
            ["service_manager=runit"],
            "value of service_manager must be one of: process, systemd,",
        ),
        ("deploy.yml", ["threads=two"], "argument 'threads' is of type str"),
        ("sweep.yml", ["time_bugdet=20m"], "unknown setting 'time_bugdet'; did you mean 'time_budget'?"),
        ("report.yml", ["result=x"], "unknown setting 'result'; did you mean 'results'?"),
    ],
)
def test_bad_settings_are_named(
    lab: LocalLab, experiment: Path, playbook: str, settings: list[str], says: str
) -> None:
    typo = experiment.with_name("typo.yml")
    typo.write_text(EXPERIMENT.replace("[ideal, lan]", "[ideal, wfi]"), encoding="utf-8")
    assert_fails_saying(lab.play(playbook, *settings), says)


def test_a_sweep_without_a_lab_says_what_makes_one(lab: LocalLab, experiment: Path) -> None:
    nowhere = lab.root / "nowhere"
    done = lab.play("sweep.yml", f"experiment='{experiment}'", f"edgecut_state_dir='{nowhere}'")
    assert_fails_saying(done, f"error: no lab file {nowhere}/local.json", "deploy.yml")
    assert not nowhere.exists()


def test_a_port_that_is_taken_is_named(lab: LocalLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = lab.root / "other lab"
        settings = f"edgecut_state_dir='{other}'", f"base_port={port}"
        done = lab.play("deploy.yml", *settings)
        assert_fails_saying(done, "error: ", str(port))
        assert_succeeds(lab.play("teardown.yml", *settings))
    assert not other.exists()


def test_an_inventory_without_devices_says_so(lab: LocalLab, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("devices:\n  hosts: {}\n", encoding="utf-8")
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            inventory,
            lab.root / "ansible" / "deploy.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert_fails_saying(done, "The inventory has no group `devices`")


def test_a_check_run_changes_nothing(lab: LocalLab) -> None:
    pids = {process.pid for process in lab.processes()}
    for playbook in ("deploy.yml", "teardown.yml"):
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", playbook, "--check", "--diff"],
            capture_output=True,
            text=True,
            check=False,
            cwd=lab.root / "ansible",
        )
        assert_succeeds(done)
    assert {process.pid for process in lab.processes()} == pids
    assert (lab.state / "local.json").exists()


def test_teardown_leaves_no_process_and_no_file_and_can_be_run_again(lab: LocalLab) -> None:
    assert_succeeds(lab.play("teardown.yml"))
    assert lab.processes() == []
    assert not lab.state.exists()
    again = lab.play("teardown.yml")
    assert_succeeds(again)
    assert changed(again) == 0
