"""The benchmark's own workers: processes on this machine, one core each."""

import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import psutil

from controller.errors import LabError
from controller.lab.certificates import Authority
from controller.lab.inventory import Certificates, Device, KeyFile, Lab
from controller.lab.worker_pool import WorkerPool
from exporter.bundle import Bundle
from worker.service.launch import WORKER, WorkerProcess
from worker.wire.errors import UsageError
from worker.wire.security import CERTIFICATE_FILE

__all__ = ["DEVICES", "Fleet", "choose_cores"]

DEVICES = ("first", "second")

_KEY = "lab.key"
_AUTHORITY = "lab.tls"


def choose_cores(requested: str | None, devices: Sequence[str] = DEVICES) -> tuple[int, ...]:
    """Choose a core for each device: the `requested` ones, such as `0,1`, or the first usable ones.

    Raises:
        LabError: A requested core is not usable, or the host has too few.
    """
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(usable) < len(devices):
        raise LabError(
            f"the benchmark's {len(devices)} devices need a core each, but this process may use "
            f"{len(usable)}: devices that share a core give wrong figures; use a larger host"
        )
    if requested is None:
        return tuple(usable[: len(devices)])
    try:
        cores = tuple(int(part) for part in requested.split(","))
    except ValueError:
        cores = ()
    if len(set(cores)) != len(devices) or not set(cores) <= set(usable):
        raise LabError(
            f"--cores {requested}: name {len(devices)} different cores of {','.join(map(str, usable))}, "
            "one for each device"
        )
    return cores


class Fleet:
    """Run the workers `DEVICES` for one measurement or many."""

    def __init__(
        self,
        cores: Sequence[int],
        bundles: Sequence[Bundle],
        *,
        command: Sequence[str] = WORKER,
        security: Literal["none", "key", "tls"] = "none",
    ) -> None:
        """Prepare the workers; entering starts them.

        Args:
            cores: One for each of `DEVICES`.
            bundles: Bundles in the workers' stores, as after `deploy.yml`.
            command: Replacement for `python -m worker`, for tests.
            security: Security of the connections.
        """
        self._cores = cores
        self._bundles = bundles
        self._command = command
        self._folder = tempfile.TemporaryDirectory(prefix="edgecut-bench-")
        self._security = security
        self._workers: dict[str, WorkerProcess] = {}
        self.pool: WorkerPool

    def __enter__(self) -> Self:
        try:
            for name, core in zip(DEVICES, self._cores, strict=True):
                self._start(name, core)
            self._open_pool()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.pool.close()
        self._end()

    def lab(self, shaping: Literal["emulated", "none"] = "none") -> Lab:
        """The workers as a lab, with or without emulated networks."""
        devices = tuple(
            Device(
                name=name,
                kind="local",
                host="127.0.0.1",
                control_port=worker.control_port,
                data_port=worker.data_port,
                shaping=shaping,
            )
            for name, worker in self._workers.items()
        )
        folder = Path(self._folder.name)
        proofs = {
            "none": None,
            "key": KeyFile(str(folder / _KEY)),
            "tls": Certificates(str(folder / _AUTHORITY)),
        }
        return Lab(name="bench", devices=devices, security=proofs[self._security])

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Release the workers, so that another controller may claim them."""
        self.pool.close()
        try:
            yield
        finally:
            self._open_pool()

    def _open_pool(self) -> None:
        self.pool = WorkerPool(self.lab(), DEVICES, wait_s=5.0)
        self.pool.__enter__()

    def resident_bytes(self) -> list[int]:
        """Resident memory of each worker."""
        return [psutil.Process(worker.pid).memory_info().rss for worker in self._workers.values()]

    def _start(self, name: str, core: int) -> None:
        folder = Path(self._folder.name) / name
        bundles = folder / "bundles"
        bundles.mkdir(parents=True)
        for bundle in self._bundles:
            # Delivery is not measured.
            (bundles / bundle.digest).symlink_to(bundle.path.absolute())
        options = ["--name", name, "--store", str(folder), "--control-port", "0", "--data-port", "0"]
        options += ["--cpu", str(core), *self._secrets(name)]
        worker = WorkerProcess(options, folder / "worker.log", command=self._command)
        self._workers[name] = worker
        try:
            worker.wait_ready()
        except UsageError as error:
            raise LabError(f"the benchmark's worker {name} did not start: {error}") from error

    def _secrets(self, name: str) -> list[str]:
        """Create a worker's secrets; returns its options for them."""
        folder = Path(self._folder.name)
        match self._security:
            case "key":
                file = folder / _KEY
                if not file.exists():
                    file.touch(0o600)
                    file.write_text(secrets.token_hex(32))
                return ["--key-file", str(file)]
            case "tls":
                own = folder / name
                with Authority(folder / _AUTHORITY) as authority:
                    (own / "ca.pem").write_bytes(authority.ca_pem)
                    (own / CERTIFICATE_FILE).write_bytes(authority.issue(name).pem)
                return ["--certificates", str(own)]
        return []

    def _end(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()
        self._folder.cleanup()
