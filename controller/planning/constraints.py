"""Choosing a plan: the objective, what must be kept to, and what stands in the way where nothing does."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from controller.planning.problem import Plan, Problem
from controller.results.metrics import power

__all__ = ["OBJECTIVES", "Limits", "Objective", "knee", "of_objective", "why_not", "worth_using"]

Objective = Literal["latency", "throughput", "knee", "pareto"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "throughput", "knee", "pareto")

# A limit that is typed as it was printed is the same number, whatever it was divided by since.
_SAME = 1e-9


@dataclass(frozen=True)
class Limits:
    """What a plan must keep to.

    Attributes:
        sources: Devices at which requests may be born.
        forbidden: Devices that may have no part in it.
        memory_bytes: What a stage may take on a device; a device that is absent is not limited.
        latency_s: The most that a request alone in the pipeline may take.
        period_s: The most that may pass between two results.
        most_devices: How many devices there may be, the source among them.
        batch: Samples in a request, for what is said of throughput.
    """

    sources: tuple[str, ...]
    forbidden: tuple[str, ...] = ()
    memory_bytes: Mapping[str, float] = field(default_factory=dict)
    latency_s: float = math.inf
    period_s: float = math.inf
    most_devices: int | None = None
    batch: int = 1

    def keep_to(self, problem: Problem) -> Problem:
        """The problem without what breaks a limit, but for the latency, which no single part can break."""
        kept = problem.without(self.forbidden).within(self.memory_bytes)
        if self.period_s == math.inf:
            return kept
        return kept.faster_than(self.period_s * (1 + _SAME), strictly=False)

    def allow_latency(self, latency_s: float) -> bool:
        """Whether a request may take so long."""
        return latency_s <= self.latency_s * (1 + _SAME)

    def loosened(self) -> dict[str, "Limits"]:
        """These limits with one of them dropped, by what is dropped; of those that are set."""
        found: dict[str, Limits] = {}
        if self.latency_s < math.inf:
            found[f"latency <= {self.latency_s * 1e3:g} ms"] = replace(self, latency_s=math.inf)
        if self.period_s < math.inf:
            told = f"throughput >= {self.batch / self.period_s:g} samples/s"
            found[told] = replace(self, period_s=math.inf)
        for name in self.memory_bytes:
            rest = {other: size for other, size in self.memory_bytes.items() if other != name}
            found[f"memory of {name} <= {self.memory_bytes[name] / 1e6:.0f} MB"] = replace(
                self, memory_bytes=rest
            )
        if self.forbidden:
            found[f"without {', '.join(self.forbidden)}"] = replace(self, forbidden=())
        if self.most_devices is not None:
            found[f"at most {self.most_devices} devices"] = replace(self, most_devices=None)
        return found


Found = Callable[[Objective, Limits], Sequence[Plan]]


def of_objective(front: Sequence[Plan], objective: Objective) -> tuple[Plan, ...]:
    """Of plans that no other one dominates, by rising latency: the best one, or with `pareto` all."""
    if objective == "pareto" or not front:
        return tuple(front)
    if objective == "knee":
        return (knee(front),)
    return (front[0 if objective == "latency" else -1],)


def knee(plans: Sequence[Plan]) -> Plan:
    """The plan of most throughput per latency."""
    return max(plans, key=lambda plan: power(plan.latency_s, 1 / plan.period_s))


def worth_using(values: Sequence[float], gain: float) -> int:
    """The first that comes within a share `gain` of the best value, where less is better."""
    best = min(values)
    return next(number for number, value in enumerate(values) if value <= best * (1 + gain))


def why_not(limits: Limits, found: Found) -> str:
    """Which limit stands in the way where no plan keeps to all, and how near to it one can get.

    Args:
        found: What there is for an objective under other limits; empty where there is nothing.
    """
    loosened = limits.loosened()
    if not loosened:
        return "no plan: no device can be the source"
    alone = [name for name, looser in loosened.items() if found("latency", looser)]
    if not alone:
        return f"no plan keeps {', '.join(loosened)}; no single one of them is the cause"
    told = [name + _nearest(name, loosened[name], found) for name in alone]
    return f"no plan keeps {' or '.join(told)}" + (
        " with the rest; drop one of these" if len(told) > 1 else ""
    )


def _nearest(name: str, looser: Limits, found: Found) -> str:
    """How near one can get to the limit that was dropped, rounded so that it can be kept."""
    if name.startswith("latency"):
        (plan,) = found("latency", looser)
        return f" (the least is {_rounded(plan.latency_s * 1e3, math.ceil):g} ms)"
    if name.startswith("throughput"):
        (plan,) = found("throughput", looser)
        most_per_s = _rounded(looser.batch / plan.period_s, math.floor)
        return f" (the most is {most_per_s:g} samples/s)"
    return ""


def _rounded(value: float, towards: Callable[[float], int]) -> float:
    """Three digits; what is off by no more than floats are is not moved a whole digit."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    nearest = round(value / unit)
    close = math.isclose(nearest, value / unit, rel_tol=_SAME)
    return (nearest if close else towards(value / unit)) * unit
