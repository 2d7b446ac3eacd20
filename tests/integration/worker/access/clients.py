"""Clients of a worker with a key or certificates: good ones, wrong ones, and bare sockets."""

import contextlib
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.lab.certificates import Authority
from tests.integration.labs import LabWorker
from worker.wire.control import ControlConnection
from worker.wire.joining import open_data_connection
from worker.wire.messages import Query
from worker.wire.security import Security
from worker.wire.stream import ConnectionKind

PORTS = ("control", "data")

KINDS = {"control": ConnectionKind.CONTROL, "data": ConnectionKind.DATA}


@dataclass(frozen=True)
class Access:
    """A kind of security: what the worker is told, who is let in and who is not.

    `says_bytes` is what a worker says of its own accord: a preamble, and a nonce where there is a key.
    """

    method: int
    options: tuple[str, ...]
    good: Security
    wrong: Security
    refusal: str
    words: str
    says_bytes: int


def new_key(path: Path) -> Path:
    path.touch(0o600)
    path.write_text(secrets.token_hex(32) + "\n")
    return path


def certificates(folder: Path, *names: str) -> Path:
    """An authority's folder, and one for each device in it."""
    with Authority(folder) as authority:
        for name in names:
            (folder / name).mkdir()
            (folder / name / "ca.pem").write_bytes(authority.ca_pem)
            (folder / name / "device.pem").write_bytes(authority.issue(name).pem)
    return folder


def port_of(worker: LabWorker, name: str) -> int:
    return worker.control_port if name == "control" else worker.data_port


def is_served(worker: LabWorker, key: Security) -> int:
    """A good client is; returns how many were denied until now."""
    open_data_connection("127.0.0.1", worker.data_port, key).close()
    with ControlConnection.open("127.0.0.1", worker.control_port, key) as connection:
        return connection.ask(Query()).denied


def try_to_open(worker: LabWorker, port: str, security: Security, *, expected: str | None = None) -> None:
    if port == "control":
        ControlConnection.open("127.0.0.1", worker.control_port, security, expected=expected).close()
    else:
        open_data_connection("127.0.0.1", worker.data_port, security, expected=expected).close()


@contextlib.contextmanager
def raw(worker: LabWorker, port: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port_of(worker, port))) as connection:
        connection.settimeout(10)
        yield connection


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(4096):
            found += part
    return found
