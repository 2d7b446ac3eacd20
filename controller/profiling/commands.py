"""The command `controller profile`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from controller.console import Screen, duration, output
from controller.errors import ExperimentError
from controller.experiment.cells import check_batch
from controller.experiment.codec_assignment import choice_of
from controller.lab.inventory import Lab
from controller.lab.worker_client import query
from controller.options import (
    DEVICE_PROFILES,
    LAB,
    AsJson,
    Batch,
    BundleFolder,
    DeviceProfiles,
    LabFile,
    ProgressFile,
    Threads,
)
from controller.profiling.profile import Profile, load_profile, profile_path, save_profile
from controller.profiling.profiler import Wanted, take_profile, with_codecs
from controller.profiling.segments import segments
from controller.profiling.tables import show_profile
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC
from worker.wire.messages import DeviceInfo

__all__ = ["ProfileOptions", "path_of", "profile", "threads_of"]


@dataclass(frozen=True, kw_only=True)
class ProfileOptions:
    """The options of `controller profile`."""

    bundle: BundleFolder
    lab: LabFile = LAB
    cuts: Annotated[str, typer.Option(help="Cut points to time stages at: clean, blocks or all.")] = "clean"
    batch: Batch = 1
    threads: Threads = None
    budget: Annotated[float, typer.Option(min=1, help="Approximate seconds per device for its stages.")] = (
        40.0
    )
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions: faster, less certain.")] = False
    device_profiles: DeviceProfiles = DEVICE_PROFILES
    progress: ProgressFile = None
    again: Annotated[
        bool, typer.Option("--again", help="Re-measure even if a matching device profile exists.")
    ] = False
    as_json: AsJson = False
    codecs: Annotated[str, typer.Option(help="Codecs to measure as well, as in uint8,zfp:0.01.")] = ""


def profile(bundle: Bundle, lab: Lab, options: ProfileOptions) -> None:
    """Take a device profile, or show the existing one if it matches.

    Raises:
        ExperimentError: The cuts are unknown, or the bundle does not take this batch.
        DeviceError: A device does not answer.
    """
    cuts = _cuts(bundle, options.cuts)
    check_batch(bundle, options.batch, place="--batch")
    names = [choice_of(name.strip(), "--codecs") for name in options.codecs.split(",") if name.strip()]
    names = [name for name in dict.fromkeys(names) if name != NO_CODEC.name]
    security = lab.load_security()
    threads = threads_of(options.threads, {device.name: query(device, security) for device in lab.devices})
    wanted = Wanted(cuts, options.batch, threads, options.budget, options.quick)
    path = path_of(options.device_profiles, lab, bundle, wanted)
    with Screen(options.progress) as screen:
        measured = None if options.again else _reusable(path, bundle, lab, wanted, screen)
        if measured is None:
            measured = take_profile(bundle, lab, wanted, screen)
            save_profile(measured, path)
            screen.say(f"profiled in {duration(measured.took_s)}: {path}")
        missing = [name for name in names if name not in measured.codecs]
        if missing:
            measured = with_codecs(measured, bundle, lab, wanted, missing, screen)
            save_profile(measured, path)
            screen.say(f"codecs measured: {', '.join(missing)}")
    if options.as_json:
        print(json.dumps(_as_json(measured, bundle), indent=1))
        return
    show_profile(output(), measured, bundle)


def path_of(folder: Path, lab: Lab, bundle: Bundle, wanted: Wanted) -> Path:
    """The path of a device profile."""
    return profile_path(
        folder,
        lab=lab.name,
        model=bundle.manifest.model,
        batch=wanted.batch,
        threads=wanted.common_threads,
    )


def threads_of(requested: int | None, infos: Mapping[str, DeviceInfo]) -> int | dict[str, int]:
    """One number of threads, or one per device where they differ; 1 if no device answers."""
    if requested is not None:
        return requested
    numbers = {name: info.threads for name, info in infos.items()}
    alike = set(numbers.values()) or {1}
    return alike.pop() if len(alike) == 1 else numbers


def _cuts(bundle: Bundle, which: str) -> tuple[int, ...]:
    named = {
        "clean": bundle.clean_cuts(),
        "blocks": bundle.block_cuts(),
        "all": tuple(point.index for point in bundle.cut_points),
    }
    if which not in named:
        raise ExperimentError(f"--cuts {which}: choose one of {', '.join(named)}")
    return (0, *named[which], bundle.node_count)


def _reusable(path: Path, bundle: Bundle, lab: Lab, wanted: Wanted, screen: Screen) -> Profile | None:
    if not path.exists():
        return None
    existing = load_profile(path)
    security = lab.load_security()
    settings = {device.name: wanted.settings(query(device, security)) for device in lab.devices}
    why = existing.difference(
        bundle=bundle.digest, batch=wanted.batch, threads=wanted.common_threads, settings=settings
    )
    if why is None and existing.cuts != wanted.cuts:
        why = "other cuts"
    if why is None and set(existing.devices) != set(settings):
        why = "other devices"
    why = f"of {why}" if why else "a quick one" if wanted.is_too_quick(existing) else None
    screen.say(
        f"device profile {path} is {why}: profiling again"
        if why
        else f"device profile of {existing.taken_at}: {path}"
    )
    return None if why else existing


def _as_json(profile: Profile, bundle: Bundle) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(profile)
    for name, device in profile.devices.items():
        content["devices"][name]["segments"] = [
            msgspec.to_builtins(row) for row in segments(bundle, profile.cuts, device, profile.batch)
        ]
    return content
