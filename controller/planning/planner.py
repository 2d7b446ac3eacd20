"""Exact planning: which devices, in which order, and where to cut.

Both objectives of a pipeline combine its parts: the latency is their sum, the period the largest of them.
So the best way to reach a cut with a set of used devices and a last device does not depend on the rest, and
dynamic programming over (cut, used devices, last device) is exact. Over sets of devices it is the scheme of
Held and Karp (A dynamic programming approach to sequencing problems, J. SIAM 10(1), 1962); Bokhari first
minimised the largest part over cuts of a chain of tasks (Partitioning problems in parallel, pipelined, and
distributed computing, IEEE Trans. Computers 37(1), 1988). The source belongs to the state, since results
return to it, so the planner solves each source apart. With D devices and K cuts, one source costs D 2^D K^2
steps, K^2 at a time.

For both objectives at once, the planner finds the lowest latency among plans below a bound on the period,
lowers the bound to that plan's period, and repeats until no plan is left: the epsilon-constraint method
(Haimes, Lasdon, Wismer, IEEE Trans. Systems, Man, and Cybernetics 1(3), 1971). A plan's period is one of
finitely many costs and each round excludes it, so the search ends with the whole Pareto set.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from controller.planning.problem import Costs, Plan, Problem, evaluate

__all__ = ["min_latency", "pareto_set", "max_throughput"]

Floats = NDArray[np.float64]

# Sums of the same costs in another order differ by at most this share.
_SAME = 1e-12

_BLOCK = 16


def min_latency(problem: Problem, sources: Sequence[str], *, most_devices: int | None = None) -> Plan | None:
    """The plan with the lowest latency, or None without a plan.

    Args:
        sources: Possible sources.
        most_devices: The largest number of devices.
    """
    return _best(problem, sources, most_devices, _LATENCY, lambda plan: plan.latency_s)


def max_throughput(
    problem: Problem, sources: Sequence[str], *, most_devices: int | None = None
) -> Plan | None:
    """The plan with the shortest period, and of those the lowest latency; None without a plan."""
    best = _best(problem, sources, most_devices, _PERIOD, lambda plan: plan.period_s)
    if best is None:
        return None
    return min_latency(problem.faster_than(best.period_s, strictly=False), sources, most_devices=most_devices)


def pareto_set(
    problem: Problem, sources: Sequence[str], *, most_devices: int | None = None
) -> tuple[Plan, ...]:
    """The plans that no other one weakly dominates in latency and period, by rising latency.

    Of equal plans, the result holds one.
    """
    # A plan stays its source's min_latency until the bound excludes it, and a source's lowest latency only
    # rises while the bound falls. So only the source on top of the heap may need solving again.
    heap: list[tuple[float, int, Plan | None]] = [(0.0, i, None) for i, _ in enumerate(sources)]
    bound_s = np.inf
    thinned = problem
    plans: list[Plan] = []
    while heap:
        _, number, plan = heapq.heappop(heap)
        if plan is None or plan.period_s >= bound_s:
            plan = _of_source(thinned, sources[number], most_devices, _LATENCY)
            if plan is not None:
                heapq.heappush(heap, (plan.latency_s, number, plan))
            continue
        heapq.heappush(heap, (plan.latency_s, number, plan))
        plans.append(plan)
        bound_s = plan.period_s
        thinned = problem.faster_than(bound_s)
    return _without_dominated(plans)


def _without_dominated(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """Drop dominated plans from those by rising latency and falling period: only equal latencies dominate."""
    front: list[Plan] = []
    for plan in plans:
        if front and plan.latency_s <= front[-1].latency_s * (1 + _SAME):
            front.pop()
        front.append(plan)
    return tuple(front)


@dataclass(frozen=True)
class _Objective:
    """How to combine the parts' costs: which of the two costs, and by which function."""

    of: Callable[[Costs], Floats]
    join: Callable[[Floats, Floats], Floats]


_LATENCY = _Objective(lambda costs: costs.latency_s, np.add)
_PERIOD = _Objective(lambda costs: costs.period_s, np.maximum)


def _best(
    problem: Problem,
    sources: Sequence[str],
    most_devices: int | None,
    objective: _Objective,
    value: Callable[[Plan], float],
) -> Plan | None:
    plans = [_of_source(problem, source, most_devices, objective) for source in sources]
    return min((plan for plan in plans if plan is not None), key=value, default=None)


