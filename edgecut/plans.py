"""Device profiles and plans for programs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from controller.lab.inventory import Lab
from controller.options import DEVICE_PROFILES, NETWORKS
from controller.planning.commands import find_plans
from controller.planning.options import PlanOptions
from controller.planning.tables import Candidate
from controller.profiling.commands import ProfileOptions, measure_profile
from controller.profiling.profile import Profile
from edgecut.callbacks import Callbacks, Step
from exporter.bundle import Bundle

__all__ = ["PlannedSplit", "plan_splits", "profile_lab"]


@dataclass(frozen=True)
class PlannedSplit:
    """A split as predicted from device profiles.

    Attributes:
        name: Its objective, `next best N`, or the baseline that it is.
        devices: The chain.
        cuts: One fewer than devices; 0 and the number of nodes are the ends.
        latency_s: Of a request alone in the pipeline.
        throughput_per_s: Samples a second, with enough requests in flight.
        bottleneck: What limits the throughput: a device, or a link as `pi -> server`.
        is_baseline: It is there for comparison.
    """

    name: str
    devices: tuple[str, ...]
    cuts: tuple[int, ...]
    latency_s: float
    throughput_per_s: float
    bottleneck: str
    is_baseline: bool


def profile_lab(
    bundle: Bundle,
    lab: Lab,
    *,
    cuts: Literal["clean", "blocks", "all"] = "clean",
    batch: int = 1,
    budget_s: float = 40.0,
    quick: bool = False,
    device_profiles: Path | str = DEVICE_PROFILES,
    on_message: Callable[[str], None] | None = None,
) -> Profile:
    """Measure a model's cost on every device, or read the existing profile if it still holds.

    Args:
        bundle: The model.
        lab: The devices.
        cuts: Cut points to time stages at.
        batch: Samples in a request.
        budget_s: Approximate seconds for the stages of one device.
        quick: Fewer repetitions: faster, less certain.
        device_profiles: The folder that keeps profiles.
        on_message: Gets what happens, a line each.

    Raises:
        ControllerError: A device does not answer, or the bundle does not take this batch.
    """
    options = ProfileOptions(
        bundle=bundle.path,
        cuts=cuts,
        batch=batch,
        budget=budget_s,
        quick=quick,
        device_profiles=Path(device_profiles),
    )

    def on_step(step: Step) -> None:
        if on_message:
            on_message(f"{step.part}: {step.done}/{step.total}  {step.doing}".rstrip())

    return measure_profile(bundle, lab, options, Callbacks(on_message, on_step))


def plan_splits(
    bundle: Bundle,
    lab: Lab,
    *,
    network: str = "ideal",
    objective: Literal["latency", "throughput", "knee", "pareto"] = "latency",
    best: int = 1,
    source: str | None = None,
    codec: str = "none",
    batch: int = 1,
    most_latency_s: float | None = None,
    least_throughput_per_s: float | None = None,
    memory_bytes: Mapping[str, int] | None = None,
    networks_file: Path | str = NETWORKS,
    device_profiles: Path | str = DEVICE_PROFILES,
) -> tuple[PlannedSplit, ...]:
    """Predict the best devices and cuts from the lab's profile; the lab may be off.

    Args:
        bundle: The model.
        lab: The devices.
        network: A network of `networks_file`.
        objective: What the best plan has the best of; `pareto` gives all that no other plan dominates.
        best: How many plans.
        source: The device where requests start, or `any`; by default the first.
        codec: Of all links; it must be profiled.
        batch: As profiled.
        most_latency_s: Highest latency.
        least_throughput_per_s: Lowest throughput, in samples a second.
        memory_bytes: By device, the most that its stage may take.
        networks_file: Where networks are defined; by default edgecut's own.
        device_profiles: The folder that keeps profiles.

    Returns:
        The plans, best first, then the baselines.

    Raises:
        ControllerError: There is no profile of this lab and model (see `profile_lab`), or no plan within the
            limits.
    """
    options = PlanOptions(
        bundle=bundle.path,
        network=network,
        networks_file=Path(networks_file),
        batch=batch,
        codec=codec,
        device_profiles=Path(device_profiles),
        objective=objective,
        source=source,
        memory=[f"{name}={count / 1e6:f}MB" for name, count in (memory_bytes or {}).items()],
        most_latency_ms=None if most_latency_s is None else most_latency_s * 1e3,
        least_throughput=least_throughput_per_s,
        best=best,
    )
    plans = find_plans(bundle, lab, options)
    return (
        *(_planned(each, is_baseline=False) for each in plans.plans),
        *(_planned(each, is_baseline=True) for each in plans.baselines),
    )


def _planned(candidate: Candidate, *, is_baseline: bool) -> PlannedSplit:
    name, prediction = candidate
    plan = prediction.plan
    throughput_per_s = prediction.batch / plan.period_s
    return PlannedSplit(
        name, plan.devices, plan.cuts, plan.latency_s, throughput_per_s, plan.bottleneck, is_baseline
    )
