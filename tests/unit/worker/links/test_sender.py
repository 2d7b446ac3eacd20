"""What leaves at once, what leaves later, and that nothing overtakes; over real sockets."""

import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from worker.links.cancel_scope import CancelScope, ThreadGroup
from worker.links.sender import Sender
from worker.links.slots import Slot
from worker.links.tcp_inlet import TcpInlet
from worker.links.tcp_outlet import TcpOutlet
from worker.wire.errors import PeerError
from worker.wire.messages import LinkSpec, TensorSpec
from worker.wire.stream import SocketStream

DEPTH = 8
SMALL = 16 * 1024
"""Floats of a frame that the kernel takes at once, when nothing else is on its way."""


def connected(buffer_bytes: int | None) -> tuple[SocketStream, SocketStream]:
    """Two ends of a TCP connection; a size makes the kernel hold little on the way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.socket()
        if buffer_bytes is not None:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        one.connect(server.getsockname())
        other, _ = server.accept()
    return SocketStream(one, "receiver"), SocketStream(other, "sender")


class Way:
    """A sender, and an inlet at the other end that nobody reads yet."""

    def __init__(self, floats: int, buffer_bytes: int | None = None) -> None:
        self.scope, far = CancelScope(), CancelScope()
        spec = LinkSpec(
            name="link",
            tensors=(TensorSpec(name="t", dtype="float32", shape=(floats,)),),
            host="far",
            port=7,
        )
        self.outlet = TcpOutlet(spec, DEPTH, self.scope, with_memory=True)
        self.inlet = TcpInlet(spec, DEPTH, far)
        self.sent: list[tuple[int, threading.Thread]] = []
        self.outlet.on_sent = lambda slot, _wait, _send: self.sent.append(
            (slot.request, threading.current_thread())
        )
        here, there = connected(buffer_bytes)
        self.outlet.attach(here)
        self.inlet.attach(there, "near")
        self.sender = Sender(self.outlet, self.scope)
        self.threads = ThreadGroup(self.scope)
        self.sender.begin(self.threads, "link")
        self.far = far

    def send(self, request: int) -> None:
        slot = self.outlet.pool.take()
        assert slot is not None
        slot.request = request
        slot.arrays[0][:] = np.arange(len(slot.arrays[0])) + request
        self.sender.send(slot)

    def receive(self) -> Slot:
        slot = self.inlet.receive()
        assert slot is not None
        return slot

    def close(self) -> None:
        self.scope.end()
        self.far.end()
        self.threads.join()
        self.outlet.close()
        self.inlet.close()


@pytest.fixture(name="ways")
def fixture_ways() -> Iterator[list[Way]]:
    made: list[Way] = []
    yield made
    for way in made:
        way.close()


def test_a_small_frame_leaves_in_the_thread_that_made_it(ways: list[Way]) -> None:
    ways.append(way := Way(SMALL))
    for request in range(20):
        way.send(request)
        slot = way.receive()
        assert slot.request == request
        slot.give_back()
    assert {thread for _, thread in way.sent} == {threading.current_thread()}


def test_a_large_frame_is_for_a_thread_of_its_own(ways: list[Way]) -> None:
    ways.append(way := Way(8 * SMALL))
    way.send(0)
    way.receive().give_back()
    way.scope.end()
    way.threads.join()
    assert [request for request, _ in way.sent] == [0]
    assert way.sent[0][1] is not threading.current_thread()


def test_what_the_kernel_does_not_take_at_once_follows_in_order(ways: list[Way]) -> None:
    ways.append(way := Way(SMALL, buffer_bytes=4096))
    for rounds in range(3):
        # Nobody reads: were these sent in this thread, it would wait for ever.
        for request in range(DEPTH):
            way.send(rounds * DEPTH + request)
        for request in range(DEPTH):
            slot = way.receive()
            assert slot.request == rounds * DEPTH + request
            assert np.array_equal(slot.arrays[0], np.arange(SMALL) + np.float32(slot.request))
            slot.give_back()
    way.scope.end()
    way.threads.join()
    assert [request for request, _ in way.sent] == list(range(3 * DEPTH))


def test_the_end_of_a_pipeline_does_not_wait_for_a_rest(ways: list[Way]) -> None:
    ways.append(way := Way(SMALL, buffer_bytes=4096))
    for request in range(3):
        way.send(request)
    way.scope.end()
    way.threads.join()
    assert len(way.sent) < 3


def test_a_lost_neighbour_is_named(ways: list[Way]) -> None:
    ways.append(way := Way(SMALL))
    way.far.end()
    way.inlet.close()
    assert way.scope.ended.wait(10)
    with pytest.raises(PeerError, match="link link to far:7 was lost"):
        way.sender.send(way.outlet.pool.slots[0])
