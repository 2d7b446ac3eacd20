"""Choosing among plans by what is predicted of each, with its own waits."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from controller.errors import PlanError
from controller.knee import power
from controller.plan.baselines import named_baselines
from controller.plan.choice import Limits, Objective, of_objective, why_not
from controller.plan.planner import fastest, pareto_set
from controller.plan.prediction import Predictor
from controller.plan.problem import Plan, Problem, evaluate

__all__ = ["Chooser"]

_Chain = tuple[tuple[str, ...], tuple[int, ...]]

_STEPS: Final = 3
"""How many cut points to either side of a plan's own are looked at."""

_ROUNDS: Final = 4
"""How often the latency of the fastest plan is looked for; it hardly moves after the second."""


class Chooser:
    """Chooses plans, for one predictor.

    How long a device waits depends on the plan, while the planner's costs must be the same for all of them.
    So it is given costs at which every device waits as long as the fastest plan takes, and, where latency is
    limited, as long as the limit. What it finds (both Pareto sets, and the baselines) is predicted with its
    own waits, and what is predicted must keep to the limits, and is chosen by. The interval of a plan does
    not depend on waits.
    """

    def __init__(self, predictor: Predictor, least_accuracy: float = 0.0) -> None:
        """Choose by `predictor`, with no cut at which the codec leaves less than `least_accuracy`."""
        self._predictor = predictor
        self._least_accuracy = least_accuracy
        self._predicted: dict[_Chain, Plan] = {}

    def choose(self, objective: Objective, limits: Limits) -> tuple[Plan, ...]:
        """The best plan, or with `pareto` all that no other one dominates, by rising latency.

        Raises:
            PlanError: No plan keeps to the limits; names the limit that stands in the way.
        """
        found = self._find(objective, limits)
        if not found:
            raise PlanError(why_not(limits, self._find))
        return found

    def best(self, objective: Objective, limits: Limits, count: int) -> tuple[Plan, ...]:
        """The best plan, and the next best of those found and of those with a cut moved by a few points.

        Raises:
            PlanError: No plan keeps to the limits.
        """
        first = self.choose(objective, limits)
        if len(first) >= count:
            return first
        found = self._found(limits)
        kept = limits.keep_to(self.problem(limits))
        near = {
            (plan.devices, cuts)
            for plan in found
            for cuts in _moved(kept, plan.cuts)
            if _is_allowed(kept, (plan.devices, cuts))
        }
        pool = {(plan.devices, plan.cuts): plan for plan in (*found, *self._keeping(near, limits))}
        for plan in first:
            del pool[plan.devices, plan.cuts]
        return (*first, *sorted(pool.values(), key=_worth(objective)))[:count]

    def is_feasible(self, limits: Limits) -> bool:
        """Whether any plan keeps to the limits."""
        return bool(self._found(limits))

    def by_devices(self, limits: Limits) -> list[tuple[int, Plan, Plan]]:
        """The fastest and the steadiest plan with so many devices at most, where there is any."""
        devices = self._predictor.devices
        rows = []
        for number in range(1, min(limits.most_devices or len(devices), len(devices)) + 1):
            fewer = replace(limits, most_devices=number)
            quick, steady = (self._find(objective, fewer) for objective in ("latency", "throughput"))
            if quick and steady:
                rows.append((number, quick[0], steady[0]))
        return rows

    def problem(self, limits: Limits) -> Problem:
        """Costs where every device waits as long as the fastest plan takes, of those within the limits."""
        wait_s = 0.0
        for _ in range(_ROUNDS):
            problem = self._problem(wait_s)
            plan = fastest(limits.keep_to(problem), limits.sources, most_devices=limits.most_devices)
            if plan is None:
                break
            before_s, wait_s = wait_s, self._predict((plan.devices, plan.cuts)).latency_s
            if wait_s == before_s:
                break
        return problem

    def _problem(self, wait_s: float) -> Problem:
        return self._predictor.problem(wait_s, least_accuracy=self._least_accuracy)

    def _find(self, objective: Objective, limits: Limits) -> tuple[Plan, ...]:
        return of_objective(_front(self._found(limits)), objective)

    def _found(self, limits: Limits) -> list[Plan]:
        """Plans that keep to the limits, the best of them among these."""
        settled = self.problem(limits)
        problems = [settled]
        if np.isfinite(limits.latency_s):
            problems.append(self._problem(limits.latency_s))
        chains: set[_Chain] = set()
        for problem in problems:
            front = pareto_set(limits.keep_to(problem), limits.sources, most_devices=limits.most_devices)
            chains.update((plan.devices, plan.cuts) for plan in front)
        kept = limits.keep_to(settled)
        for _, plan in named_baselines(settled, limits):
            if len(plan.devices) <= (limits.most_devices or len(plan.devices)):
                chain = plan.devices, plan.cuts
                chains.update([chain] if _is_allowed(kept, chain) else [])
        return self._keeping(chains, limits)

    def _keeping(self, chains: Iterable[_Chain], limits: Limits) -> list[Plan]:
        """Predictions that keep to the limit of latency; the order does not depend on that of a set."""
        plans = [self._predict(chain) for chain in sorted(chains)]
        return [plan for plan in plans if limits.allow_latency(plan.latency_s)]

    def _predict(self, chain: _Chain) -> Plan:
        if chain not in self._predicted:
            self._predicted[chain] = self._predictor.predict(*chain).plan
        return self._predicted[chain]


def _front(plans: Sequence[Plan]) -> list[Plan]:
    """Those that no other one weakly dominates, by rising latency; one of those that are equal."""
    front: list[Plan] = []
    for plan in sorted(plans, key=lambda plan: (plan.latency_s, plan.interval_s)):
        if not front or plan.interval_s < front[-1].interval_s:
            front.append(plan)
    return front


def _is_allowed(kept: Problem, chain: _Chain) -> bool:
    return bool(np.isfinite(evaluate(kept, *chain).interval_s))


def _moved(problem: Problem, cuts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The same cuts, one of them moved."""
    at = [problem.cuts.index(cut) for cut in cuts]
    found = []
    for number, position in enumerate(at):
        for step in range(-_STEPS, _STEPS + 1):
            other = [*at[:number], position + step, *at[number + 1 :]]
            rises = all(before < after for before, after in zip(other[:-1], other[1:], strict=True))
            if step and rises and other[0] >= 0 and other[-1] < len(problem.cuts) - 1:
                found.append(tuple(problem.cuts[i] for i in other))
    return found


def _worth(objective: Objective) -> Callable[[Plan], float]:
    """What is to be small."""
    if objective == "latency":
        return lambda plan: plan.latency_s
    if objective == "throughput":
        return lambda plan: plan.interval_s
    return lambda plan: -power(plan.latency_s, 1 / plan.interval_s)
