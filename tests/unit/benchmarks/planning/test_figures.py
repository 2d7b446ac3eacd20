"""Figures of `python -m benchmarks bench-plan`, of cells whose errors are known."""

import pytest

from benchmarks.planning.cells import DEPTHS, MeasuredCell
from benchmarks.planning.figures import figures_of

CUTS = range(20)


def cell(cut: int, depth: int, *, off: float = 1.0, network: str = "lan") -> MeasuredCell:
    """Latency rises with the cut, the time a sample falls towards cut 2; repeated 2 % slower."""
    measured = 0.010 + 0.001 * cut if depth == 1 else 0.004 + 0.001 * abs(cut - 2)
    return MeasuredCell(
        "m", network, ("pi", "server"), (cut,), depth, measured * off, measured, measured * 1.02, 1.0
    )


def test_errors_are_medians_and_a_percentile_and_noise_is_of_what_was_repeated() -> None:
    cells = [cell(cut, depth, off=1.1 if depth == 1 else 0.95) for cut in CUTS for depth in DEPTHS]
    found = figures_of(cells, {"m": 10}, [2.0, 1.0, 3.0], [cell(3, 1, off=1.3), cell(3, 4, off=1.2)])
    assert found["latency_median_error"].median == pytest.approx(0.10)
    assert found["throughput_median_error"].median == pytest.approx(0.05)
    assert found["error_p95"].median == pytest.approx(0.10)
    assert found["noise_median"].median == pytest.approx(0.02)
    assert found["noise_median"].n == len(CUTS) * len(DEPTHS)
    assert found["long_latency_median_error"].median == pytest.approx(0.3)
    assert found["long_throughput_median_error"].median == pytest.approx(0.2)
    assert (found["plan_100x8_s"].median, found["plan_100x8_s"].high) == (2.0, 3.0)
    # The best split is at 2, the equal one at 10.
    assert found["gain_over_equal_split"].median == pytest.approx(0.012 / 0.004)
