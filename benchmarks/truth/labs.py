"""The labs of `make truth`: local workers, and network namespaces with links shaped by the kernel."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.truth.cases import DEVICES
from controller.errors import ControllerError, LabError
from controller.results import Results
from worker.service.launch import WorkerProcess
from worker.wire.errors import UsageError

__all__ = ["LABS", "LabName", "TruthLab", "call", "open_lab"]

LabName = Literal["local", "namespaces"]
LABS: Final[tuple[LabName, ...]] = ("local", "namespaces")

_ROOT: Final = Path(__file__).parents[2]
_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True)
class TruthLab:
    """A deployed lab.

    Attributes:
        file: The lab file.
        names: The devices' names, by their names in the cases.
        inventory: Of a lab that playbooks sweep; None where the controller sweeps it alone.
    """

    file: Path
    names: Mapping[str, str]
    inventory: str | None = None

    def sweep(self, experiment: Path, bundles: Path, results: Path) -> None:
        """Sweep an experiment as a user does.

        Raises:
            ControllerError: The sweep failed.
        """
        if self.inventory is None:
            paths = ["--lab", self.file, "--bundles", bundles, "--results", results]
            call("controller", "sweep", experiment, *paths)
            return
        settings = {"experiment": experiment, "bundles": bundles, "results": results.parent}
        _play(self.inventory, "sweep", **{name: f"'{path}'" for name, path in settings.items()})

    def burst_bytes(self, results: Path) -> dict[str, float]:
        """By device, the bytes that its link passes at once after a pause: a tbf does, as its kernel says."""
        with Results.open(results) as file:
            qdiscs = {device.name: json.loads(device.stamp.get("qdisc") or "[]") for device in file.devices()}
        return {
            name: max((float(one["options"]["burst"]) for one in shown if one["kind"] == "tbf"), default=0.0)
            for name, shown in qdiscs.items()
        }


@contextlib.contextmanager
def open_lab(name: LabName, folder: Path) -> Iterator[TruthLab]:
    """Bring a lab up for all cases, and remove it afterwards.

    Args:
        folder: For files of the lab.

    Raises:
        ControllerError: The lab cannot be brought up.
    """
    with _local(folder) if name == "local" else _namespaces() as lab:
        yield lab


@contextlib.contextmanager
def _local(folder: Path) -> Iterator[TruthLab]:
    workers: dict[str, WorkerProcess] = {}
    try:
        for name, slowdown in DEVICES.items():
            options = [f"--name={name}", f"--store={folder / name}", f"--slowdown={slowdown}"]
            workers[name] = WorkerProcess(
                [*options, "--control-port=0", "--data-port=0"], folder / f"{name}.log"
            )
            try:
                workers[name].wait_ready()
            except UsageError as error:
                raise LabError(f"worker {name} did not start: {error}") from error
        devices = [
            {
                "name": name,
                "kind": "local",
                "host": "127.0.0.1",
                "control_port": worker.control_port,
                "data_port": worker.data_port,
                "shaping": "emulated",
            }
            for name, worker in workers.items()
        ]
        path = folder / "lab.json"
        path.write_text(json.dumps({"name": "truth", "devices": devices}))
        yield TruthLab(path, {name: name for name in DEVICES})
    finally:
        for worker in workers.values():
            worker.end()


@contextlib.contextmanager
def _namespaces() -> Iterator[TruthLab]:
    names = {name: f"pi{number}" for number, name in enumerate(DEVICES, start=1)}
    slowdowns = {names[name]: slowdown for name, slowdown in DEVICES.items()}
    state = _ROOT / ".edgecut"
    if (state / "namespaces").exists():
        raise LabError("a lab of namespaces is up; remove it first: scripts/lab-down -e kind=namespaces")
    try:
        _play("namespaces", "virtual_lab", pis=len(names))
        _play("namespaces", "deploy", slowdown=f"{{{{ {slowdowns}[inventory_hostname] }}}}")
        yield TruthLab(state / "namespaces.json", names, "namespaces")
    finally:
        for playbook, settings in (("teardown", {}), ("virtual_lab", {"state": "absent"})):
            with contextlib.suppress(ControllerError):
                _play("namespaces", playbook, **settings)


def _play(inventory: str, playbook: str, **settings: object) -> None:
    """Run a playbook. Raises ControllerError: it failed."""
    options = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    command = ["playbook", "-i", f"inventory/{inventory}", f"ansible/{playbook}.yml", *options]
    call("ansible", *command)


def call(package: str, *arguments: object) -> str:
    """Run a command in the repository, as a user does; returns what it printed.

    Raises:
        ControllerError: The command failed; the message has its reason.
    """
    done = subprocess.run(
        [sys.executable, "-m", package, *map(str, arguments)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["no output"]
        # Ansible prints its tasks' errors between other lines.
        reason = next((line for line in reversed(lines) if line.startswith("[ERROR]")), lines[-1])
        raise ControllerError(f"{package} {arguments[0]} failed: {reason.removeprefix('error: ')}")
    return done.stdout
