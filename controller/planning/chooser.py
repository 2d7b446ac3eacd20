"""Choose among plans by their predictions, each with its own waits."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from controller.errors import PlanError
from controller.planning.baselines import named_baselines
from controller.planning.constraints import Limits, Objective, of_objective, why_not
from controller.planning.planner import max_throughput, min_latency, pareto_set
from controller.planning.prediction import Predictor
from controller.planning.problem import Plan, Problem, evaluate
from controller.results.metrics import power
from controller.results.pareto import front_of

__all__ = ["Chooser"]

_Chain = tuple[tuple[str, ...], tuple[int, ...]]

_STEPS: Final = 3
"""Cut points to try on either side of a plan's own."""

_LOOKED_AT: Final = 20
"""Plans with a moved cut to predict for each requested plan."""

_ROUNDS: Final = 4
"""Rounds of finding the fastest plan's latency, which hardly moves after the second."""


_MOST_SETS: Final = 1 << 12
"""The most sets of devices to plan over: time and memory are proportional to their number."""


class _TooManyDevicesError(PlanError):
    """Planning over this many sets of devices would take too long."""


class Chooser:
    """A chooser of plans, for one predictor.

    A device's wait depends on the plan, but the planner needs the same costs for all plans. So its costs
    assume that every device waits as long as the fastest plan takes, and, under a latency limit, as long as
    the limit. The chooser then predicts the planner's results (both Pareto sets, and the baselines) with
    their own waits, and applies the limits and the objective to these predictions. A plan's period does not
    depend on waits.
    """

    def __init__(self, predictor: Predictor, least_accuracy: float = 0.0) -> None:
        """Choose by `predictor`, without cuts at which the codec leaves less than `least_accuracy`."""
        self.predictor = predictor
        self._least_accuracy = least_accuracy
        self._predicted: dict[_Chain, Plan] = {}
        self._last: tuple[Limits, list[Plan]] | None = None

    def choose(self, objective: Objective, limits: Limits) -> tuple[Plan, ...]:
        """The best plan, or with `pareto` the whole front, by rising latency.

        Raises:
            PlanError: No plan is within the limits; names the limit at fault.
        """
        plans = self._find(objective, limits)
        if not plans:
            raise PlanError(why_not(limits, self._find_if_not_too_many))
        return plans

    def best(self, objective: Objective, limits: Limits, count: int) -> tuple[Plan, ...]:
        """The best `count` plans, from the planner's results and those with a cut moved by a few points.

        Raises:
            PlanError: No plan is within the limits.
        """
        first = self.choose(objective, limits)
        if len(first) >= count:
            return first
        plans = self._within(limits)
        limited = limits.keep_to(self.problem(limits))
        chains = {(plan.devices, cuts) for plan in plans for cuts in _moved(limited, plan.cuts)}
        near = [plan for plan in (evaluate(limited, *chain) for chain in sorted(chains)) if _is_allowed(plan)]
        # Their own waits change their order only a little, and most of them are far off.
        near = sorted(near, key=_worth(objective))[: _LOOKED_AT * count]
        pool = {_chain(plan): plan for plan in (*plans, *self._keeping(map(_chain, near), limits))}
        for plan in first:
            del pool[_chain(plan)]
        return (*first, *sorted(pool.values(), key=_worth(objective)))[:count]

    def is_feasible(self, limits: Limits) -> bool:
        """Whether any plan is within the limits."""
        return bool(self._within(limits))

    def by_devices(self, limits: Limits) -> list[tuple[int, Plan, Plan]]:
        """For each largest number of devices, the plans of lowest latency and highest throughput, if any."""
        plans = self._within(limits)
        devices = len(self.predictor.devices)
        rows = []
        pool: list[Plan] = []
        for number in range(1, min(limits.most_devices or devices, devices) + 1):
            fewer = replace(limits, most_devices=number)
            pool += [plan for plan in plans if len(plan.devices) == number]
            pool += self._within(fewer) if math.isfinite(limits.latency_s) else self._both_ends(fewer)
            if front := _front(pool):
                rows.append((number, front[0], front[-1]))
        return rows

    def problem(self, limits: Limits) -> Problem:
        """Costs where every device waits as long as the fastest plan within the limits takes."""
        wait_s = 0.0
        for _ in range(_ROUNDS):
            problem = self._problem(wait_s)
            limited = limits.keep_to(problem)
            _check_size(limited, limits)
            plan = min_latency(limited, limits.sources, most_devices=limits.most_devices)
            if plan is None:
                break
            before_s, wait_s = wait_s, self._predict(_chain(plan)).latency_s
            if wait_s == before_s:
                break
        return problem

    def _problem(self, wait_s: float) -> Problem:
        return self.predictor.problem(wait_s, least_accuracy=self._least_accuracy)

    def _find(self, objective: Objective, limits: Limits) -> tuple[Plan, ...]:
        return of_objective(_front(self._within(limits)), objective)

    def _find_if_not_too_many(self, objective: Objective, limits: Limits) -> tuple[Plan, ...]:
        """Like `_find`, but empty where a dropped limit leaves too many devices to plan with."""
        try:
            return self._find(objective, limits)
        except _TooManyDevicesError:
            return ()

    def _within(self, limits: Limits) -> list[Plan]:
        """Plans within the limits, including every objective's best."""
        if self._last is not None and self._last[0] == limits:
            return self._last[1]
        settled = self.problem(limits)
        problems = [settled]
        if math.isfinite(limits.latency_s):
            problems.append(self._problem(limits.latency_s))
        chains: set[_Chain] = set()
        for problem in problems:
            front = pareto_set(limits.keep_to(problem), limits.sources, most_devices=limits.most_devices)
            chains.update(map(_chain, front))
        limited = limits.keep_to(settled)
        most = limits.most_devices or len(settled.devices)
        for _, plan in named_baselines(settled, limits):
            if len(plan.devices) <= most and _is_allowed(evaluate(limited, plan.devices, plan.cuts)):
                chains.add(_chain(plan))
        self._last = limits, self._keeping(chains, limits)
        return self._last[1]

    def _both_ends(self, limits: Limits) -> list[Plan]:
        """The plans of lowest latency and highest throughput, which is faster than the whole Pareto set."""
        limited = limits.keep_to(self.problem(limits))
        plans = [
            find(limited, limits.sources, most_devices=limits.most_devices)
            for find in (min_latency, max_throughput)
        ]
        return self._keeping({_chain(plan) for plan in plans if plan}, limits)

    def _keeping(self, chains: Iterable[_Chain], limits: Limits) -> list[Plan]:
        """Predict chains in a fixed order and drop those above the latency limit."""
        plans = [self._predict(chain) for chain in sorted(chains)]
        return [plan for plan in plans if limits.allow_latency(plan.latency_s)]

    def _predict(self, chain: _Chain) -> Plan:
        if chain not in self._predicted:
            self._predicted[chain] = self.predictor.predict(*chain).plan
        return self._predicted[chain]


