"""Bytes on the wire, against counts by hand and by the kernel."""

import numpy as np
import pytest

from worker.wire.ethernet import ethernet_bytes


@pytest.mark.parametrize(
    ("tcp_bytes", "on_the_wire"),
    [
        (0, 0),
        (1, 1 + 66),
        (1448, 1514),
        (1449, 1449 + 2 * 66),
        # As a qdisc of Linux 6.18 counted one `send` of so many bytes over a veth pair, with TSO.
        (5_000, 5_264),
        (100_000, 104_620),
        (1_200_000, 1_254_714),
    ],
)
def test_each_segment_has_headers_of_its_own(tcp_bytes: int, on_the_wire: int) -> None:
    assert ethernet_bytes(tcp_bytes) == on_the_wire


def test_an_array_is_counted_one_by_one() -> None:
    assert ethernet_bytes(np.array([100.5, 1449.0])).tolist() == [166.5, 1581.0]
