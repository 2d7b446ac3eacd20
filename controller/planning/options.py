"""`controller plan` and `predict` as they were typed, and the limits that follow from them."""

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
    """What planning and predicting both need: a device profile and the conditions to use it under.

    Attributes:
        folder: Of device profiles.
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
    """`controller plan` as it was typed."""

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
    """`controller predict` as it was typed.

    Attributes:
        at: Cuts of the split.
        devices: Its chain; None: the whole lab.
        depth: Requests in flight.
    """

    at: str
    devices: str | None
    depth: int


def limits_of(options: PlanOptions, found: Profile, path: Path, lab: Lab) -> Limits:
    """What a plan must keep to.

    Args:
        found: The device profile to plan with.
        path: Where it lies, for messages.

    Raises:
        LabError: A device that the lab has not.
        PlanError: A size that is none, or a source that is left out.
        ProfileError: The profile is of other devices.
    """
    without = tuple(name for name in options.without.split(",") if name)
    for name in (*without, *([options.source] if options.source and options.source != "any" else [])):
        lab.device(name)
    _check_devices(found, path, options, lab)
    names = list(found.devices)
    sources = {None: names[:1], "any": names}.get(options.source, [options.source or ""])
    sources = [name for name in sources if name not in without]
    if not sources:
        raise PlanError(
            f"--without {options.without}: this is the source; name another with --source, or --source any"
        )
    return Limits(
        sources=tuple(sources),
        forbidden=without,
        memory_bytes=_memory(options.memory, found, lab),
        latency_s=math.inf if options.most_latency_ms is None else options.most_latency_ms / 1e3,
        period_s=math.inf if options.least_throughput is None else options.batch / options.least_throughput,
        most_devices=options.most_devices,
        batch=options.batch,
    )


def _check_devices(found: Profile, path: Path, options: PlanOptions, lab: Lab) -> None:
    """A lab may have changed since, and devices that are off do not say so."""
    there = [device.name for device in lab.devices]
    if gone := [name for name in found.devices if name not in there]:
        what = f"a lab with {gone[0]}"
    elif options.source in there and options.source not in found.devices:
        what = f"a lab without {options.source}"
    else:
        return
    raise ProfileError(f"profile {path} is of {what}; take it again: python -m controller profile")


def _memory(requested: Sequence[str], found: Profile, lab: Lab) -> dict[str, float]:
    """What the devices have, and what was said on the command line."""
    sizes: dict[str, float] = {}
    for name, device in found.devices.items():
        has = device.settings.get("memory_bytes")
        if isinstance(has, int):
            sizes[name] = float(has)
    for entry in requested:
        name, _, size = entry.partition("=")
        lab.device(name)
        match = _SIZE.fullmatch(size)
        if match is None:
            raise PlanError(f"--memory {entry}: write DEVICE=SIZE with kB, MB or GB, as in pi=512MB")
        sizes[name] = float(match[1]) * _UNITS[match[2]]
    return sizes
