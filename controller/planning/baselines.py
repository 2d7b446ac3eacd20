"""The literature's splits without optimisation, as baselines for plans."""

from collections.abc import Sequence

import numpy as np

from controller.planning.constraints import Limits
from controller.planning.problem import Plan, Problem, evaluate

__all__ = ["equal_layers", "greedy", "named_baselines", "one_device"]


def named_baselines(problem: Problem, limits: Limits) -> list[tuple[str, Plan]]:
    """A plan's baselines: each device alone, and equal and greedy splits in the lab's order."""
    source = limits.sources[0]
    allowed = [name for name in problem.devices if name not in limits.forbidden]
    order = [source, *(name for name in allowed if name != source)]
    plans = [("stay" if name == source else "offload", one_device(problem, source, name)) for name in order]
    if len(order) > 1:
        for name, plan in (
            ("equal layers", equal_layers(problem, order)),
            ("greedy", greedy(problem, order)),
        ):
            if plan is not None:
                plans.append((name, plan))
    return plans


def one_device(problem: Problem, source: str, device: str) -> Plan:
    """The whole model on one device, which receives raw input unless it is the source."""
    return evaluate(problem, *(((source,), ()) if device == source else ((source, device), (0,))))


def equal_layers(problem: Problem, devices: Sequence[str]) -> Plan | None:
    """The same number of nodes for each device, in the given order; None with more devices than segments."""
    count = len(devices)
    targets = [problem.cuts[-1] * number / count for number in range(1, count)]
    at: list[int] = []
    for number, target in enumerate(targets):
        begin = at[-1] + 1 if at else 1
        end = len(problem.cuts) - 1 - (len(targets) - 1 - number)
        if begin >= end:
            return None
        at.append(min(range(begin, end), key=lambda i: abs(problem.cuts[i] - target)))
    return evaluate(problem, devices, [problem.cuts[i] for i in at])


def greedy(problem: Problem, devices: Sequence[str]) -> Plan | None:
    """Each device, in the given order, takes segments up to an equal share of the compute time.

    A share counts compute time, not link time. None with more devices than segments.
    """
    number = [problem.devices.index(name) for name in devices]
    last = len(problem.cuts) - 1
    if len(devices) > last:
        return None
    whole_s = [float(problem.alone.latency_s[i]) for i in number]
    share_s = 1 / sum(1 / seconds for seconds in whole_s)
    at: list[int] = []
    for position, device in enumerate(number[:-1]):
        begin = at[-1] if at else 0
        most = last - (len(devices) - 1 - position)
        takes_s = problem.first.latency_s[device] if position == 0 else problem.stage.latency_s[device, begin]
        enough = np.flatnonzero(takes_s[begin + 1 : most + 1] >= share_s)
        at.append(begin + 1 + int(enough[0]) if enough.size else most)
    return evaluate(problem, devices, [problem.cuts[i] for i in at])
