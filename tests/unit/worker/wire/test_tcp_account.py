"""The kernel's account of a connection: read from a real one, and from structs of other kernels."""

import socket
import struct
import sys
import time
from collections.abc import Iterator

import pytest

from worker.wire.stream import SocketStream
from worker.wire.tcp_account import TcpAccount, parse_tcp_info, read_tcp_account

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps such an account")


EMPTY = struct.pack("=9I", 11, 12, 0, *[13] * 6)
"""What SO_MEMINFO gives where nothing of a connection is queued."""


def tcp_info(round_trip_us: int, *sums_us: int, unsent_bytes: int = 0) -> bytes:
    """As the kernel lays it out (`include/uapi/linux/tcp.h`); bytes that nothing reads are 0xEE."""
    info = bytearray(b"\xee" * 256)
    struct.pack_into("=Q", info, 120, 10_000)
    struct.pack_into("=II", info, 144, unsent_bytes, round_trip_us)
    struct.pack_into("=I", info, 156, 7)
    struct.pack_into("=QQQ", info, 168, *sums_us)
    return bytes(info)


def test_the_struct_is_read_where_linux_has_its_fields() -> None:
    account = parse_tcp_info(tcp_info(250, 3_000_000, 2_000_000, 4_000), EMPTY)
    assert account == TcpAccount(
        busy_s=3,
        rwnd_limited_s=2,
        sndbuf_limited_s=0.004,
        carried_bytes=10_000 + 7 * 66,
        round_trip_s=0.00025,
        is_queued=False,
    )


@pytest.mark.parametrize(
    ("unsent_bytes", "held_bytes", "is_queued"),
    [(0, 0, False), (0, 2 * 20, False), (1, 0, True), (0, 768, True)],
)
def test_bytes_in_the_socket_or_below_it_have_not_left(
    unsent_bytes: int, held_bytes: int, is_queued: bool
) -> None:
    """Acknowledgements of the other direction count as 2 bytes each."""
    memory = struct.pack("=9I", 0, 0, held_bytes, *[0] * 6)
    account = parse_tcp_info(tcp_info(250, 1, 0, 0, unsent_bytes=unsent_bytes), memory)
    assert account is not None and account.is_queued == is_queued


@pytest.mark.parametrize(
    ("info", "memory"),
    [
        pytest.param(tcp_info(250, 1, 1, 1)[:191], EMPTY, id="before 4.10"),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(tcp_info(250, 1, 1, 1), EMPTY[:8], id="without memory"),
        pytest.param(tcp_info(0, 0, 0, 0), EMPTY, id="a kernel that only pretends"),
        pytest.param(tcp_info(0xFFFF_FFFF, 0, 0, 0), EMPTY, id="not a packet answered"),
    ],
)
def test_without_an_account_nothing_is_known(info: bytes, memory: bytes) -> None:
    assert parse_tcp_info(info, memory) is None


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with near, far:
            yield near, far


@linux
def test_a_receiver_that_takes_no_more_is_told_apart(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    stream = SocketStream(near, "far")
    before = stream.tcp_account()
    assert before is not None and 0 < before.round_trip_s < 1
    # The first round trip of a connection is its opening, before any byte.
    assert before.busy_s == before.rwnd_limited_s == 0
    chunk = [memoryview(bytes(1 << 20))]
    deadline_s = time.monotonic() + 20
    while (account := stream.tcp_account()) is None or account.rwnd_limited_s < 0.05:
        assert time.monotonic() < deadline_s, account
        if len(stream.send_now(chunk)) == 1:
            time.sleep(0.01)
    assert account.busy_s >= account.rwnd_limited_s
    assert account.is_queued
    assert account.carried_bytes > before.carried_bytes
    far.close()


def test_what_is_no_tcp_has_no_account() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert read_tcp_account(near) is None
    assert read_tcp_account(near) is None
