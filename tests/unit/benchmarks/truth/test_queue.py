"""The formulas of a queue, against the queue itself."""

import numpy as np
import pytest

from benchmarks.truth.queue import highest_rate_per_s, mean_latency_s, quantile_s

SERVICE_S = 0.025


def simulated_s(utilisation: float) -> np.ndarray:
    """Latencies of 400 queues in the long run, by Lindley's recursion."""
    rng = np.random.default_rng(1)
    wait_s, latencies_s = np.zeros(400), []
    for _ in range(12_000):
        gap_s = rng.exponential(SERVICE_S / utilisation, 400)
        wait_s = np.maximum(0.0, wait_s + SERVICE_S - gap_s)
        latencies_s.append(wait_s + SERVICE_S)
    return np.array(latencies_s[2_000:])


@pytest.mark.parametrize("utilisation", [0.5, 0.8, 0.9])
def test_mean_and_quantiles_are_those_of_a_simulated_queue(utilisation: float) -> None:
    latencies_s, rate_per_s = simulated_s(utilisation), utilisation / SERVICE_S
    assert mean_latency_s(rate_per_s, SERVICE_S) == pytest.approx(latencies_s.mean(), rel=0.02)
    for q in (0.9, 0.99):
        assert quantile_s(rate_per_s, SERVICE_S, q) == pytest.approx(np.quantile(latencies_s, q), rel=0.02)


def test_half_of_all_requests_do_not_wait_at_half_of_what_the_stage_can_take() -> None:
    assert quantile_s(0.4 / SERVICE_S, SERVICE_S, 0.5) == pytest.approx(SERVICE_S)


def test_times_that_vary_wait_longer() -> None:
    rate_per_s = 0.8 / SERVICE_S
    # Exponential times: the mean latency of M/M/1.
    mean_s = mean_latency_s(rate_per_s, SERVICE_S, 2 * SERVICE_S**2)
    assert mean_s == pytest.approx(SERVICE_S / (1 - 0.8))


def test_the_highest_rate_has_the_quantile_that_is_its_bound() -> None:
    rate_per_s = highest_rate_per_s(SERVICE_S, 0.9, 0.140)
    assert rate_per_s * SERVICE_S == pytest.approx(0.79, abs=0.03)
    assert quantile_s(rate_per_s, SERVICE_S, 0.9) == pytest.approx(0.140, rel=1e-3)