def _of_source(problem: Problem, source: str, most_devices: int | None, objective: _Objective) -> Plan | None:
    table = _Table(problem, problem.devices.index(source), most_devices, objective)
    best = table.best()
    if best is None:
        return None
    chain, at = best
    return evaluate(
        problem, [problem.devices[device] for device in chain], [problem.cuts[position] for position in at]
    )


class _Table:
    """Best values of every state, for one source.

    A set of used devices is a bit mask over the others, in the order of `_others`. `_values[i, v]` is the
    best value, by cut (K), of pipelines that have used `_masks[i]`, v last, up to the end of v's stage.
    Sets larger than `most_devices` allows have no row.
    """

    def __init__(
        self, problem: Problem, source: int, most_devices: int | None, objective: _Objective
    ) -> None:
        self._source = source
        self._join = objective.join
        self._others = [
            device
            for device in range(len(problem.devices))
            if device != source and np.isfinite(problem.stage.period_s[device]).any()
        ]
        take = objective.of
        self._alone = take(problem.alone)[source]
        self._first = take(problem.first)[source]
        # Ends of stages first: the minimum over their starts then runs along memory.
        self._stage = np.ascontiguousarray(take(problem.stage).transpose(0, 2, 1)[self._others])
        self._link_out = take(problem.link)[source][self._others]
        self._link = take(problem.link)[np.ix_(self._others, self._others)]
        self._back = take(problem.back)[self._others, source]
        count = len(self._others)
        self._most = count if most_devices is None else min(count, most_devices - 1)
        by_size = [
            [sum(1 << v for v in chosen) for chosen in combinations(range(count), size)]
            for size in range(self._most + 1)
        ]
        self._masks = np.array(sorted(mask for masks in by_size for mask in masks))
        self._values = np.full((len(self._masks), count, len(problem.cuts)), np.inf)
        self._fill(by_size)

    def _fill(self, by_size: Sequence[Sequence[int]]) -> None:
        for size in range(self._most):
            for v in range(len(self._others)):
                masks = np.array([mask for mask in by_size[size] if not mask >> v & 1])
                if len(masks):
                    arriving = self._arriving(masks, v)
                    self._values[self._rows(masks | 1 << v), v] = self._through(v, arriving)

    def _rows(self, masks: NDArray[np.int64]) -> NDArray[np.intp]:
        """The rows of these sets of devices in `_values`."""
        return np.searchsorted(self._masks, masks)

    def _through(self, v: int, arriving: Floats) -> Floats:
        """Best values by the end of v's stage, from those by its start (one row per mask)."""
        ended = np.empty_like(arriving)
        cuts = arriving.shape[1]
        # A stage starts before it stops, so starts after a block of stops do not matter.
        for begin in range(0, cuts, _BLOCK):
            stop = min(begin + _BLOCK, cuts)
            joined = self._join(self._stage[v, None, begin:stop, :stop], arriving[:, None, :stop])
            ended[:, begin:stop] = joined.min(axis=2)
        return ended

    def _arriving(self, masks: NDArray[np.int64], v: int) -> Floats:
        """Best values by cut after the link to v, of pipelines that have used a mask (one row per mask)."""
        if masks[0] == 0:
            return self._join(self._first, self._link_out[v])[None]
        return np.asarray(self._join(self._values[self._rows(masks)], self._link[None, :, v]).min(axis=1))

    def best(self) -> tuple[list[int], list[int]] | None:
        """A best pipeline's devices and cuts, as indices; None if all values are infinite."""
        if not self._others or not self._most:
            return ([self._source], []) if np.isfinite(self._alone) else None
        ends = self._join(self._values[:, :, -1], self._back[None])
        row, v = np.unravel_index(int(np.argmin(ends)), ends.shape)
        if np.isfinite(self._alone) and self._alone <= ends[row, v]:
            return [self._source], []
        if not np.isfinite(ends[row, v]):
            return None
        return self._walk_back(int(self._masks[row]), int(v))

    def _walk_back(self, mask: int, v: int) -> tuple[list[int], list[int]]:
        """Walk from the last stage to the source; each step repeats the minimum that led here."""
        chain: list[int] = []
        cuts: list[int] = []
        stop = self._values.shape[2] - 1
        while True:
            before = mask & ~(1 << v)
            arriving = self._arriving(np.array([before]), v)[0]
            start = int(np.argmin(self._join(self._stage[v, stop], arriving)))
            chain.append(self._others[v])
            cuts.append(start)
            if not before:
                return [self._source, *reversed(chain)], cuts[::-1]
            row = int(self._rows(np.array(before)))
            v = int(np.argmin(self._join(self._values[row, :, start], self._link[:, v, start])))
            mask, stop = before, start
