"""The options of `controller plan` and `predict`, and the limits that follow from them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.errors import PlanError, ProfileError
from controller.lab.inventory import Lab
from controller.planning.constraints import Limits
from controller.profiling.profile import Profile

__all__ = ["PlanOptions", "PredictOptions", "SharedOptions", "limits_of"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(kB|MB|GB)")
_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """The options that planning and predicting share.

    Attributes:
        folder: The folder of device profiles.
    """

    network: str
    networks_file: Path
    folder: Path
    batch: int
    threads: int | None
    codec: str
    as_json: bool


@dataclass(frozen=True, kw_only=True)
class PlanOptions(SharedOptions):
    """The options of `controller plan`."""

    objective: str
    source: str | None
    without: str
    memory: Sequence[str]
    most_latency_ms: float | None
    least_throughput: float | None
    least_accuracy: float
    most_devices: int | None
    best: int
    experiment: Path | None


@dataclass(frozen=True, kw_only=True)
class PredictOptions(SharedOptions):
    """The options of `controller predict`.

    Attributes:
        at: The split's cuts.
        devices: Its chain; None for the whole lab.
        depth: Requests in flight.
    """

    at: str
    devices: str | None
    depth: int


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
        memory_bytes=_memory(options.memory, profile, lab),
        latency_s=math.inf if options.most_latency_ms is None else options.most_latency_ms / 1e3,
        period_s=math.inf if options.least_throughput is None else options.batch / options.least_throughput,
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
    raise ProfileError(f"device profile {path} is of {what}; run `python -m controller profile` again")


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
