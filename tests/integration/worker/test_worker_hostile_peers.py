"""Peers that cheat or talk nonsense: the worker says so and lives on."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import msgspec
import pytest

from tests.integration.labs import LabWorker
from tests.integration.waiting import is_idle, wait_until
from tests.integration.worker.conftest import StartWorker
from tests.unit.worker.tiny import TinyBundle, link, tensors
from worker.wire.control import ControlConnection, receive_message, send_message
from worker.wire.errors import PeerError, ProtocolError, RequestError
from worker.wire.frames import LinkLayout
from worker.wire.messages import (
    BuildPipeline,
    Done,
    HopSpec,
    JoinLink,
    OpenLinks,
    Problem,
    Query,
)
from worker.wire.opening import shake_hands
from worker.wire.security import Role
from worker.wire.stream import MAGIC, VERSION, ConnectionKind, SocketStream, connect

_joined_decoder: "msgspec.msgpack.Decoder[Done | Problem]" = msgspec.msgpack.Decoder(Done | Problem)


def test_another_protocol_version_is_told_on_both_ends(start_worker: StartWorker) -> None:
    worker = start_worker("pi")
    with socket.create_connection(("127.0.0.1", worker.control_port)) as old:
        old.sendall(struct.pack("<8sHBB4s", MAGIC, VERSION + 1, 1, 0, bytes(4)))
        assert old.recv(16, socket.MSG_WAITALL)[:10] == MAGIC + VERSION.to_bytes(2, "little")
        assert old.recv(1) == b""
    assert f"speaks protocol {VERSION + 1}, this end {VERSION}" in worker.log.read_text()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer_as_a_later_version, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        told = f"worker at 127.0.0.1:{port} speaks protocol {VERSION + 1}, this end {VERSION}"
        with pytest.raises(ProtocolError, match=told):
            ControlConnection.open("127.0.0.1", port)


def _answer_as_a_later_version(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(struct.pack("<8sHBB4s", MAGIC, VERSION + 1, 1, 0, bytes(4)))
        connection.recv(16)


def test_the_data_port_is_not_the_control_port(start_worker: StartWorker) -> None:
    worker = start_worker("pi")
    with pytest.raises(ProtocolError, match="is for data, not for control"):
        ControlConnection.open("127.0.0.1", worker.data_port)


PREAMBLE = struct.pack("<8sHBB4s", MAGIC, VERSION, 1, 0, bytes(4))


GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\0" * 100,
    b"EDGECUT\0",
    struct.pack("<8sHBB4s", MAGIC, VERSION, 1, 7, bytes(4)),
    PREAMBLE + b"\xff\xff\xff\xff",
    PREAMBLE + struct.pack("<I", 5) + b"hello",
    PREAMBLE + struct.pack("<I", 1000) + b"cut short",
    PREAMBLE + struct.pack("<I", 9) + b"\x81\xa4type\xa3Run",
]


def test_garbage_on_either_port_leaves_the_worker_serving(start_worker: StartWorker) -> None:
    worker = start_worker("pi")
    for port in (worker.control_port, worker.data_port):
        for garbage in GARBAGE:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.settimeout(10)
                # It may be closed on us at any point; it must not be kept.
                with contextlib.suppress(OSError):
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
    with worker.claim() as connection:
        assert connection.ask(Query()).name == "pi"
    assert worker.process.poll() is None


def test_a_message_too_long_is_refused_before_it_is_read(start_worker: StartWorker) -> None:
    worker = start_worker("pi")
    with contextlib.closing(connect("127.0.0.1", worker.control_port, timeout_s=5)) as stream:
        shake_hands(stream, ConnectionKind.CONTROL, Role.OPENER, timeout_s=5)
        stream.send([memoryview(struct.pack("<I", 64 * 1024 + 1))])
        told = receive_message(stream, msgspec.msgpack.Decoder(Problem), limit_bytes=10_000)
        assert told is not None
        assert told.kind == "refused"
        assert "at most 65536 are accepted" in told.text


def _half_built(worker: LabWorker, bundle: TinyBundle, depth: int = 2) -> ControlConnection:
    """A stage whose neighbours we play ourselves."""
    connection = worker.claim()
    links = (link("in", 0, 1, port=worker.data_port), link("out", 1, 1, port=1))
    hop = HopSpec(shard=bundle.ref(0, 1), inlet="in", outlet="out")
    connection.ask(BuildPipeline(name="p", depth=depth, links=links, hops=(hop,)))
    return connection


@contextlib.contextmanager
def _joined(
    worker: LabWorker, name: str, pipeline: str = "p"
) -> Iterator[tuple[SocketStream, Done | Problem]]:
    """A connection to the worker's data port that asks to be a link, and the worker's answer."""
    with contextlib.closing(connect("127.0.0.1", worker.data_port, timeout_s=5)) as stream:
        shake_hands(stream, ConnectionKind.DATA, Role.OPENER, timeout_s=5)
        send_message(stream, JoinLink(pipeline=pipeline, link=name, sender="us"))
        reply = receive_message(stream, _joined_decoder, limit_bytes=10_000)
        assert reply is not None
        yield stream, reply


def _answer_to_join(worker: LabWorker, name: str, pipeline: str = "p") -> Done | Problem:
    with _joined(worker, name, pipeline) as (_, reply):
        return reply


def test_only_expected_links_are_taken_and_only_once(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    assert isinstance(_answer_to_join(worker, "in"), Problem)
    with _half_built(worker, tiny_bundle):
        assert isinstance(_answer_to_join(worker, "other"), Problem)
        assert isinstance(_answer_to_join(worker, "in", pipeline="q"), Problem)
        with _joined(worker, "in") as (_, first):
            assert isinstance(first, Done)
            second = _answer_to_join(worker, "in")
            assert isinstance(second, Problem)
            assert "already connected" in second.text


def test_a_frame_of_other_tensors_ends_the_pipeline_not_the_worker(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    agreed = LinkLayout(tensors(0, 1)).new_prefix()
    wider = LinkLayout(tensors(0, 2)).new_prefix()
    unknown = bytearray(agreed)
    unknown[8] = 9
    huge = bytearray(agreed)
    huge[16:24] = b"\xff" * 8
    for frame in (wider, unknown, huge, bytearray(b"\xff" * len(agreed))):
        connection = _half_built(worker, tiny_bundle)
        with _joined(worker, "in") as (stream, _):
            stream.send([memoryview(frame)])
            with contextlib.suppress(PeerError):
                while stream.receive_into(memoryview(bytearray(1))):
                    pass
        with pytest.raises(RequestError, match="link in: worker us .* sent") as caught:
            connection.ask(OpenLinks())
        assert caught.value.problem().kind == "peer"
        connection.close()
        wait_until(lambda: is_idle(worker))
    with worker.claim() as connection:
        assert connection.ask(Query()).name == "pi"


def test_more_requests_than_the_depth_are_refused(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    with socket.create_server(("127.0.0.1", 0)) as sink, worker.claim() as connection:
        links = (link("in", 0, 1, port=worker.data_port), link("out", 1, 1, port=sink.getsockname()[1]))
        hop = HopSpec(shard=tiny_bundle.ref(0, 1), inlet="in", outlet="out")
        connection.ask(BuildPipeline(name="p", depth=2, links=links, hops=(hop,)))
        done = threading.Event()
        taking = threading.Thread(target=_take_link_and_read_nothing, args=(sink, done))
        taking.start()
        connection.ask(OpenLinks())
        layout = LinkLayout(tensors(0, 1))
        prefix, payload = layout.new_prefix(), bytes(layout.payload_bytes)
        with _joined(worker, "in") as (stream, _), pytest.raises(PeerError):
            for request in range(10_000_000):
                layout.address(prefix, request)
                stream.send([memoryview(prefix), memoryview(payload)])
        wait_until(lambda: "more than 2 requests before one came back" in _why(connection))
        done.set()
        taking.join()


def _take_link_and_read_nothing(listener: socket.socket, done: threading.Event) -> None:
    accepted, _ = listener.accept()
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.closing(SocketStream(accepted, "worker")) as stream:
        shake_hands(stream, ConnectionKind.DATA, Role.LISTENER, timeout_s=5)
        receive_message(stream, msgspec.msgpack.Decoder(JoinLink), limit_bytes=10_000)
        send_message(stream, Done())
        done.wait(60)


def _why(connection: ControlConnection) -> str:
    try:
        connection.ask(OpenLinks())
    except RequestError as error:
        return error.problem().text
    return ""
