"""Figures of a trial, worked out by hand."""

import numpy as np
import pytest

from controller.results.metrics import network_s, stage_name
from worker.records import ENDPOINT, HOP


def test_the_network_share_is_what_neither_end_nor_any_hop_spends() -> None:
    endpoint, first, second = np.zeros(3, ENDPOINT), np.zeros(3, HOP), np.zeros(3, HOP)
    endpoint["request"] = (0, 1, 2)
    endpoint["latency_s"] = (0.010, 0.020, 0.030)
    endpoint["wait_source_s"], endpoint["encode_s"], endpoint["decode_s"] = 0.001, 0.0005, 0.0005
    # Hops may finish requests in another order.
    first["request"], first["compute_s"] = (2, 0, 1), (0.006, 0.002, 0.004)
    second["request"] = (0, 1, 2)
    second["wait_compute_s"], second["decode_s"], second["encode_s"] = 0.001, 0.0002, 0.0003
    second["receive_s"] = second["wait_send_s"] = second["send_s"] = 0.5
    assert network_s(endpoint, [first, second]) == pytest.approx([0.0045, 0.0125, 0.0205])


def test_stages_that_share_a_device_are_numbered() -> None:
    devices = ("pi", "server", "pi")
    assert [stage_name(devices, i) for i in range(3)] == ["pi (1)", "server", "pi (2)"]
