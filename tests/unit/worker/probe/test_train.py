"""Datagrams of a train: what is ours is counted once, what is not is passed over."""

import socket
from threading import Event
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.probe.train import HEADER_BYTES, MAX_DATAGRAMS, TrainCount, read_header, send_train
from worker.wire.errors import FailedError, PeerError, RefusedError
from worker.wire.messages import ProbeTrain

PROBE = "0123456789abcdef" * 2


def train(port: int = 9, **special: Any) -> ProbeTrain:
    asked = ProbeTrain(
        probe=PROBE,
        host="127.0.0.1",
        port=port,
        train=3,
        datagrams=4,
        datagram_bytes=100,
        frame_bytes=142,
        rate_mbit=100.0,
    )
    return msgspec.structs.replace(asked, **special)


def test_each_datagram_says_which_it_is() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving:
        receiving.bind(("127.0.0.1", 0))
        receiving.settimeout(5)
        sent = send_train(train(receiving.getsockname()[1]), Event())
        came = [receiving.recv(2000) for _ in range(sent.datagrams)]
    assert [len(one) for one in came] == [100] * 4
    assert [read_header(memoryview(one)) for one in came] == [(PROBE, 3, number) for number in range(4)]


def test_it_is_paced_by_bytes_on_the_wire() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving:
        receiving.bind(("127.0.0.1", 0))
        asked = train(receiving.getsockname()[1], datagrams=11, rate_mbit=0.1)
        elapsed_s = send_train(asked, Event()).elapsed_s
    assert elapsed_s >= 10 * 142 * 8 / 0.1e6


def test_nobody_on_the_port_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(PeerError, match=f"cannot send to UDP port {port} of 127.0.0.1"):
        send_train(train(port, datagrams=100), Event())


def test_a_controller_that_goes_ends_it() -> None:
    ended = Event()
    ended.set()
    with pytest.raises(FailedError, match="the controller went away"):
        send_train(train(), ended)


@pytest.mark.parametrize(
    "special",
    [
        {"datagrams": 0},
        {"datagrams": MAX_DATAGRAMS + 1},
        {"datagram_bytes": HEADER_BYTES - 1},
        {"datagram_bytes": 70_000, "frame_bytes": 70_042},
        {"rate_mbit": 0.0},
        {"rate_mbit": float("nan")},
        {"rate_mbit": 1e-9},
    ],
)
def test_a_train_out_of_bounds_is_refused(special: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="cannot send"):
        send_train(train(**special), Event())


@given(st.binary(max_size=60))
def test_other_datagrams_are_none_of_ours(data: bytes) -> None:
    assert read_header(memoryview(data)) is None


def test_a_datagram_that_came_twice_counts_once() -> None:
    count = TrainCount(overflowed_before=5)
    for number, at_s in ((0, 1.0), (2, 1.5), (2, 1.6), (MAX_DATAGRAMS, 9.0), (1, 2.0)):
        count.add(number, at_s)
    received = count.received(overflowed=7)
    assert (received.datagrams, received.overflowed, received.elapsed_s) == (3, 2, 1.0)
