"""The depth at which throughput is flat, of pipelines whose latency and period are planted."""

import pytest

from controller.sweep.saturation import DEEPEST, find_depth, saturating_depth


class Pipeline:
    """Throughput min(depth / latency, 1 / period), and which depths were measured."""

    def __init__(self, latency_s: float, period_s: float) -> None:
        self.latency_s, self.period_s = latency_s, period_s
        self.measured: list[int] = []

    def rate_at(self, depth: int) -> float:
        self.measured.append(depth)
        return min(depth / self.latency_s, 1 / self.period_s)


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
    depth, is_flat, rates = find_depth(27, pipeline.rate_at)
    assert (depth, is_flat, pipeline.measured) == (27, True, [27, 54])
    assert rates[27] == pytest.approx(500)


def test_a_depth_that_was_predicted_too_small_is_doubled_until_it_is_flat() -> None:
    pipeline = Pipeline(0.054, 0.002)
    depth, is_flat, rates = find_depth(4, pipeline.rate_at)
    assert (depth, is_flat) == (32, True)
    assert pipeline.measured == [4, 8, 16, 32, 64]
    assert rates[32] == pytest.approx(500)


def test_beyond_the_greatest_depth_it_is_not_flat() -> None:
    pipeline = Pipeline(1.0, 0.001)
    depth, is_flat, rates = find_depth(40, pipeline.rate_at)
    assert (depth, is_flat) == (DEEPEST, False)
    assert sorted(rates) == [40, 64, 80, 128]
