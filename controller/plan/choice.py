"""Choosing a plan: the objective, what must be kept to, and what stands in the way where nothing does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from controller.errors import PlanError
from controller.knee import power
from controller.plan.planner import fastest, pareto_set, steadiest
from controller.plan.problem import Plan, Problem

__all__ = ["OBJECTIVES", "Limits", "Objective", "by_devices", "choose", "is_feasible", "knee", "worth_using"]

Objective = Literal["latency", "throughput", "knee", "pareto"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "throughput", "knee", "pareto")


@dataclass(frozen=True)
class Limits:
    """What a plan must keep to.

    Attributes:
        sources: Devices at which requests may be born.
        forbidden: Devices that may have no part in it.
        memory_bytes: What a stage may take on a device; a device that is absent is not limited.
        latency_s: The most that a request alone in the pipeline may take.
        interval_s: The most that may pass between two results.
        most_devices: How many devices there may be.
    """

    sources: tuple[str, ...]
    forbidden: tuple[str, ...] = ()
    memory_bytes: Mapping[str, float] = field(default_factory=dict)
    latency_s: float = math.inf
    interval_s: float = math.inf
    most_devices: int | None = None

    def keep_to(self, problem: Problem) -> Problem:
        """The problem without what breaks a limit, but for the latency, which no single part can break."""
        kept = problem.without(self.forbidden).within(self.memory_bytes)
        return kept if self.interval_s == math.inf else kept.faster_than(self.interval_s, strictly=False)

    def loosened(self) -> dict[str, "Limits"]:
        """These limits with one of them dropped, by what is dropped; of those that are set."""
        found: dict[str, Limits] = {}
        if self.latency_s < math.inf:
            found[f"latency <= {self.latency_s * 1e3:g} ms"] = replace(self, latency_s=math.inf)
        if self.interval_s < math.inf:
            found[f"throughput >= {1 / self.interval_s:g} requests/s"] = replace(self, interval_s=math.inf)
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


def choose(problem: Problem, objective: Objective, limits: Limits) -> tuple[Plan, ...]:
    """The best plan, or with `pareto` all that no other one dominates, by rising latency.

    Raises:
        PlanError: No plan keeps to the limits; names the limit that stands in the way.
    """
    found = _choose(problem, objective, limits)
    if not found:
        raise PlanError(_why_not(problem, limits))
    return found


def is_feasible(problem: Problem, objective: Objective, limits: Limits) -> bool:
    """Whether any plan keeps to the limits."""
    return bool(_choose(problem, objective, limits))


def _choose(problem: Problem, objective: Objective, limits: Limits) -> tuple[Plan, ...]:
    kept = limits.keep_to(problem)
    most = limits.most_devices
    if objective == "latency":
        plan = fastest(kept, limits.sources, most_devices=most)
        return (plan,) if plan and plan.latency_s <= limits.latency_s else ()
    if objective == "throughput" and limits.latency_s == math.inf:
        plan = steadiest(kept, limits.sources, most_devices=most)
        return (plan,) if plan else ()
    front = tuple(
        plan
        for plan in pareto_set(kept, limits.sources, most_devices=most)
        if plan.latency_s <= limits.latency_s
    )
    if objective == "throughput":
        return front[-1:]
    return front if objective == "pareto" or not front else (knee(front),)


def knee(plans: Sequence[Plan]) -> Plan:
    """The plan of most throughput per latency."""
    return max(plans, key=lambda plan: power(plan.latency_s, 1 / plan.interval_s))


def by_devices(problem: Problem, limits: Limits) -> list[tuple[int, Plan, Plan]]:
    """For every number of devices that allows a plan: the fastest and the steadiest with at most so many."""
    kept = limits.keep_to(problem)
    most = min(limits.most_devices or len(problem.devices), len(problem.devices))
    found = []
    for number in range(1, most + 1):
        quick = fastest(kept, limits.sources, most_devices=number)
        steady = steadiest(kept, limits.sources, most_devices=number)
        if quick and steady:
            found.append((number, quick, steady))
    return found


def worth_using(values: Sequence[tuple[int, float]], gain: float) -> int:
    """The fewest devices that come within a share `gain` of the best value, where less is better."""
    best = min(value for _, value in values)
    return min(number for number, value in values if value <= best * (1 + gain))


def _why_not(problem: Problem, limits: Limits) -> str:
    loosened = limits.loosened()
    if not loosened:
        return "no plan: no device can be the source"
    alone = [name for name, looser in loosened.items() if _choose(problem, "latency", looser)]
    if not alone:
        return f"no plan keeps {', '.join(loosened)}; no single one of them is the cause"
    told = [name + _nearest(problem, name, loosened[name]) for name in alone]
    return f"no plan keeps {' or '.join(told)}" + (
        " with the rest; drop one of these" if len(told) > 1 else ""
    )


def _nearest(problem: Problem, name: str, looser: Limits) -> str:
    """How near one can get to the limit that was dropped."""
    if name.startswith("latency"):
        (plan,) = _choose(problem, "latency", looser)
        return f" (the least is {plan.latency_s * 1e3:.3g} ms)"
    if name.startswith("throughput"):
        plans = _choose(problem, "throughput", looser)
        return f" (the most is {1 / plans[0].interval_s:.3g} requests/s)" if plans else ""
    return ""
