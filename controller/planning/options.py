"""`controller plan` as it was typed, and the limits that follow from it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.errors import PlanError, ProfileError
from controller.lab.inventory import Lab
from controller.planning.constraints import Limits
from controller.profiling.profile import Profile

__all__ = ["PlanAsked", "limits_of"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(kB|MB|GB)")
_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True)
class PlanAsked:
    """`controller plan` as it was typed.

    Attributes:
        at: Cuts of one split that is to be predicted, in place of planning.
        chain: Its devices; None: the whole lab.
        depth: Requests in flight in it.
    """

    objective: str
    profile: str
    network_profiles: Path
    folder: Path
    batch: int
    threads: int | None
    source: str | None
    without: str
    memory: Sequence[str]
    most_latency_ms: float | None
    least_throughput: float | None
    codec: str
    least_accuracy: float
    most_devices: int | None
    best: int
    experiment: Path | None
    as_json: bool
    at: str | None = None
    chain: str | None = None
    depth: int | None = None

    def check_kind(self) -> None:
        """Refuse options of planning beside `--at`, and options of `--at` without it.

        Raises:
            PlanError: Names the option.
        """
        of_planning = {
            "--source": self.source,
            "--without": self.without,
            "--memory": self.memory,
            "--most-latency-ms": self.most_latency_ms,
            "--least-throughput": self.least_throughput,
            "--least-accuracy": self.least_accuracy,
            "--most-devices": self.most_devices,
            "--best": self.best - 1,
            "--experiment": self.experiment,
        }
        of_one = {"--devices": self.chain, "--depth": self.depth}
        if self.at is None:
            if wrong := next((option for option, value in of_one.items() if value), None):
                raise PlanError(f"{wrong} is of one split: name its cuts with --at, or leave {wrong} out")
        elif wrong := next((option for option, value in of_planning.items() if value), None):
            raise PlanError(f"--at predicts one split as it is: leave {wrong} out, or plan without --at")


def limits_of(asked: PlanAsked, found: Profile, path: Path, lab: Lab) -> Limits:
    """What a plan must keep to.

    Args:
        found: What is planned by.
        path: Where it lies, for messages.

    Raises:
        LabError: A device that the lab has not.
        PlanError: A size that is none, or a source that is left out.
        ProfileError: The profile is of other devices.
    """
    without = tuple(name for name in asked.without.split(",") if name)
    for name in (*without, *([asked.source] if asked.source and asked.source != "any" else [])):
        lab.device(name)
    _check_devices(found, path, asked, lab)
    names = list(found.devices)
    sources = {None: names[:1], "any": names}.get(asked.source, [asked.source or ""])
    sources = [name for name in sources if name not in without]
    if not sources:
        raise PlanError(
            f"--without {asked.without}: this is the source; name another with --source, or --source any"
        )
    return Limits(
        sources=tuple(sources),
        forbidden=without,
        memory_bytes=_memory(asked.memory, found, lab),
        latency_s=math.inf if asked.most_latency_ms is None else asked.most_latency_ms / 1e3,
        interval_s=math.inf if asked.least_throughput is None else asked.batch / asked.least_throughput,
        most_devices=asked.most_devices,
        batch=asked.batch,
    )


def _check_devices(found: Profile, path: Path, asked: PlanAsked, lab: Lab) -> None:
    """A lab may have changed since, and devices that are off do not say so."""
    there = [device.name for device in lab.devices]
    if gone := [name for name in found.devices if name not in there]:
        what = f"a lab with {gone[0]}"
    elif asked.source in there and asked.source not in found.devices:
        what = f"a lab without {asked.source}"
    else:
        return
    raise ProfileError(f"profile {path} is of {what}; take it again: python -m controller profile")


def _memory(asked: Sequence[str], found: Profile, lab: Lab) -> dict[str, float]:
    """What the devices have, and what was said on the command line."""
    sizes: dict[str, float] = {}
    for name, device in found.devices.items():
        has = device.settings.get("memory_bytes")
        if isinstance(has, int):
            sizes[name] = float(has)
    for entry in asked:
        name, _, size = entry.partition("=")
        lab.device(name)
        match = _SIZE.fullmatch(size)
        if match is None:
            raise PlanError(f"--memory {entry}: write DEVICE=SIZE with kB, MB or GB, as in pi=512MB")
        sizes[name] = float(match[1]) * _UNITS[match[2]]
    return sizes
