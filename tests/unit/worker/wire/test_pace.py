"""Who sends slowly or in part is cut off in time, and no memory is taken for what does not come."""

import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest

from tests.memory_stream import memory_pair
from worker.wire import stream as streams
from worker.wire.control import receive_message
from worker.wire.errors import PeerError
from worker.wire.messages import Query
from worker.wire.opening import shake_hands
from worker.wire.security import Role
from worker.wire.stream import ConnectionKind, SocketStream

Pair = tuple[SocketStream, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Our stream, and the socket of who is at the other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    stream = SocketStream(ours, "them")
    yield stream, theirs
    stream.close()
    theirs.close()


def drip(theirs: socket.socket, every_s: float, ended: threading.Event) -> None:
    """One byte after the other, each well before any timeout."""
    while not ended.wait(every_s):
        try:
            theirs.send(b"E")
        except OSError:
            return


def test_a_timeout_is_until_the_last_byte(pair: Pair) -> None:
    stream, theirs = pair
    ended = threading.Event()
    dripping = threading.Thread(target=drip, args=(theirs, 0.05, ended))
    dripping.start()
    try:
        with pytest.raises(PeerError, match="them sent nothing in time"):
            shake_hands(stream, ConnectionKind.CONTROL, Role.LISTENER, timeout_s=0.3)
        stream.set_timeout(0.3)
        with pytest.raises(PeerError, match="in time"):
            stream.receive_into(memoryview(bytearray(100)))
    finally:
        ended.set()
        dripping.join()


@pytest.mark.parametrize("kind", ["socket", "memory"])
def test_a_message_must_be_whole_in_time(pair: Pair, kind: str) -> None:
    stream, theirs = pair
    sender, receiver = memory_pair()
    begin = struct.pack("<I", 100) + b"cut"
    if kind == "socket":
        theirs.sendall(begin)
    else:
        sender.send([memoryview(begin)])
    with pytest.raises(PeerError, match="sent nothing in time"):
        receive_message(
            stream if kind == "socket" else receiver,
            msgspec.msgpack.Decoder(Query),
            limit_bytes=1000,
            within_s=0.2,
        )


def test_a_length_alone_takes_no_memory(pair: Pair) -> None:
    stream, theirs = pair
    theirs.sendall(struct.pack("<I", 2**30) + bytes(1000))
    theirs.shutdown(socket.SHUT_WR)
    tracemalloc.start()
    try:
        with pytest.raises(PeerError, match="in the middle of a message"):
            receive_message(stream, msgspec.msgpack.Decoder(Query), limit_bytes=2**31)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_long_message_arrives_whole(pair: Pair) -> None:
    stream, theirs = pair
    told = msgspec.msgpack.encode(bytes(range(256)) * 20_000)
    sending = threading.Thread(target=theirs.sendall, args=(struct.pack("<I", len(told)) + told,))
    sending.start()
    got = receive_message(stream, msgspec.msgpack.Decoder(bytes), limit_bytes=2**30, within_s=30.0)
    sending.join()
    assert got == bytes(range(256)) * 20_000


@pytest.mark.parametrize("sent", [0, 10])
def test_who_stops_in_the_middle_of_a_frame_is_cut_off(monkeypatch: pytest.MonkeyPatch, sent: int) -> None:
    stream, theirs = impatient(monkeypatch)
    with theirs:
        theirs.sendall(bytes(sent))
        with pytest.raises(PeerError, match="stalled, or is too slow"):
            stream.receive_into(memoryview(bytearray(100)), begun=True)
    stream.close()


def test_who_drips_a_frame_is_cut_off_and_who_begins_none_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, theirs = impatient(monkeypatch)
    ended = threading.Event()
    with theirs:
        late = threading.Timer(1.2, theirs.sendall, args=(bytes(24),))
        late.start()
        assert stream.receive_into(memoryview(bytearray(24))) == 24
        late.join()
        dripping = threading.Thread(target=drip, args=(theirs, 0.05, ended))
        dripping.start()
        with pytest.raises(PeerError, match="too slow"):
            stream.receive_into(memoryview(bytearray(10_000)))
        ended.set()
        dripping.join()
    stream.close()


def test_a_frame_that_comes_in_bursts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, theirs = impatient(monkeypatch)

    def send() -> None:
        for _ in range(4):
            theirs.sendall(bytes(2000))
            time.sleep(0.2)

    with theirs:
        sending = threading.Thread(target=send)
        sending.start()
        assert stream.receive_into(memoryview(bytearray(8000)), begun=True) == 8000
        sending.join()
    stream.close()


def impatient(monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A pair whose stream waits half a second for what has begun, where others wait longer."""
    monkeypatch.setattr(streams, "STALL_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    return SocketStream(ours, "them"), theirs
