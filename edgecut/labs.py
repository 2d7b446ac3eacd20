"""Labs for programs: one that `edgecut deploy` made, or one on this machine for as long as it is needed."""

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from controller.errors import LabError
from controller.lab.inventory import Device, KeyFile, Lab
from controller.lab.inventory import load_lab as read_lab
from worker.service.launch import WorkerProcess
from worker.wire.errors import UsageError

__all__ = ["load_lab", "local_lab"]

_SLOWDOWNS: Final[Mapping[str, float]] = MappingProxyType({"pi": 18.0, "server": 1.0})
"""Those of inventory/local, the lab of `edgecut demo`."""

_HOST: Final = "127.0.0.1"


def load_lab(file: Path | str = ".edgecut/local.json") -> Lab:
    """Read the lab file that `edgecut deploy` wrote. Its devices are not contacted.

    Args:
        file: By default that of inventory/local.

    Raises:
        ControllerError: The file is missing, or is not a lab file.
    """
    return read_lab(Path(file))


@contextmanager
def local_lab(slowdowns: Mapping[str, float] = _SLOWDOWNS) -> Iterator[Lab]:
    """Run a lab of worker processes on this machine while the context lasts; needs no Ansible and no root.

    The workers listen on the loopback interface alone, accept the lab's key alone, and emulate the links of a
    network. Each has a core of its own as long as there are enough. They end with the context, and with this
    process if it is killed.

    Args:
        slowdowns: The devices by name, in the order of the chain, with how many times slower than this
            machine each computes.

    Raises:
        ControllerError: A worker does not start.
    """
    if not slowdowns:
        raise LabError("local_lab: name at least one device")
    with tempfile.TemporaryDirectory(prefix="edgecut-lab-") as place, ExitStack() as stack:
        key = Path(place) / "lab.key"
        key.touch(0o600)
        key.write_text(secrets.token_hex(32), encoding="utf-8")
        cores = _cores(len(slowdowns))
        workers = {
            name: stack.enter_context(_worker(Path(place), name, slowdown, key, core))
            for (name, slowdown), core in zip(slowdowns.items(), cores, strict=True)
        }
        devices = tuple(
            Device(
                name=name,
                kind="local",
                host=_HOST,
                control_port=worker.control_port,
                data_port=worker.data_port,
                shaping="emulated",
            )
            for name, worker in workers.items()
        )
        yield Lab(name="local", devices=devices, security=KeyFile(str(key)))


def _cores(count: int) -> list[int | None]:
    """A core for each worker; none where they cannot have one each."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return [*usable[:count]] if len(usable) >= count else [None] * count


@contextmanager
def _worker(place: Path, name: str, slowdown: float, key: Path, core: int | None) -> Iterator[WorkerProcess]:
    folder = place / f"device-{len(list(place.iterdir()))}"
    folder.mkdir()
    options = {
        "name": name,
        "host": _HOST,
        "control-port": 0,
        "data-port": 0,
        "store": folder,
        "slowdown": slowdown,
        "key-file": key,
        "cpu": core,
    }
    given = [f"--{option}={value}" for option, value in options.items() if value is not None]
    worker = WorkerProcess(given, folder / "worker.log", outlives=False)
    try:
        try:
            worker.wait_ready()
        except UsageError as error:
            raise LabError(f"local_lab: worker {name}: {error}") from error
        yield worker
    finally:
        worker.end()
