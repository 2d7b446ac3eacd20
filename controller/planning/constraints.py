"""A plan's objective and limits, and an explanation where no plan meets them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from controller.planning.problem import Plan, Problem
from controller.results.metrics import power

__all__ = ["OBJECTIVES", "Limits", "Objective", "knee", "of_objective", "why_not", "worth_using"]

Objective = Literal["latency", "throughput", "knee", "pareto"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "throughput", "knee", "pareto")

# A limit typed as it was printed must match its value, in spite of the rounding of divisions.
_SAME = 1e-9


@dataclass(frozen=True)
class Limits:
    """The limits of a plan.

    Attributes:
        sources: Devices that may be the source.
        forbidden: Devices that the plan may not use.
        memory_bytes: The largest stage by device; no limit for absent devices.
        latency_s: The highest latency of a request alone in the pipeline.
        period_s: The longest time between two results.
        most_devices: The largest number of devices, including the source.
        batch: Samples in a request, for messages about throughput.
    """

    sources: tuple[str, ...]
    forbidden: tuple[str, ...] = ()
    memory_bytes: Mapping[str, float] = field(default_factory=dict)
    latency_s: float = math.inf
    period_s: float = math.inf
    most_devices: int | None = None
    batch: int = 1

    def keep_to(self, problem: Problem) -> Problem:
        """The problem without the parts that break a limit; no single part can break the latency's."""
        limited = problem.without(self.forbidden).within(self.memory_bytes)
        if self.period_s == math.inf:
            return limited
        return limited.faster_than(self.period_s * (1 + _SAME), strictly=False)

    def allow_latency(self, latency_s: float) -> bool:
        """Whether the latency is within its limit."""
        return latency_s <= self.latency_s * (1 + _SAME)

    def loosened(self) -> dict[str, "Limits"]:
        """These limits without one of those that are set, by the dropped limit in words."""
        looser: dict[str, Limits] = {}
        if self.latency_s < math.inf:
            looser[f"latency <= {self.latency_s * 1e3:g} ms"] = replace(self, latency_s=math.inf)
        if self.period_s < math.inf:
            throughput = f"throughput >= {self.batch / self.period_s:g} samples/s"
            looser[throughput] = replace(self, period_s=math.inf)
        for name in self.memory_bytes:
            rest = {other: size for other, size in self.memory_bytes.items() if other != name}
            looser[f"memory of {name} <= {self.memory_bytes[name] / 1e6:.0f} MB"] = replace(
                self, memory_bytes=rest
            )
        if self.forbidden:
            looser[f"without {', '.join(self.forbidden)}"] = replace(self, forbidden=())
        if self.most_devices is not None:
            looser[f"at most {self.most_devices} devices"] = replace(self, most_devices=None)
        return looser


Search = Callable[[Objective, Limits], Sequence[Plan]]


def of_objective(front: Sequence[Plan], objective: Objective) -> tuple[Plan, ...]:
    """Pick an objective's best plan from a front by rising latency; all of it for `pareto`."""
    if objective == "pareto" or not front:
        return tuple(front)
    if objective == "knee":
        return (knee(front),)
    return (front[0 if objective == "latency" else -1],)


def knee(plans: Sequence[Plan]) -> Plan:
    """The plan with the highest throughput per latency."""
    return max(plans, key=lambda plan: power(plan.latency_s, 1 / plan.period_s))


def worth_using(values: Sequence[float], gain: float) -> int:
    """The index of the first value within a share `gain` of the best one, where less is better."""
    best = min(values)
    return next(number for number, value in enumerate(values) if value <= best * (1 + gain))


def why_not(limits: Limits, search: Search) -> str:
    """Explain which limit excludes all plans, and how near to it a plan can get.

    Args:
        search: Finds the plans for an objective under other limits; empty without any.
    """
    loosened = limits.loosened()
    if not loosened:
        return "no plan: no device can be the source; name another with --source"
    alone = [name for name, looser in loosened.items() if search("latency", looser)]
    if not alone:
        return f"no plan meets {', '.join(loosened)}; drop several of them, since no single one is the cause"
    causes = [name + _nearest(name, loosened[name], search) for name in alone]
    return f"no plan meets {' or '.join(causes)}" + (
        " with the other limits; drop one of these" if len(causes) > 1 else ""
    )


def _nearest(name: str, looser: Limits, search: Search) -> str:
    """The nearest value to a dropped limit, rounded so that a plan can meet it."""
    if name.startswith("latency"):
        (plan,) = search("latency", looser)
        return f" (the lowest is {_rounded(plan.latency_s * 1e3, math.ceil):g} ms)"
    if name.startswith("throughput"):
        (plan,) = search("throughput", looser)
        most_per_s = _rounded(looser.batch / plan.period_s, math.floor)
        return f" (the highest is {most_per_s:g} samples/s)"
    return ""


def _rounded(value: float, towards: Callable[[float], int]) -> float:
    """Round to three digits in a direction; a float's own error does not move a value by a whole digit."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    nearest = round(value / unit)
    close = math.isclose(nearest, value / unit, rel_tol=_SAME)
    return (nearest if close else towards(value / unit)) * unit
