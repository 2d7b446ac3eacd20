"""Print plans as tables."""

from collections.abc import Sequence

from controller.console import plain_table, show, show_table
from controller.planning.chooser import Chooser
from controller.planning.constraints import Limits, worth_using
from controller.planning.prediction import Prediction
from controller.planning.problem import Plan

__all__ = ["Candidate", "depth_for", "in_words", "show_devices_worth", "show_plans", "stages_of"]

# Predictions are about this accurate: a smaller gain is not worth a device.
_GAIN = 0.05

Candidate = tuple[str, Prediction]


def stages_of(plan: Plan, node_count: int) -> str:
    """Format a pipeline, as in `pi 0-34 -> server 34-100`."""
    bounds = [0, *plan.cuts, node_count]
    parts = [
        f"{name} {start}-{stop}" if start < stop else f"{name} source"
        for name, start, stop in zip(plan.devices, bounds[:-1], bounds[1:], strict=True)
    ]
    return " -> ".join(parts)


def in_words(name: str, baseline: Plan) -> str:
    """Name a baseline within a sentence: `everything on pi` for the plans that stay or offload."""
    return f"everything on {baseline.devices[-1]}" if name in ("stay", "offload") else name


def show_plans(
    title: str, plans: Sequence[Candidate], baselines: Sequence[Candidate], node_count: int
) -> None:
    """Print plans, then baselines, each with its prediction."""
    table = plain_table(title, "stages (nodes)", "latency ms", "samples/s", "at depth", "limited by")
    for name, prediction in (*plans, *baselines):
        plan = prediction.plan
        table.add_row(
            name,
            stages_of(plan, node_count),
            f"{plan.latency_s * 1e3:.2f}",
            f"{prediction.batch / plan.period_s:.1f}",
            f"{depth_for(plan)}+",
            plan.bottleneck,
        )
    show_table(table)


def depth_for(plan: Plan) -> int:
    """The smallest depth that keeps the bottleneck always busy."""
    return max(1, -int(-plan.latency_s * (1 - 1e-9) // plan.period_s))


def show_devices_worth(chooser: Chooser, limits: Limits) -> None:
    """Print each further device's gain and the number of devices worth using."""
    rows = chooser.by_devices(limits)
    if not rows or rows[-1][0] < 2:
        return
    table = plain_table("devices, at most", "lowest latency ms", "highest samples/s")
    for number, quick, steady in rows:
        table.add_row(str(number), f"{quick.latency_s * 1e3:.2f}", f"{limits.batch / steady.period_s:.1f}")
    show_table(table)
    for what, plans, values in (
        ("latency", [quick for _, quick, _ in rows], [quick.latency_s for _, quick, _ in rows]),
        ("throughput", [steady for _, _, steady in rows], [steady.period_s for _, _, steady in rows]),
    ):
        computing = _computing(plans[worth_using(values, _GAIN)])
        verdict = f"{len(computing)} devices are worth using"
        if len(computing) == 1:
            verdict = f"one device alone is best ({computing[0]})"
        show(f"For {what}, {verdict}: more devices gain less than {_GAIN:.0%}.")


def _computing(plan: Plan) -> tuple[str, ...]:
    """The devices with a stage: a source that sends raw input has none."""
    return plan.devices[1:] if plan.cuts[:1] == (0,) else plan.devices
