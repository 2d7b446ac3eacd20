"""A planner's problem: costs of stages and links, and a plan's costs from them.

Pure arithmetic over arrays, which `controller.planning.prediction` fills from a device profile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Costs", "Part", "Plan", "Problem", "evaluate", "parts_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """Two arrays of one shape, in seconds per request.

    Attributes:
        latency_s: The part's share in the latency of a request alone in the pipeline.
        period_s: The time until the part can begin with the next request; infinite (like the latency) where
            the part is not allowed.
    """

    latency_s: Floats
    period_s: Floats

    def without(self, refused: NDArray[np.bool_]) -> "Costs":
        """The same, with infinite costs where `refused`."""
        return Costs(np.where(refused, np.inf, self.latency_s), np.where(refused, np.inf, self.period_s))


@dataclass(frozen=True)
class Problem:
    """Costs of every possible stage and link of a pipeline.

    D devices, K cut positions, both ends included. A pipeline begins at its source, its first device, and its
    results return there. The source may have no stage (its first cut is 0, and it sends raw input); every
    other device of a pipeline has one.

    Attributes:
        devices: Names, D of them.
        cuts: Positions in the graph, K of them, rising, from 0 to the node count.
        alone: Shape (D,): the whole model on the source.
        first: (D, K): the source's stage `[0, cuts[j])` and its part in requests and results, where other
            devices follow. Infinite at K-1.
        stage: (D, K, K): the stage `[cuts[i], cuts[j])` of a device after the source. Infinite unless i < j.
        link: (D, D, K): from one device to another, what crosses `cuts[i]`.
        back: (D, D): results, from the last device to the source.
        memory_bytes: (D, K, K): memory that the stage `[cuts[i], cuts[j])` takes.
    """

    devices: tuple[str, ...]
    cuts: tuple[int, ...]
    alone: Costs
    first: Costs
    stage: Costs
    link: Costs
    back: Costs
    memory_bytes: Floats

    def without(self, devices: Sequence[str]) -> "Problem":
        """The problem without some devices."""
        refused = np.array([name in devices for name in self.devices])
        return replace(
            self,
            alone=self.alone.without(refused),
            first=self.first.without(refused[:, None]),
            stage=self.stage.without(refused[:, None, None]),
        )

    def within(self, memory_bytes: Mapping[str, float]) -> "Problem":
        """The problem without stages that take more memory than their device has."""
        has = np.array([memory_bytes.get(name, np.inf) for name in self.devices])
        refused = self.memory_bytes > has[:, None, None]
        return replace(
            self,
            alone=self.alone.without(refused[:, 0, -1]),
            first=self.first.without(refused[:, 0, :]),
            stage=self.stage.without(refused),
        )

    def faster_than(self, period_s: float, *, strictly: bool = True) -> "Problem":
        """The problem without parts whose period is `period_s` or longer (only longer, unless `strictly`)."""

        def thinned(costs: Costs) -> Costs:
            slow = costs.period_s >= period_s if strictly else costs.period_s > period_s
            return costs.without(slow)

        return replace(
            self,
            alone=thinned(self.alone),
            first=thinned(self.first),
            stage=thinned(self.stage),
            link=thinned(self.link),
            back=thinned(self.back),
        )


@dataclass(frozen=True)
class Part:
    """A stage, by the name of its device, or a link, such as `pi -> server`, of one pipeline."""

    name: str
    latency_s: float
    period_s: float


@dataclass(frozen=True)
class Plan:
    """Devices in the order of the chain, and the cuts between them.

    Attributes:
        devices: The chain; the first device is source and sink.
        cuts: Positions in the graph, one fewer than devices. A first cut of 0 leaves the source without a
            stage.
        latency_s: Latency of a request alone in the pipeline.
        period_s: Seconds between two results when the bottleneck always has work.
        bottleneck: The stage or link that sets `period_s`, such as `pi` or `pi -> server`.
    """

    devices: tuple[str, ...]
    cuts: tuple[int, ...]
    latency_s: float
    period_s: float
    bottleneck: str

    def period_at(self, depth: int) -> float:
        """Seconds between two results with `depth` requests in flight.

        This is the cycle time of a closed line of stages with constant times: the largest mean weight of a
        cycle in its event graph, whose cycles are the stages themselves and the whole round trip shared by
        `depth` tokens (Baccelli, Cohen, Olsder, Quadrat: Synchronization and Linearity, Wiley 1992).
        """
        return max(self.period_s, self.latency_s / depth)


def evaluate(problem: Problem, devices: Sequence[str], cuts: Sequence[int]) -> Plan:
    """Compute a given pipeline's costs.

    Raises:
        ValueError: The problem lacks a device or a cut, or their numbers do not match.
    """
    parts = parts_of(problem, devices, cuts)
    bottleneck = max(parts, key=lambda part: part.period_s)
    return Plan(
        tuple(devices),
        tuple(cuts),
        sum(part.latency_s for part in parts),
        bottleneck.period_s,
        bottleneck.name,
    )


def parts_of(problem: Problem, devices: Sequence[str], cuts: Sequence[int]) -> list[Part]:
    """Every stage and link of a pipeline, in the order of a request.

    Raises:
        ValueError: The problem lacks a device or a cut, or their numbers do not match.
    """
    if len(cuts) != len(devices) - 1:
        raise ValueError(f"{len(devices)} devices need {len(devices) - 1} cuts, not {len(cuts)}")
    chain = [problem.devices.index(name) for name in devices]
    at = [problem.cuts.index(cut) for cut in cuts]
    names = problem.devices
    source = chain[0]
    if len(chain) == 1:
        return [_part(names[source], problem.alone, (source,))]
    parts = [_part(names[source], problem.first, (source, at[0]))]
    for sender, device, start, stop in zip(
        chain[:-1], chain[1:], at, [*at[1:], len(problem.cuts) - 1], strict=True
    ):
        parts.append(_part(f"{names[sender]} -> {names[device]}", problem.link, (sender, device, start)))
        parts.append(_part(names[device], problem.stage, (device, start, stop)))
    last = chain[-1]
    return [*parts, _part(f"{names[last]} -> {names[source]}", problem.back, (last, source))]


def _part(name: str, costs: Costs, index: tuple[int, ...]) -> Part:
    return Part(name, float(costs.latency_s[index]), float(costs.period_s[index]))
