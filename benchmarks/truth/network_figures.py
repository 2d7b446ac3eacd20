"""What is reported of all cells of a network together: answers, fronts, gains and replicas."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.truth.compared import Compared, Row, exact, name, number, share
from benchmarks.truth.physics import Truth
from controller.results import TIMED, Cell, Objective

__all__ = ["NetworkTruth", "network_figures"]

_Point = tuple[float, float]


@dataclass(frozen=True)
class NetworkTruth:
    """The closed-loop cells of one model under one network, all with the same time for each request.

    Attributes:
        baselines_s: The whole model in a bare loop, by device.
    """

    network: str
    cells: Mapping[Cell, Truth]
    baselines_s: Mapping[str, float]
    node_count: int

    @property
    def late(self) -> float:
        """The most by which a late machine moves any of its figures."""
        return max(truth.late for truth in self.cells.values())

    @property
    def splits(self) -> dict[tuple[int, ...], _Point]:
        """Unloaded latency and seconds a sample at capacity of each split."""
        points: dict[tuple[int, ...], _Point] = {}
        for cell, truth in sorted(self.cells.items(), key=lambda each: each[0].depth):
            latency_s, sample_s = self._point(truth)
            first = points.get(cell.cuts, (latency_s, math.inf))
            points[cell.cuts] = (first[0], min(first[1], sample_s))
        return points

    @property
    def box(self) -> _Point:
        """The worst latency and seconds a sample of ends and baselines."""
        ends = [point for cuts, point in self.splits.items() if set(cuts) <= {0, self.node_count}]
        worst = [*ends, *((seconds, seconds) for seconds in self.baselines_s.values())]
        return max(point[0] for point in worst), max(point[1] for point in worst)

    def fronts(self) -> dict[str, list[_Point]]:
        """The candidates of each front."""
        return {
            "capability": list(self.splits.values()),
            "operating": [self._point(truth) for truth in self.cells.values()],
        }

    @staticmethod
    def _point(truth: Truth) -> _Point:
        assert truth.latency_s is not None
        assert truth.throughput_per_s is not None
        return truth.latency_s, 1 / truth.throughput_per_s


def network_figures(
    truth: NetworkTruth, answers: Sequence[Mapping[str, Any]], fronts: Sequence[Row]
) -> Iterator[Compared]:
    """Compare the answers and fronts of a network that has several splits.

    Args:
        answers: Those of the network, of `answers.json`.
        fronts: Those of the network, of `fronts.csv`.
    """
    where, late = truth.network, truth.late
    for objective in TIMED:
        answer = next((a for a in answers if a["objective"] == objective), None)
        yield from _answer(truth, objective, answer or {})
    for front, points in truth.fronts().items():
        row = next((r for r in fronts if r["front"] == front), {})
        true = _dominated(points, truth.box)
        yield share(where, f"hypervolume, {front}", row.get("hypervolume"), true, per_late_s=late)
        if front == "capability":
            for column, worst in zip(("box_latency_s", "box_sample_s"), truth.box, strict=True):
                yield number(where, column, row.get(column), worst, per_late_s=late)


def _answer(truth: NetworkTruth, objective: Objective, answer: Mapping[str, Any]) -> Iterator[Compared]:
    """The best split, its figure, and what it gains."""
    where, late = truth.network, truth.late
    index = TIMED.index(objective)
    splits = truth.splits
    best = min(splits, key=lambda cuts: splits[cuts][index])
    true_s = splits[best][index]
    cuts = ",".join(map(str, answer["cuts"])) if answer else None
    yield name(where, f"best cut, {objective}", cuts, ",".join(map(str, best)))
    figure, true = ("latency_p50_s", true_s) if objective == "latency" else ("throughput_per_s", 1 / true_s)
    reported = answer[figure]["value"] if answer else None
    yield number(where, f"best {objective}", reported, true, per_late_s=late)
    yield exact(where, f"splits measured, {objective}", answer.get("splits_measured"), len(splits))
    yield exact(where, f"splits, {objective}", answer.get("splits"), len(splits))
    factors = {(gain["over"], gain["name"]): gain["factor"]["value"] for gain in answer.get("gains", ())}
    for device, seconds in truth.baselines_s.items():
        factor = factors.get(("baseline", f"plain ONNX Runtime on {device}"))
        gain = f"gain in {objective} over {device} alone"
        yield number(where, gain, factor, seconds / true_s, per_late_s=2 * late)
    for over, end in (("stay", truth.node_count), ("offload", 0)):
        if best != (end,):
            factor = next((f for (kind, _), f in factors.items() if kind == over), None)
            gain = f"gain in {objective} over {over}"
            yield number(where, gain, factor, splits[(end,)][index] / true_s, per_late_s=2 * late)
    if objective == "throughput":
        replicas = sum(1 / seconds for seconds in truth.baselines_s.values())
        yield number(where, "replicas", answer.get("replicas_per_s"), replicas, per_late_s=late)


def _dominated(points: Sequence[_Point], box: _Point) -> float:
    """The share of the box, from its worst corner to zero, that points dominate."""
    area, lowest = 0.0, box[1]
    for latency_s, sample_s in sorted(points):
        if latency_s < box[0] and sample_s < lowest:
            area += (box[0] - latency_s) * (lowest - sample_s)
            lowest = sample_s
    return area / (box[0] * box[1])
