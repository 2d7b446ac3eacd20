"""The splits of the literature that no optimisation went into, to see what planning gains."""

from collections.abc import Sequence

import numpy as np

from controller.plan.problem import Plan, Problem, evaluate

__all__ = ["equal_layers", "greedy", "one_device"]


def one_device(problem: Problem, source: str, device: str) -> Plan:
    """The whole model on one device, which gets raw input where it is not the source."""
    return evaluate(problem, *(((source,), ()) if device == source else ((source, device), (0,))))


def equal_layers(problem: Problem, devices: Sequence[str]) -> Plan | None:
    """The same number of nodes for each device, in the order given; None with more devices than stretches."""
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
    """Each device, in the order given, takes stretches until it has the time that would be an equal share.

    A share counts what the device computes, not what links carry. None with more devices than stretches.
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