def _check_size(limited: Problem, limits: Limits) -> None:
    """Raise an error if the problem is too large; it names a size that is not."""
    devices = int(np.isfinite(limited.stage.period_s).any(axis=(1, 2)).sum())
    most = min(limits.most_devices or devices, devices)
    # The source, and a set of the others within the largest number.
    sizes = [math.comb(devices - 1, size) for size in range(most)]
    if sum(sizes) > _MOST_SETS:
        fitting = next(size for size in range(most) if sum(sizes[: size + 1]) > _MOST_SETS)
        raise _TooManyDevicesError(
            f"{devices} devices are too many to plan with {most} of them; give --most-devices {fitting}, or "
            f"leave devices out with --without"
        )


def _front(plans: Sequence[Plan]) -> list[Plan]:
    return front_of({plan: (plan.latency_s, plan.period_s) for plan in plans})


def _chain(plan: Plan) -> _Chain:
    return plan.devices, plan.cuts


def _is_allowed(plan: Plan) -> bool:
    """Whether a plan is within its problem's limits."""
    return math.isfinite(plan.period_s)


def _moved(problem: Problem, cuts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The same cuts, one of them moved."""
    at = [problem.cuts.index(cut) for cut in cuts]
    chains = []
    for number, position in enumerate(at):
        for step in range(-_STEPS, _STEPS + 1):
            other = [*at[:number], position + step, *at[number + 1 :]]
            rises = all(before < after for before, after in zip(other[:-1], other[1:], strict=True))
            if step and rises and other[0] >= 0 and other[-1] < len(problem.cuts) - 1:
                chains.append(tuple(problem.cuts[i] for i in other))
    return chains


def _worth(objective: Objective) -> Callable[[Plan], float]:
    """The figure to minimise."""
    if objective == "latency":
        return lambda plan: plan.latency_s
    if objective == "throughput":
        return lambda plan: plan.period_s
    return lambda plan: -power(plan.latency_s, 1 / plan.period_s)
