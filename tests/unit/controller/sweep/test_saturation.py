"""The depth at which throughput is flat, of pipelines whose latency and period are planted."""

from dataclasses import replace

import numpy as np
import pytest

from controller.results import Cell
from controller.results.metrics import FLAT
from controller.sweep.saturation import DEEPEST, Probe, find_depth, predicted_depth, saturating_depth
from tests.unit.analysis.synthetic import BUNDLE, Physics, run_trial


class Pipeline:
    """Throughput min(depth / latency, 1 / period), and which depths were measured.

    Nothing tells how far its parts are in use, unless `shows_use`.
    """

    def __init__(self, latency_s: float, period_s: float, *, shows_use: bool = False) -> None:
        self.latency_s, self.period_s, self.shows_use = latency_s, period_s, shows_use
        self.measured: list[int] = []

    def at(self, depth: int) -> Probe:
        rate = min(depth / self.latency_s, 1 / self.period_s)
        return Probe(rate, rate * self.period_s if self.shows_use else 0.0)

    def find(self, predicted: int) -> tuple[int, bool, dict[int, float]]:
        def probe_at(depth: int) -> Probe:
            self.measured.append(depth)
            return self.at(depth)

        return find_depth(predicted, self.at(1), probe_at)


@pytest.mark.parametrize(
    ("latency_s", "period_s", "depth"),
    [(0.054, 0.002, 27), (0.004, 0.004, 1), (0.0041, 0.004, 2), (0.010, 0.003, 4), (1.0, 0.001, DEEPEST)],
)
def test_the_predicted_depth_keeps_the_slowest_part_busy(
    latency_s: float, period_s: float, depth: int
) -> None:
    assert saturating_depth(latency_s, period_s) == depth


def test_a_prediction_that_holds_takes_two_measurements() -> None:
    pipeline = Pipeline(0.054, 0.002)
    depth, is_flat, rates = pipeline.find(27)
    assert (depth, is_flat, pipeline.measured) == (27, True, [27, 54])
    assert rates[27] == pytest.approx(500)


def test_a_part_that_is_in_use_all_the_time_needs_no_second_measurement() -> None:
    pipeline = Pipeline(0.054, 0.002, shows_use=True)
    depth, is_flat, rates = pipeline.find(27)
    assert (depth, is_flat, pipeline.measured) == (27, True, [27])
    assert rates == {1: pytest.approx(1 / 0.054), 27: pytest.approx(500)}


def test_where_a_lone_request_keeps_a_part_busy_nothing_is_measured() -> None:
    pipeline = Pipeline(0.0205, 0.020, shows_use=True)
    assert saturating_depth(0.0205, 0.020) == 2
    depth, is_flat, _ = pipeline.find(2)
    assert (depth, is_flat, pipeline.measured) == (1, True, [])


@pytest.mark.parametrize(("spare", "is_over"), [(0.9 * FLAT, True), (1.1 * FLAT, False)])
def test_a_part_with_more_than_three_percent_to_gain_is_not_used_up(spare: float, is_over: bool) -> None:
    assert Probe(1.0, 1 / (1 + spare)).is_used_up is is_over


@pytest.mark.parametrize("shows_use", [False, True])
def test_a_depth_that_was_predicted_too_small_is_doubled_until_it_is_flat(*, shows_use: bool) -> None:
    pipeline = Pipeline(0.054, 0.002, shows_use=shows_use)
    depth, is_flat, rates = pipeline.find(4)
    assert (depth, is_flat) == (32, True)
    assert pipeline.measured == ([4, 8, 16, 32] if shows_use else [4, 8, 16, 32, 64])
    assert rates[32] == pytest.approx(500)


def test_beyond_the_greatest_depth_it_is_not_flat() -> None:
    pipeline = Pipeline(1.0, 0.001)
    depth, is_flat, rates = pipeline.find(40)
    assert (depth, is_flat) == (DEEPEST, False)
    assert sorted(rates) == [1, 40, 64, 80, 128]


CELL = Cell(
    model="m",
    bundle=BUNDLE,
    cuts=(30,),
    label="half",
    devices=("pi", "server"),
    network="lan",
    shaping="emulated",
)


# On lan the pi takes 20 of 22 ms; on wan the link 139 of 242 ms.
@pytest.mark.parametrize("network", ["lan", "wan"])
def test_a_trial_shows_how_far_its_slowest_stage_or_link_is_in_use(network: str) -> None:
    cell = replace(CELL, network=network)
    alone = run_trial(cell, 0, 24, Physics(noise=0.0), np.random.default_rng(0))
    assert predicted_depth(alone) == 2
    assert not Probe.of(alone).is_used_up

    full = run_trial(replace(cell, depth=2), 0, 24, Physics(noise=0.0), np.random.default_rng(0))
    assert Probe.of(full).used == pytest.approx(1, abs=0.01)
    unaccounted = replace(full, links=tuple(replace(link, use=None) for link in full.links))
    assert Probe.of(unaccounted).is_used_up is (network == "lan")
