"""The plans that come next to the best: what to measure before one is believed."""

from collections.abc import Callable

import numpy as np

from controller.knee import power
from controller.plan.choice import Limits, Objective, choose
from controller.plan.problem import Plan, Problem, evaluate

__all__ = ["best_plans"]

_STEPS = 3
"""How many cut points to either side of a plan's own are looked at."""


def best_plans(problem: Problem, objective: Objective, limits: Limits, count: int) -> tuple[Plan, ...]:
    """The best plan, and the next best among those on the Pareto set and with a cut moved by a few points.

    Raises:
        PlanError: No plan keeps to the limits.
    """
    first = choose(problem, objective, limits)
    kept = limits.keep_to(problem)
    pool = {(plan.devices, plan.cuts): plan for plan in (*first, *choose(problem, "pareto", limits))}
    for plan in list(pool.values()):
        for cuts in _moved(problem, plan.cuts):
            near = evaluate(kept, plan.devices, cuts)
            if np.isfinite(near.interval_s) and near.latency_s <= limits.latency_s:
                pool.setdefault((near.devices, near.cuts), near)
    chosen = {(plan.devices, plan.cuts) for plan in first}
    rest = [plan for key, plan in pool.items() if key not in chosen]
    return (*first, *sorted(rest, key=_worth(objective)))[: max(count, len(first))]


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
