"""Neighbours and controllers that go away, cheat or talk nonsense: the worker says so and lives on."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import msgspec
import psutil
import pytest

from tests.integration.labs import LabWorker
from tests.integration.worker.chains import Chain
from tests.integration.worker.conftest import StartChain, StartWorker
from tests.unit.worker.tiny import TinyBundle, link, tensors
from worker.wire.control import ControlConnection, receive_message, send_message
from worker.wire.errors import PeerError, ProtocolError, RequestError, WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import (
    BuildPipeline,
    Claim,
    Done,
    HopSpec,
    JoinLink,
    OpenLinks,
    Problem,
    Query,
    Run,
    RunDone,
)
from worker.wire.opening import shake_hands
from worker.wire.security import Role
from worker.wire.stream import MAGIC, VERSION, ConnectionKind, SocketStream, connect

_joined_decoder: "msgspec.msgpack.Decoder[Done | Problem]" = msgspec.msgpack.Decoder(Done | Problem)
ENDLESS = Run(requests=5_000_000)


def in_background(task: Callable[[], RunDone]) -> "Future[RunDone]":
    future: Future[RunDone] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.02)


def is_idle(worker: LabWorker) -> bool:
    with worker.open() as connection:
        return connection.ask(Query()).holder is None


@pytest.mark.parametrize("victim", [1, 2])
def test_a_killed_worker_is_named_and_the_others_are_usable_again(
    start_chain: StartChain, start_worker: StartWorker, tiny_bundle: TinyBundle, victim: int
) -> None:
    chain = start_chain(3, tiny_bundle)
    chain.build([1, 2])
    run = in_background(lambda: chain.first.ask(ENDLESS))
    time.sleep(0.5)

    chain.workers[victim].process.kill()

    with pytest.raises(RequestError, match=rf"worker{victim}|:{chain.workers[victim].data_port}") as caught:
        run.result(5)
    assert caught.value.problem().kind == "peer"
    chain.workers.pop(victim)
    chain.connections.pop(victim).close()
    chain.build([2])
    assert chain.first.ask(Run(requests=12)).checked == 12


@pytest.mark.parametrize("leaver", [0, 1])
def test_a_worker_stopped_in_order_ends_the_run_too(
    start_chain: StartChain, tiny_bundle: TinyBundle, leaver: int
) -> None:
    chain = start_chain(3, tiny_bundle)
    chain.build([1, 2])
    run = in_background(lambda: chain.first.ask(ENDLESS))
    time.sleep(0.3)

    assert chain.workers[leaver].stop() == 0

    with pytest.raises(WorkerError) as caught:
        run.result(5)
    assert leaver == 0 or caught.value.problem().kind == "peer"
    assert "Traceback" not in chain.workers[leaver].log.read_text()


def test_a_neighbour_lost_while_idle_is_told_with_the_next_run(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1])
    chain.workers[1].process.kill()
    chain.workers[1].process.wait()
    # Both of its links are lost at once, and either may be noticed first.
    with pytest.raises(RequestError, match="link[12]") as caught:
        chain.first.ask(Run(requests=1))
    assert caught.value.problem().kind == "peer"


def test_losing_the_controller_in_mid_run_frees_all_workers(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1])
    run = in_background(lambda: chain.first.ask(ENDLESS))
    time.sleep(0.3)

    for connection in chain.connections:
        connection.interrupt()

    with pytest.raises(PeerError):
        run.result(5)
    for worker in chain.workers:
        wait_until(lambda worker=worker: is_idle(worker))  # type: ignore[misc]
    again = Chain(chain.workers, tiny_bundle)
    again.build([3])
    assert again.first.ask(Run(requests=12)).checked == 12
    again.close()


def test_the_second_controller_hears_who_is_first(start_worker: StartWorker) -> None:
    worker = start_worker("pi")
    first = worker.claim("alice@desk")
    with worker.open() as second:
        with pytest.raises(RequestError, match="worker pi is held by alice@desk, for 0 s so far") as caught:
            second.ask(Claim(holder="bob"))
        assert caught.value.problem().kind == "busy"
        info = second.ask(Query())
        assert (info.holder, info.held_s is not None) == ("alice@desk", True)
        first.close()
        wait_until(lambda: second.ask(Query()).holder is None)
        second.ask(Claim(holder="bob"))


def test_work_needs_a_claim(start_worker: StartWorker) -> None:
    with start_worker("pi").open() as connection, pytest.raises(RequestError, match="needs a claim"):
        connection.ask(Run(requests=1))


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


def test_nothing_is_left_behind_by_pipelines_and_controllers(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)

    def once(index: int) -> None:
        connections = Chain(chain.workers, tiny_bundle)
        connections.build([1 + index % 3], depth=1 + index % 4, batch=1 + index % 2)
        connections.first.ask(Run(requests=20, warmup=2))
        connections.close()
        for worker in chain.workers:
            wait_until(lambda worker=worker: is_idle(worker))  # type: ignore[misc]

    def taken() -> list[tuple[int, int]]:
        processes = [psutil.Process(worker.process.pid) for worker in chain.workers]
        return [(process.num_threads(), process.num_fds()) for process in processes]

    chain.close()
    for worker in chain.workers:
        wait_until(lambda worker=worker: is_idle(worker))  # type: ignore[misc]
    once(0)
    wait_until(lambda: taken() == taken())
    before = taken()
    for index in range(30):
        once(index)
    wait_until(lambda: all(now <= then for now, then in zip(taken(), before, strict=True)))
