"""Computes the benchmark's figures from measured cells."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.figures import Figure, Summary, summary
from benchmarks.planning.cells import MeasuredCell
from benchmarks.planning.searches import SHARE, comparisons_of, mean_with_interval, time_shares_of
from controller.planning.planner import pareto_set
from controller.planning.problem import Costs, Problem

__all__ = ["FIGURES", "figures_of", "plan_large_lab_s"]

FIGURES = (
    Figure("latency_median_error", "latency of two devices, depth 1", at_most=0.08),
    Figure("throughput_median_error", "throughput of two devices, depth 4", at_most=0.08),
    Figure("error_p95", "both together", at_most=0.20),
    Figure("long_latency_median_error", "latency of longer chains, depth 1"),
    Figure("long_throughput_median_error", "throughput of longer chains, depth 4"),
    Figure("noise_median", "a repeated sweep against the first"),
    Figure("noise_p95", "the same"),
    Figure("hypervolume_ratio", "hypervolume that a planned search finds, over exhaustive", at_least=0.99),
    Figure("behind_exhaustive", "by how much an exhaustive sweep finds more", at_most=0.01, judged="high"),
    Figure("exhaustive_ratio", "hypervolume that an exhaustive sweep finds"),
    Figure("ends_ratio", "the same of both ends and the equal split"),
    Figure("random_ratio", "the same with random splits, as many as the search measures"),
    Figure("more_than_random", "what the search finds more: mean and interval", above=0.0, judged="low"),
    Figure("cells_share", "splits that the search measures", at_most=SHARE),
    Figure("time_share", "time of profile and search over that of an exhaustive sweep", at_most=0.30),
    Figure("plan_100x8_s", "time to plan for 8 devices and 100 cut points", at_most=5.0),
    Figure("gain_over_equal_split", "throughput of the predicted best split over the equal-layer split"),
)
"""In the order of the table."""

_MIDDLE_HALF = (0.25, 0.5, 0.75)
_TOP = (0.9, 0.95, 1.0)


def figures_of(
    cells: Sequence[MeasuredCell],
    equal_cuts: Mapping[str, int],
    plan_s: Sequence[float],
    long_chains: Sequence[MeasuredCell] = (),
    profiling_s: Mapping[str, float] | None = None,
) -> dict[str, Summary]:
    """Compute all figures that these cells allow.

    Args:
        cells: Cells of two devices, for any models and networks.
        equal_cuts: Cut of the equal-layer split, by model.
        plan_s: Planning times for a large lab.
        long_chains: Cells of more devices.
        profiling_s: What the device profile took, by model.
    """
    latencies = [cell.error for cell in cells if cell.depth == 1]
    throughputs = [cell.error for cell in cells if cell.depth > 1]
    noise = [cell.noise for cell in cells]
    comparisons = comparisons_of(cells, equal_cuts)
    lines = list(comparisons.values())
    deep = {
        group: [c for c in cells if (c.model, c.network) == group and c.depth > 1] for group in comparisons
    }
    gains = [_gain(alike, equal_cuts[model]) for (model, _), alike in deep.items()]
    times = time_shares_of(cells, comparisons, profiling_s) if profiling_s else []
    figures = {
        "latency_median_error": summary(latencies, _MIDDLE_HALF),
        "throughput_median_error": summary(throughputs, _MIDDLE_HALF),
        "error_p95": summary([*latencies, *throughputs], _TOP),
        "long_latency_median_error": summary([c.error for c in long_chains if c.depth == 1], _MIDDLE_HALF),
        "long_throughput_median_error": summary([c.error for c in long_chains if c.depth > 1], _MIDDLE_HALF),
        "noise_median": summary(noise, _MIDDLE_HALF),
        "noise_p95": summary(noise, _TOP),
        "plan_100x8_s": summary(plan_s),
        "hypervolume_ratio": summary([line.of_exhaustive for line in lines]),
        "behind_exhaustive": summary([line.exhaustive - line.searched for line in lines]),
        "exhaustive_ratio": summary([line.exhaustive for line in lines]),
        "ends_ratio": summary([line.ends for line in lines]),
        "random_ratio": summary([line.at_random for line in lines]),
        "more_than_random": mean_with_interval([line.searched - line.at_random for line in lines]),
        "cells_share": summary([line.share for line in lines]),
        "time_share": summary(times),
        "gain_over_equal_split": summary([gain for gain in gains if gain is not None]),
    }
    return {figure.key: shown for figure in FIGURES if (shown := figures[figure.key]) is not None}


def plan_large_lab_s(seed: int = 0) -> float:
    """Seconds to find every Pareto plan for 8 unequal devices and 100 cut points."""
    problem = _large_lab(np.random.default_rng(seed))
    began_s = time.perf_counter()
    pareto_set(problem, problem.devices[:1])
    return time.perf_counter() - began_s


def _large_lab(rng: np.random.Generator) -> Problem:
    """8 devices of speeds 1 to 10, links of 20 Mbit/s to 1 Gbit/s, payloads that shrink towards the end."""
    devices, cuts = 8, 102
    upto_s = np.concatenate([[0.0], np.cumsum(rng.uniform(1e-4, 1e-3, cuts - 1))])
    slowness = rng.uniform(1, 10, devices)
    within_s = (upto_s[None, :] - upto_s[:, None])[None] * slowness[:, None, None]
    payload_bytes = rng.uniform(1e3, 2e5, cuts) * np.exp(-3 * np.arange(cuts) / cuts)
    carried_s = payload_bytes * 8 / rng.uniform(2e7, 1e9, (devices, devices))[:, :, None]
    delay_s = rng.uniform(1e-4, 2e-3, (devices, devices))
    before = np.triu(np.ones((cuts, cuts), dtype=bool), 1)
    last = np.arange(cuts) == cuts - 1
    return Problem(
        devices=tuple(f"device{i}" for i in range(devices)),
        cuts=tuple(range(cuts)),
        alone=Costs(within_s[:, 0, -1], within_s[:, 0, -1]),
        first=Costs(within_s[:, 0], within_s[:, 0]).without(last[None]),
        stage=Costs(within_s, within_s).without(~before[None]),
        link=Costs(carried_s + delay_s[:, :, None], carried_s),
        back=Costs(delay_s, np.zeros_like(delay_s)),
        memory_bytes=np.zeros((devices, cuts, cuts)),
    )


def _gain(cells: Sequence[MeasuredCell], cut: int) -> float | None:
    """Measured throughput of the split with the best predicted one, over that of the equal-layer split.

    Args:
        cells: Of one model under one network, at the greater depth.
    """
    equal = [cell for cell in cells if cell.cuts == (cut,)]
    if not equal:
        return None
    return equal[0].repeated / min(cells, key=lambda cell: cell.predicted).repeated
