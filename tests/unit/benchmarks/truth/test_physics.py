"""The truth of planted cells, worked out by hand."""

from collections.abc import Mapping

import pytest

from benchmarks.truth.physics import Truth, baseline_s, truth_of
from controller.experiment.cells import cell_of
from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Lab
from controller.results import Settings
from exporter.bundle import Bundle, export_null

FREE = Network()
NONE: Mapping[str, float] = {}
PLANTED = '{"pi":{"node_ms":10.0},"server":{"node_ms":[1.0,2.0,4.0]}}'


@pytest.fixture(scope="module", name="null")
def fixture_null(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """What crosses the cuts: 4, 1448, 250 and 2 values."""
    return export_null(tmp_path_factory.mktemp("bundles") / "null", (4, 1448, 250, 2))


def truth(
    null: Bundle,
    lab: Lab,
    cut: int,
    *,
    depth: int = 1,
    network: Network = FREE,
    planted: str = PLANTED,
    slowdowns: Mapping[str, float] = NONE,
    shaping: str = "emulated",
    burst_bytes: Mapping[str, float] = NONE,
) -> Truth:
    settings = Settings(depth=depth, planted=planted)
    cell = cell_of(null, ("pi", "server"), (cut,), settings, network="lan", shaping=shaping)
    return truth_of(
        cell, null, lab, network, requests=range(12), slowdowns=slowdowns, burst_bytes=burst_bytes
    )


def test_one_request_takes_its_stages_and_more_of_them_the_slowest(null: Bundle, lab: Lab) -> None:
    alone = truth(null, lab, 1)
    assert alone.stages_s == pytest.approx({"pi": 0.010, "server": 0.006})
    assert (alone.latency_s, alone.throughput_per_s) == pytest.approx((0.016, 1 / 0.016))
    assert (alone.bottleneck, alone.network_s, alone.payload_bytes) == ("pi", 0, 4 * 1448 + 4 * 2)
    full = truth(null, lab, 1, depth=4)
    assert (full.latency_s, full.throughput_per_s) == pytest.approx((0.040, 100))


def test_a_link_takes_its_delay_and_its_bytes_at_its_rate_as_on_ethernet(null: Bundle, lab: Lab) -> None:
    network = Network(delay_ms=5, rate_mbit=1, backward=Direction(delay_ms=7))
    one = truth(null, lab, 1, network=network)
    # 5792 bytes with header and descriptor are 5 segments, with 66 bytes each.
    forth_s = (5792 + 24 + 10 + 5 * 66) * 8 / 1e6
    assert one.network_s == pytest.approx(0.012 + forth_s)
    assert one.latency_s == pytest.approx(0.016 + 0.012 + forth_s)
    full = truth(null, lab, 1, network=network, depth=8)
    assert full.bottleneck == "pi -> server"
    assert full.links_s == pytest.approx({"pi -> server": forth_s, "server -> pi": 0})
    assert full.throughput_per_s == pytest.approx(1 / forth_s)
    # Too few in flight for any part to be always in use.
    some = truth(null, lab, 2, network=Network(delay_ms=500), depth=2)
    assert some.throughput_per_s == pytest.approx(2 / 1.024)


def test_a_link_of_the_kernel_passes_its_burst_at_once_if_it_was_idle(null: Bundle, lab: Lab) -> None:
    network, bursts = Network(rate_mbit=4), {"pi": 3028.0, "server": 3028.0}
    forth_s = (5792 + 24 + 10 + 5 * 66) * 8 / 4e6
    one = truth(null, lab, 1, network=network, shaping="tc", burst_bytes=bursts)
    # The result is smaller than the burst.
    assert one.network_s == pytest.approx(forth_s - 3028 * 8 / 4e6)
    assert one.latency_s == pytest.approx(0.016 + one.network_s)
    full = truth(null, lab, 1, network=network, shaping="tc", burst_bytes=bursts, depth=8)
    assert full.throughput_per_s == pytest.approx(1 / forth_s)


def test_a_slower_device_and_an_empty_stage(null: Bundle, lab: Lab) -> None:
    stay = truth(null, lab, 3, slowdowns={"pi": 2.0})
    assert stay.stages_s == pytest.approx({"pi": 0.060})
    assert (stay.network_s, stay.payload_bytes) == (0, 0)
    offload = truth(null, lab, 0)
    assert offload.stages_s == pytest.approx({"server": 0.007})
    assert offload.payload_bytes == 4 * 4 + 4 * 2


def test_irregular_times_have_a_mean_and_at_depth_no_simple_truth(null: Bundle, lab: Lab) -> None:
    planted = (
        '{"pi":{"node_ms":10.0,"modes":[[1.0,3.0],[2.0,1.0]],"stalls":{"every":4,"ms":8.0},'
        '"phases":[{"factor":3.0,"requests":[0,2]}]}}'
    )
    one = truth(null, lab, 3, planted=planted)
    # 30 ms x 1.25, every fourth 8 ms longer; two of twelve three times as long.
    assert one.latency_s == pytest.approx((12 * 0.0375 + 2 * 2 * 0.0375 + 3 * 0.008) / 12)
    assert not one.is_regular
    assert truth(null, lab, 3, planted=planted, depth=4).throughput_per_s is None


def test_quantiles_of_modes_are_known_but_at_their_edges(null: Bundle, lab: Lab) -> None:
    planted = '{"pi":{"node_ms":10.0,"modes":[[3.0,1.0],[1.0,4.0]]}}'
    one = truth(null, lab, 3, planted=planted)
    # Four of five take 30 ms, the fifth 90 ms.
    assert one.quantiles_s == pytest.approx({"p50": 0.030, "p90": 0.090, "p95": 0.090, "p99": 0.090})
    assert one.latency_s == pytest.approx(0.042)
    even = '{"pi":{"node_ms":10.0,"modes":[[1.0,1.0],[2.0,1.0]]}}'
    assert "p50" not in truth(null, lab, 3, planted=even).quantiles_s
    regular = truth(null, lab, 1, depth=4)
    assert set(regular.quantiles_s.values()) == {regular.latency_s}


def test_a_late_machine_moves_a_short_period_more(null: Bundle, lab: Lab) -> None:
    alone, full = truth(null, lab, 1), truth(null, lab, 1, depth=4)
    # Two stages, in 16 ms and in 10 ms.
    assert alone.late / full.late == pytest.approx(10 / 16)


def test_a_baseline_takes_all_nodes_at_the_speed_of_its_device(null: Bundle) -> None:
    assert baseline_s(null, PLANTED, "pi", 2.0) == pytest.approx(0.060)
    assert baseline_s(null, PLANTED, "server", 1.0) == pytest.approx(0.007)
    assert baseline_s(null, PLANTED, "other", 1.0) is None
