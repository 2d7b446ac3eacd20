"""A copy of the repository, to run its playbooks as a user does, from a path with a space in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.integration.ports import free_ports

ROOT = Path(__file__).parents[3]

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
        self.base_port = free_ports(8)
        for name in ("edgecut", "exporter", "worker", "controller", "analysis", "ansible", "inventory"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "ansible.cfg", folder)

    def play(
        self, playbook: str, *settings: str, within: str = "ansible", under: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook from the folder `within`, with settings of the form name=value or in JSON.

        `under` is put before the command.
        """
        command = [*under, str(Path(sys.executable).parent / "ansible-playbook")]
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

    def start_edgecut(self, *arguments: object, within: Path) -> "subprocess.Popen[str]":
        """Start `edgecut` of this copy from any folder, on the lab's ports, in its own process group."""
        return subprocess.Popen(
            [sys.executable, "-m", "edgecut", *map(str, arguments), "-e", f"base_port={self.base_port}"],
            cwd=within,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith("ANSIBLE_") and name != "PYTHONUNBUFFERED"
            }
            | {"PYTHONPATH": str(self.root)},
        )

    def edgecut(self, *arguments: object, within: Path) -> subprocess.CompletedProcess[str]:
        """Run `edgecut` of this copy from any folder, with this lab's ports."""
        with self.start_edgecut(*arguments, within=within) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def kill(self) -> None:
        """End its workers."""
        for process in self.processes():
            process.kill()

    @property
    def state(self) -> Path:
        return self.root / ".edgecut"

    def devices(self) -> list[str]:
        """Names in the lab file."""
        return [device["name"] for device in json.loads((self.state / "local.json").read_text())["devices"]]

    def worker(self, name: str) -> psutil.Process:
        """The process of a device's worker."""
        return psutil.Process(json.loads((self.state / name / "worker.pid").read_text())["pid"])

    def processes(self) -> list[psutil.Process]:
        """Workers of this lab that run."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "worker" in words and any(str(self.state) in word for word in words):
                found.append(process)
        return found


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
