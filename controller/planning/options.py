"""The options of `controller plan` and `predict`, and the limits that follow from them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from controller.errors import PlanError, ProfileError
from controller.lab.inventory import Lab
from controller.options import (
    DEVICE_PROFILES,
    LAB,
    NETWORKS,
    AsJson,
    Batch,
    DeviceProfiles,
    Devices,
    LabFile,
    NetworksFile,
    Threads,
)
from controller.planning.constraints import Limits
from controller.profiling.profile import Profile

__all__ = ["PlanOptions", "PredictOptions", "SharedOptions", "limits_of"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(kB|MB|GB)")
_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """The options that planning and predicting share."""

    bundle: Annotated[Path, typer.Argument(help="A profiled bundle.")]
    lab: LabFile = LAB
    network: Annotated[str, typer.Option(help="Network to predict for.")] = "ideal"
    networks_file: NetworksFile = NETWORKS
    batch: Batch = 1
    threads: Threads = None
    codec: Annotated[str, typer.Option(help="Codec of all links; needs `profile --codecs`.")] = "none"
    device_profiles: DeviceProfiles = DEVICE_PROFILES
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class PlanOptions(SharedOptions):
    """The options of `controller plan`."""

    objective: Annotated[str, typer.Option(help="One of latency, throughput, knee and pareto.")] = "latency"
    source: Annotated[
        str | None, typer.Option(help="Device that requests start from, or any. Default: the first.")
    ] = None
    without: Annotated[str, typer.Option(help="Devices to leave out, as in pi,server.")] = ""
    memory: Annotated[
        list[str] | None, typer.Option(help="Memory limit of a device's stage, as in pi=512MB.")
    ] = None
    most_latency_ms: Annotated[float | None, typer.Option(min=0, help="Highest latency, in ms.")] = None
    least_throughput: Annotated[
        float | None, typer.Option(min=0, help="Lowest throughput, in samples/s.")
    ] = None
    least_accuracy: Annotated[
        float, typer.Option(min=0, max=1, help="Lowest accuracy that the codec may leave, as in 0.95.")
    ] = 0.0
    most_devices: Annotated[int | None, typer.Option(min=1, help="Largest number of devices.")] = None
    best: Annotated[int, typer.Option(min=1, help="Number of plans, best first.")] = 1
    experiment: Annotated[
        Path | None,
        typer.Option(help="Write an experiment that measures these plans beside their baselines."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class PredictOptions(SharedOptions):
    """The options of `controller predict`."""

    at: Annotated[str, typer.Option(help="Cuts, as in `run`: 23 or features.7 or 12,41.")]
    devices: Devices = None
    depth: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 1


def limits_of(options: PlanOptions, profile: Profile, path: Path, lab: Lab) -> Limits:
    """The limits of a plan.

    Args:
        profile: The device profile to plan with.
        path: Its file, for messages.

    Raises:
        LabError: The lab does not have a device.
        PlanError: A memory size is malformed, or --without excludes the source.
        ProfileError: The device profile is of other devices.
    """
    without = tuple(name for name in options.without.split(",") if name)
    for name in (*without, *([options.source] if options.source and options.source != "any" else [])):
        lab.device(name)
    _check_devices(profile, path, options, lab)
    names = list(profile.devices)
    sources = {None: names[:1], "any": names}.get(options.source, [options.source or ""])
    sources = [name for name in sources if name not in without]
    if not sources:
        raise PlanError(
            f"--without {options.without}: excludes the source; choose another with --source DEVICE or any"
        )
    return Limits(
        sources=tuple(sources),
        forbidden=without,
        memory_bytes=_memory(options.memory or [], profile, lab),
        latency_s=math.inf if options.most_latency_ms is None else options.most_latency_ms / 1e3,
        period_s=options.batch / options.least_throughput if options.least_throughput else math.inf,
        most_devices=options.most_devices,
        batch=options.batch,
    )


def _check_devices(profile: Profile, path: Path, options: PlanOptions, lab: Lab) -> None:
    """Compare a device profile's devices with the lab's, which may have changed while devices are off."""
    names = [device.name for device in lab.devices]
    if removed := [name for name in profile.devices if name not in names]:
        what = f"a lab with {removed[0]}"
    elif options.source in names and options.source not in profile.devices:
        what = f"a lab without {options.source}"
    else:
        return
    raise ProfileError(f"device profile {path} is of {what}; run `edgecut profile` again")


def _memory(requested: Sequence[str], profile: Profile, lab: Lab) -> dict[str, float]:
    """Each device's memory limit: from the command line, else its own memory."""
    sizes: dict[str, float] = {}
    for name, device in profile.devices.items():
        has = device.settings.get("memory_bytes")
        if isinstance(has, int):
            sizes[name] = float(has)
    for entry in requested:
        name, _, size = entry.partition("=")
        lab.device(name)
        match = _SIZE.fullmatch(size)
        if match is None:
            raise PlanError(f"--memory {entry}: give DEVICE=SIZE in kB, MB or GB, as in pi=512MB")
        sizes[name] = float(match[1]) * _UNITS[match[2]]
    return sizes
