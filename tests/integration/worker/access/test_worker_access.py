"""Who is served by a worker that has the lab's key or certificates, on both ports."""

import contextlib
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.labs import LabWorker
from tests.integration.waiting import wait_until
from tests.integration.worker.access.clients import (
    KINDS,
    PORTS,
    Access,
    certificates,
    heard,
    is_served,
    new_key,
    port_of,
    raw,
    try_to_open,
)
from tests.integration.worker.conftest import StartWorker
from worker.wire.control import send_message
from worker.wire.errors import DeniedError
from worker.wire.joining import open_data_connection
from worker.wire.messages import JoinLink
from worker.wire.opening import shake_hands
from worker.wire.security import OPEN, Role, Security
from worker.wire.security.tls import TlsSecurity
from worker.wire.stream import SocketStream, make_preamble


@pytest.mark.parametrize("port", PORTS)
def test_nobody_from_elsewhere_is_served(worker: LabWorker, access: Access, port: str) -> None:
    assert is_served(worker, access.good) == 0
    with pytest.raises(DeniedError, match=access.refusal):
        try_to_open(worker, port, access.wrong)
    with pytest.raises(DeniedError, match=f"uses {access.words}, but this end uses no authentication: "):
        try_to_open(worker, port, OPEN)
    wait_until(lambda: is_served(worker, access.good) == 2)
    denied = [line for line in worker.log.read_text().splitlines() if "denied: " in line]
    assert len(denied) == 2 and all(f" {port} connection from 127.0.0.1:" in line for line in denied)


@pytest.mark.parametrize("port", PORTS)
def test_a_worker_from_elsewhere_is_not_believed(
    start_worker: StartWorker, access: Access, tmp_path: Path, port: str
) -> None:
    with pytest.raises(DeniedError, match=f"uses no authentication, but this end uses {access.words}: "):
        try_to_open(start_worker("pi"), port, access.good)
    if access.method == 1:
        other = ("--key-file", str(new_key(tmp_path / "other.key")))
    else:
        other = ("--certificates", str(certificates(tmp_path / "tls", "pi") / "pi"))
    with pytest.raises(DeniedError, match="rejects the key|has no certificate of this lab"):
        try_to_open(start_worker("other", *other), port, access.good)


@pytest.mark.parametrize("port", PORTS)
def test_what_a_good_client_said_lets_nobody_else_in(
    start_worker: StartWorker, with_key: Access, port: str
) -> None:
    key = with_key.good
    worker = start_worker("pi", *with_key.options)
    said = _recorded(worker, port, key)
    assert len(said) == 16 + 32 + 32
    for replayed in (said, said[:-1], said[:48], said[:20], said[:-32] + said[16:48]):
        with raw(worker, port) as connection:
            connection.sendall(replayed)
            connection.shutdown(socket.SHUT_WR)
            # Its preamble and nonce, and no proof.
            assert len(heard(connection)) == 48
    with raw(worker, port) as connection:
        # Its own words back to it.
        mirror = connection.recv(48, socket.MSG_WAITALL)
        connection.sendall(mirror + mirror[16:])
        assert heard(connection) == b""
    assert is_served(worker, key) == 6


class _Recorded(SocketStream):
    """Keeps what is sent on it."""

    said = b""

    def send(self, buffers: Sequence[memoryview]) -> None:
        self.said += b"".join(buffers)
        super().send(buffers)


def _recorded(worker: LabWorker, port: str, key: Security) -> bytes:
    """What a good client sends."""
    connection = socket.create_connection(("127.0.0.1", port_of(worker, port)))
    with contextlib.closing(_Recorded(connection, "worker")) as stream:
        shake_hands(stream, KINDS[port], Role.OPENER, key, timeout_s=5)
        return stream.said


@pytest.mark.parametrize("port", PORTS)
def test_garbage_is_denied_and_a_good_client_served(worker: LabWorker, access: Access, port: str) -> None:
    preamble = make_preamble(KINDS[port], access.method)
    garbage = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        secrets.token_bytes(5000),
        preamble[:7],
        preamble + bytes(500),
        preamble + secrets.token_bytes(64) + b"\xff" * 1000,
        make_preamble(KINDS[port], 0) + b"\x08\x00\x00\x00\x81\xa4type\xa5Query",
        make_preamble(KINDS[port], 77),
        make_preamble(KINDS["data" if port == "control" else "control"], access.method),
    ]
    for words in garbage:
        with raw(worker, port) as connection, contextlib.suppress(OSError):
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)
            # OpenSSL may tell why it closes.
            assert len(heard(connection)) <= access.says_bytes + 7
    assert is_served(worker, access.good) == len(garbage)


def test_a_device_may_not_control_another_one_nor_speak_for_it(
    start_worker: StartWorker, with_tls: Access, authority: Path
) -> None:
    worker = start_worker("pi", *with_tls.options)
    server = TlsSecurity(authority / "server", "server")
    with pytest.raises(DeniedError, match="does not accept our certificate"):
        try_to_open(worker, "control", server)
    assert "is 'server' by its certificate, which may not control us" in worker.log.read_text()
    try_to_open(worker, "control", TlsSecurity(authority / "pi", "pi"))
    for port in PORTS:
        with pytest.raises(DeniedError, match="is 'pi' by its certificate, not 'server'"):
            try_to_open(worker, port, with_tls.good, expected="server")
    with contextlib.closing(open_data_connection("127.0.0.1", worker.data_port, server)) as stream:
        assert stream.identity == "pi"
        send_message(stream, JoinLink(pipeline="p", link="in", sender="desk"))
        assert stream.receive_into(memoryview(bytearray(1))) == 0
    assert "claims to be 'desk', but its certificate names 'server'" in worker.log.read_text()
