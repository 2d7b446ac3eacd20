"""Bytes on an Ethernet link: what the link carries when TCP sends."""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEADER_BYTES", "SEGMENT_BYTES", "ethernet_bytes"]

HEADER_BYTES: Final = 14 + 20 + 20 + 12
"""Of each segment: Ethernet, IPv4, TCP, and TCP's time stamps, which Linux sends unless told otherwise."""

SEGMENT_BYTES: Final = 1500 - 20 - 20 - 12
"""The most that a segment holds: Ethernet's MTU without the headers of IPv4 and TCP."""

_Count = TypeVar("_Count", int, NDArray[np.float64])


def ethernet_bytes(tcp_bytes: _Count) -> _Count:
    """Bytes of the Ethernet frames for so many bytes that TCP sends at once: 66 more for each 1448 begun.

    netem's `rate` and a qdisc's counters go by the same length. In Linux, `netem_enqueue`
    (net/sched/sch_netem.c) divides `qdisc_pkt_len` by the rate, and `qdisc_pkt_len_init` (net/core/dev.c)
    sets that to the length of the packet with its Ethernet header. For a packet that is cut into segments
    later (GSO, TSO), it adds the headers of all segments but the first: each counts with its own.
    Preamble, checksum and gap do not count.
    """
    segments = -(-tcp_bytes // SEGMENT_BYTES)
    return tcp_bytes + HEADER_BYTES * segments
