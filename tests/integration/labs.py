"""Labs of real workers on this machine, and experiments for them."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.integration.ports import free_ports
from worker.service.launch import WORKER, WorkerProcess
from worker.wire.control import ControlConnection
from worker.wire.errors import RequestError
from worker.wire.messages import Claim

__all__ = ["NAMES", "LabWorker", "add", "running_workers", "tiny_lab", "write_experiment", "write_lab"]

NAMES = ("pi", "server")


class LabWorker:
    """A worker on two ports of its own, which it comes back on."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *options: str,
        host: str = "127.0.0.1",
        command: Sequence[str] = WORKER,
    ) -> None:
        self.name = name
        self.host = host
        self.store = folder / name
        self.log = folder / f"{name}.log"
        self.control_port = free_ports(2)
        self.data_port = self.control_port + 1
        self._options = options
        self._command = command
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        told = {"name": self.name, "host": self.host, "store": self.store}
        told |= {"control-port": self.control_port, "data-port": self.data_port}
        options = [f"--{key}={value}" for key, value in told.items()]
        started = WorkerProcess([*options, *self._options], self.log, command=self._command)
        started.wait_ready()
        self.process = started.process
        self.pid = started.pid

    def device(self, shaping: str = "emulated") -> dict[str, Any]:
        """Its entry in a lab file."""
        ports = {"control_port": self.control_port, "data_port": self.data_port}
        return {"name": self.name, "kind": "local", "host": self.host, "shaping": shaping} | ports

    def open(self) -> ControlConnection:
        return ControlConnection.open("127.0.0.1", self.control_port, timeout_s=5.0)

    def claim(self, holder: str = "test") -> ControlConnection:
        """Claim it, as soon as it has noticed that its holder before has gone."""
        deadline_s = time.monotonic() + 20
        connection = self.open()
        while True:
            try:
                connection.ask(Claim(holder=holder))
                return connection
            except RequestError as error:
                if error.problem().kind != "busy" or time.monotonic() > deadline_s:
                    connection.close()
                    raise
            time.sleep(0.005)

    def stop(self) -> int:
        """End it in order; returns the exit code."""
        self.process.terminate()
        return self.process.wait(15)

    def kill(self) -> float:
        """Pull its plug; returns the time."""
        now_s = time.monotonic()
        self.process.kill()
        self.process.wait()
        return now_s


@contextmanager
def running_workers(
    folder: Path,
    names: Iterable[str] = NAMES,
    *options: str,
    of_each: Mapping[str, Sequence[str]] | None = None,
    kind: type[LabWorker] = LabWorker,
) -> Iterator[dict[str, Any]]:
    """Run a worker for each name, with `options` and with those `of_each`."""
    started: dict[str, LabWorker] = {}
    try:
        for name in names:
            started[name] = kind(folder, name, *options, *(of_each or {}).get(name, ()))
        yield started
    finally:
        for worker in started.values():
            worker.kill()


@contextmanager
def tiny_lab(folder: Path, names: Iterable[str] = NAMES, *options: str) -> Iterator[Path]:
    """Run a worker for each name; gives the lab file. Links are emulated."""
    with running_workers(folder, names, *options) as workers:
        yield write_lab(folder, workers.values())


def write_lab(folder: Path, devices: Iterable[LabWorker | dict[str, Any]], **more: object) -> Path:
    """Write `lab.json`, of workers or of entries."""
    entries = [one.device() if isinstance(one, LabWorker) else one for one in devices]
    path = folder / "lab.json"
    path.write_text(json.dumps({"name": "test", "devices": entries, **more}))
    return path


def write_experiment(folder: Path, networks_file: str = "ideal: {}\n", /, **keys: object) -> Path:
    """Write `experiment.yml` of short cells, and the networks beside it.

    `keys` are added, or in place of what stands here.
    """
    (folder / "networks.yml").write_text(networks_file)
    said: dict[str, object] = {
        "name": "tiny",
        "models": ["tiny"],
        "networks_file": "networks.yml",
        "networks": [line.partition(":")[0] for line in networks_file.splitlines()],
        "depths": [1],
        "trials": 1,
        "requests": 11,
        "warmup": 2,
        "wait_s": 5,
    }
    path = folder / "experiment.yml"
    path.write_text(yaml.safe_dump(said | keys, sort_keys=False))
    return path


def add(experiment: Path, **keys: object) -> None:
    """Add keys to an experiment file, or replace them."""
    said = yaml.safe_load(experiment.read_text()) | keys
    experiment.write_text(yaml.safe_dump(said, sort_keys=False))
