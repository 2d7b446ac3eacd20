"""The kernel's account of a TCP connection: how long it had bytes to carry, and what held it up."""

import socket
import struct
import sys
from typing import Final, NamedTuple

from worker.wire.ethernet import HEADER_BYTES

__all__ = ["TcpAccount", "parse_tcp_info", "read_tcp_account"]

# Linux's `struct tcp_info`, from `tcpi_bytes_acked` at byte 120 to `tcpi_sndbuf_limited` at byte 184.
_FIELDS: Final = struct.Struct("=120xQ16xII4xI8xQQQ")
_NO_ROUND_TRIP: Final = 0xFFFF_FFFF

# The third number of SO_MEMINFO, which Python does not name: memory of what has not left this host.
_SO_MEMINFO: Final = 55
_WMEM_ALLOC: Final = struct.Struct("=8xI")

# A queued acknowledgement counts as 2 bytes, a segment of data as several hundred at least.
_SEGMENT_BYTES: Final = 256


class TcpAccount(NamedTuple):
    """Sums since the connection began, in seconds by the kernel's tick (1 to 10 ms), and its state now.

    `busy_s`: bytes waited to be sent or acknowledged. Parts of that time: `rwnd_limited_s`, in which the
    receiver's window was full, and `sndbuf_limited_s`, in which the send buffer was. `carried_bytes`: what
    was acknowledged, as Ethernet carries it. `round_trip_s`: the shortest of the last minutes. `is_queued`:
    some bytes have not left this host.
    """

    busy_s: float
    rwnd_limited_s: float
    sndbuf_limited_s: float
    carried_bytes: int
    round_trip_s: float
    is_queued: bool


def read_tcp_account(connection: socket.socket) -> TcpAccount | None:
    """The account so far; None where the system keeps none, or the connection is no TCP."""
    if sys.platform != "linux":
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _FIELDS.size)
        memory = connection.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _WMEM_ALLOC.size)
    except OSError:
        return None
    return parse_tcp_info(info, memory)


def parse_tcp_info(info: bytes, memory: bytes) -> TcpAccount | None:
    """The account in a `struct tcp_info`; None from a kernel before 4.10, whose struct ends earlier.

    A kernel that accounts for nothing leaves the round trip empty, which no connection of Linux has.
    """
    if len(info) < _FIELDS.size or len(memory) < _WMEM_ALLOC.size:
        return None
    acked_bytes, unsent_bytes, round_trip_us, segments, *sums_us = _FIELDS.unpack_from(info)
    if round_trip_us in (0, _NO_ROUND_TRIP):
        return None
    (held_bytes,) = _WMEM_ALLOC.unpack_from(memory)
    busy_us, rwnd_limited_us, sndbuf_limited_us = sums_us
    return TcpAccount(
        busy_us / 1e6,
        rwnd_limited_us / 1e6,
        sndbuf_limited_us / 1e6,
        acked_bytes + segments * HEADER_BYTES,
        round_trip_us / 1e6,
        unsent_bytes > 0 or held_bytes > _SEGMENT_BYTES,
    )
