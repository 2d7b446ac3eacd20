"""Computes the benchmark's figures from measured cells."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.figures import Figure, Summary, summary
from benchmarks.planning.cells import MeasuredCell
from controller.planning.planner import pareto_set
from controller.planning.problem import Costs, Problem
from controller.results.pareto import Point, corner_of, hypervolume
from controller.sweep.search.front_search import Search

__all__ = ["FIGURES", "figures_of", "plan_large_lab_s", "searches_of"]

FIGURES = (
    Figure("latency_median_error", "latency of two devices, depth 1", at_most=0.08),
    Figure("throughput_median_error", "throughput of two devices, depth 4", at_most=0.08),
    Figure("error_p95", "both together", at_most=0.20),
    Figure("long_latency_median_error", "latency of longer chains, depth 1"),
    Figure("long_throughput_median_error", "throughput of longer chains, depth 4"),
    Figure("noise_median", "a repeated trial against the first three"),
    Figure("noise_p95", "the same"),
    Figure("hypervolume_ratio", "a search's front over the exhaustive front", at_least=0.98),
    Figure("cells_share", "cells that the search measures", at_most=0.20),
    Figure("plan_100x8_s", "time to plan for 8 devices and 100 cut points", at_most=5.0),
    Figure("gain_over_equal_split", "throughput of the predicted best split over the equal-layer split"),
)
"""In the order of the table."""

_SHARE = 0.2
_MIDDLE_HALF = (0.25, 0.5, 0.75)
_TOP = (0.9, 0.95, 1.0)


def figures_of(
    cells: Sequence[MeasuredCell],
    equal_cuts: Mapping[str, int],
    plan_s: Sequence[float],
    long_chains: Sequence[MeasuredCell] = (),
) -> dict[str, Summary]:
    """Compute all figures that these cells allow.

    Args:
        cells: Cells of two devices, for any models and networks.
        equal_cuts: Cut of the equal-layer split, by model.
        plan_s: Planning times for a large lab.
        long_chains: Cells of more devices.
    """
    latencies = [cell.error for cell in cells if cell.depth == 1]
    throughputs = [cell.error for cell in cells if cell.depth > 1]
    noise = [cell.noise for cell in cells if cell.noise is not None]
    fronts = _fronts(cells)
    searches = searches_of(cells, equal_cuts).values()
    gains = (_gain(*points, equal_cuts[model]) for (model, _), points in fronts.items())
    figures = {
        "latency_median_error": summary(latencies, _MIDDLE_HALF),
        "throughput_median_error": summary(throughputs, _MIDDLE_HALF),
        "error_p95": summary([*latencies, *throughputs], _TOP),
        "long_latency_median_error": summary([c.error for c in long_chains if c.depth == 1], _MIDDLE_HALF),
        "long_throughput_median_error": summary([c.error for c in long_chains if c.depth > 1], _MIDDLE_HALF),
        "noise_median": summary(noise, _MIDDLE_HALF),
        "noise_p95": summary(noise, _TOP),
        "plan_100x8_s": summary(plan_s),
        "hypervolume_ratio": summary([ratio for ratio, _ in searches]),
        "cells_share": summary([share for _, share in searches]),
        "gain_over_equal_split": summary([gain for gain in gains if gain is not None]),
    }
    return {figure.key: shown for figure in FIGURES if (shown := figures[figure.key]) is not None}


def searches_of(
    cells: Sequence[MeasuredCell], equal_cuts: Mapping[str, int]
) -> dict[tuple[str, str], tuple[float, float]]:
    """By model and network: how much of the front's area a search finds, and its share of the cells."""
    return {group: _searched(*points, equal_cuts[group[0]]) for group, points in _fronts(cells).items()}


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


def _fronts(
    cells: Sequence[MeasuredCell],
) -> dict[tuple[str, str], tuple[dict[tuple[int, ...], Point], dict[tuple[int, ...], Point]]]:
    """By model and network: predicted and measured points of the splits."""
    groups: dict[tuple[str, str], dict[tuple[int, ...], dict[int, MeasuredCell]]] = {}
    for cell in cells:
        splits = groups.setdefault((cell.model, cell.network), {})
        splits.setdefault(cell.cuts, {})[cell.depth] = cell
    fronts = {}
    for group, splits in groups.items():
        predicted: dict[tuple[int, ...], Point] = {}
        measured: dict[tuple[int, ...], Point] = {}
        for cuts, depths in splits.items():
            if len(depths) == 2:
                alone, deep = depths[min(depths)], depths[max(depths)]
                predicted[cuts] = alone.predicted, deep.predicted
                measured[cuts] = alone.measured, deep.measured
        fronts[group] = predicted, measured
    return fronts


def _searched(
    predicted: Mapping[tuple[int, ...], Point], measured: Mapping[tuple[int, ...], Point], equal_cut: int
) -> tuple[float, float]:
    """The share of the front's area that a search finds, and the share of cells that it measures.

    The search looks its measurements up in the exhaustive sweep, so both fronts are of the same trials.
    """
    compared = [split for split in ((equal_cut,), max(measured), min(measured)) if split in measured]
    ends = (min(measured), max(measured))
    search = Search(
        predicted,
        most=max(2, int(_SHARE * len(measured))),
        place=lambda split: (split if split in ends else None, split),
        first=compared,
    )
    points = search.run(lambda split: measured[split])
    reference = corner_of([measured[end] for end in ends])
    whole = hypervolume(list(measured.values()), reference)
    # Where no split is better than the worst of the ends in both figures, there is no area to find.
    ratio = hypervolume(list(points.values()), reference) / whole if whole else 1.0
    return ratio, len(points) / len(measured)


def _gain(
    predicted: Mapping[tuple[int, ...], Point], measured: Mapping[tuple[int, ...], Point], cut: int
) -> float | None:
    """Measured throughput of the split with the best predicted one, over that of the equal-layer split."""
    if (cut,) not in measured:
        return None
    planned = min(predicted, key=lambda split: predicted[split][1])
    return measured[cut,][1] / measured[planned][1]
