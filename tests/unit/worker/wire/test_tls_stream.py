"""The stream over TLS: as the plain one, for two threads at once, and proof against meddling."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from controller.lab.certificates import Authority
from worker.wire.errors import PeerError, WorkerError
from worker.wire.opening import shake_hands
from worker.wire.security import Role
from worker.wire.security.tls import TlsSecurity
from worker.wire.stream import ConnectionKind, SocketStream

Ends = tuple[SocketStream, SocketStream]


@pytest.fixture(scope="module")
def securities(tmp_path_factory: pytest.TempPathFactory) -> dict[Role, TlsSecurity]:
    folder = tmp_path_factory.mktemp("lab")
    own = folder / "pi"
    own.mkdir()
    with Authority(folder) as authority:
        (own / "ca.pem").write_bytes(authority.ca_pem)
        (own / "device.pem").write_bytes(authority.issue("pi").pem)
    return {Role.OPENER: TlsSecurity(folder, "controller"), Role.LISTENER: TlsSecurity(own, "pi")}


@pytest.fixture
def ends(securities: dict[Role, TlsSecurity]) -> Iterator[Ends]:
    with secured(securities, *connected()) as both:
        yield both


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


@contextlib.contextmanager
def secured(securities: dict[Role, TlsSecurity], one: socket.socket, other: socket.socket) -> Iterator[Ends]:
    found: dict[Role, SocketStream] = {}

    def begin(role: Role, connection: socket.socket) -> None:
        stream = SocketStream(connection, role.name.lower())
        found[role] = shake_hands(stream, ConnectionKind.CONTROL, role, securities[role], timeout_s=5)

    thread = threading.Thread(target=begin, args=(Role.LISTENER, other))
    thread.start()
    begin(Role.OPENER, one)
    thread.join()
    yield found[Role.OPENER], found[Role.LISTENER]
    for stream in found.values():
        stream.close()


def in_thread(task: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=task)
    thread.start()
    return thread


def test_each_end_knows_the_other(ends: Ends) -> None:
    assert [stream.identity for stream in ends] == ["pi", "controller"]


@pytest.mark.parametrize(
    "sizes", [(1,), (0, 3, 0), (48, 800_000), (16_384, 16_384), (5, 16_384, 1, 40_000, 0, 7), (3_200_000,)]
)
def test_buffers_of_any_size_come_as_they_went(ends: Ends, sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    buffers = [rng.integers(0, 256, size, np.uint8).tobytes() for size in sizes]
    whole = b"".join(buffers)
    sending = in_thread(lambda: ends[0].send([memoryview(buffer) for buffer in buffers]))
    found = bytearray(len(whole))
    assert ends[1].receive_into(memoryview(found)) == len(whole)
    sending.join()
    assert found == whole


def test_both_ends_send_and_receive_at_once(ends: Ends) -> None:
    payload = bytes(range(256)) * 4096
    received: list[bytes] = []

    def send(stream: SocketStream) -> None:
        for _ in range(8):
            stream.send([memoryview(payload)])

    def receive(stream: SocketStream) -> None:
        for _ in range(8):
            found = bytearray(len(payload))
            assert stream.receive_into(memoryview(found)) == len(payload)
            received.append(bytes(found))

    threads = [in_thread(lambda s=s, do=do: do(s)) for s in ends for do in (send, receive)]  # type: ignore[misc]
    for thread in threads:
        thread.join(60)
    assert received == [payload] * 16


def test_the_end_of_one_is_seen_by_the_other_and_wakes_who_waits(ends: Ends) -> None:
    assert not ends[0].has_ended()
    waiting = in_thread(lambda: ends[1].receive_into(memoryview(bytearray(1))))
    ends[1].shut()
    waiting.join(5)
    assert not waiting.is_alive()
    assert ends[0].receive_into(memoryview(bytearray(1))) == 0
    assert ends[0].has_ended()
    with pytest.raises(PeerError):
        for _ in range(100):
            ends[0].send([memoryview(bytes(100_000))])
    with pytest.raises(PeerError):
        ends[1].send([memoryview(b"plain text")])


def test_who_sends_nothing_or_takes_nothing_in_time_is_told(ends: Ends) -> None:
    ends[0].set_timeout(0.05)
    with pytest.raises(PeerError, match="sent nothing in time"):
        ends[0].receive_into(memoryview(bytearray(1)))
    with pytest.raises(PeerError, match="accepts no more bytes"):
        for _ in range(1000):
            ends[0].send([memoryview(bytes(1_000_000))])


def test_who_stops_in_the_middle_is_cut_off(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.wire.security.tls_stream.STALL_S", 0.1)
    ends[1].send([memoryview(b"12")])
    began_s = time.monotonic()
    with pytest.raises(PeerError):
        ends[0].receive_into(memoryview(bytearray(3)))
    assert time.monotonic() - began_s < 5


def test_a_bit_that_was_changed_on_the_way_ends_the_connection(
    securities: dict[Role, TlsSecurity],
) -> None:
    opener, near = connected()
    far, listener = connected()
    meddle = threading.Event()

    def forth() -> None:
        with contextlib.suppress(OSError):
            while part := bytearray(near.recv(65_536)):
                if meddle.is_set():
                    part[-1] ^= 1
                far.sendall(part)

    def back() -> None:
        with contextlib.suppress(OSError):
            while part := far.recv(65_536):
                near.sendall(part)

    threads = [in_thread(forth), in_thread(back)]
    with secured(securities, opener, listener) as (one, other):
        one.send([memoryview(b"as it was")])
        assert other.receive_into(memoryview(bytearray(9))) == 9
        meddle.set()
        one.send([memoryview(b"as it was")])
        with pytest.raises(WorkerError):
            other.receive_into(memoryview(bytearray(9)))
    for connection in (near, far):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    for thread in threads:
        thread.join(5)


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"ca\.pem cannot be used \(No such file or directory\)"):
        TlsSecurity(tmp_path, "pi")
    with Authority(tmp_path):
        pass
    (tmp_path / "device.pem").write_text("nothing")
    with pytest.raises(WorkerError, match=r"device\.pem cannot be used \(.*\): `edgecut deploy` makes it"):
        TlsSecurity(tmp_path, "pi")


def test_who_drips_is_cut_off_and_who_sends_in_bursts_is_waited_for(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.wire.security.tls_stream.STALL_S", 0.5)
    sender, receiver = ends

    def send_bursts() -> None:
        for _ in range(4):
            sender.send([memoryview(bytes(2000))])
            time.sleep(0.3)

    sending = in_thread(send_bursts)
    assert receiver.receive_into(memoryview(bytearray(8000)), begun=True) == 8000
    sending.join()

    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):
            sender.send([memoryview(b"E")])

    dripping = in_thread(drip)
    with pytest.raises(PeerError, match="too slow"):
        receiver.receive_into(memoryview(bytearray(10_000)))
    over.set()
    dripping.join()


@pytest.mark.parametrize("sent_bytes", [1, 16_384, 16_385, 100_000])
def test_tls_adds_as_much_as_the_kernel_counts(ends: Ends, sent_bytes: int) -> None:
    def bytes_sent() -> int:
        # Linux's `struct tcp_info` has `tcpi_bytes_sent` at byte 200.
        info = ends[0]._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 208)
        return int(struct.unpack_from("=Q", info, 200)[0])

    header, payload = bytes(min(sent_bytes - 1, 34)), bytes(max(1, sent_bytes - 34))
    buffers = [memoryview(header), memoryview(payload)]
    whole = sum(map(len, buffers))
    assert whole == sent_bytes
    before = bytes_sent()
    receiving = in_thread(lambda: ends[1].receive_into(memoryview(bytearray(whole))))
    ends[0].send(buffers)
    receiving.join()
    assert bytes_sent() - before == ends[0].tcp_bytes(sent_bytes)
